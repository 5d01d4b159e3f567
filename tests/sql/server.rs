//! Variables, accounts, and statements that the host answers.

use crate::support::*;
use daemon_memcached::bindings::{refengine_host_kind, refengine_host_statement_t, refengine_reply_t};
use daemon_memcached::refengine::ffi::*;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr;

/// The program itself is not in Debian or on PyPI or npm: these are its statements.
#[test]
fn what_mysqls_connector_for_java_says_first() {
    let (_engine, session) = in_database();
    check(
        &session,
        &[
            (
                "/* mysql-connector-j-9.7.0 (Revision: 0) */SELECT  @@session.auto_increment_increment AS auto_increment_increment, \
                 @@character_set_client AS character_set_client, @@character_set_connection AS character_set_connection, \
                 @@character_set_results AS character_set_results, @@character_set_server AS character_set_server, \
                 @@collation_server AS collation_server, @@collation_connection AS collation_connection, \
                 @@init_connect AS init_connect, @@interactive_timeout AS interactive_timeout, @@license AS license, \
                 @@lower_case_table_names AS lower_case_table_names, @@max_allowed_packet AS max_allowed_packet, \
                 @@net_write_timeout AS net_write_timeout, @@performance_schema AS performance_schema, \
                 @@sql_mode AS sql_mode, @@system_time_zone AS system_time_zone, @@time_zone AS time_zone, \
                 @@transaction_isolation AS transaction_isolation, @@wait_timeout AS wait_timeout",
                "1|utf8mb4|utf8mb4|utf8mb4|utf8mb4|utf8mb4_bin|utf8mb4_bin||28800|MIT OR Apache-2.0|0|67108864|60|0|\
                 ONLY_FULL_GROUP_BY,STRICT_TRANS_TABLES,ERROR_FOR_DIVISION_BY_ZERO|UTC|+00:00|REPEATABLE-READ|28800",
            ),
            ("SET character_set_results = NULL", "ok 0"),
            ("SET autocommit=1", "ok 0"),
            ("SET character_set_results = nonsense", "!1115"),
        ],
    );
}

#[test]
fn show_takes_conditions() {
    let (_engine, session) = in_database();
    session.ok("CREATE TABLE t (k INT PRIMARY KEY, v TEXT)");
    check(
        &session,
        &[
            (
                "SHOW VARIABLES WHERE Variable_name IN ('auto_increment_increment', 'sql_log_bin', 'nothing')",
                "auto_increment_increment|1\nsql_log_bin|ON",
            ),
            (
                "SHOW VARIABLES WHERE `Variable_name` = 'license' OR Value = 'UTC'",
                "license|MIT OR Apache-2.0\nsystem_time_zone|UTC",
            ),
            ("SHOW FULL TABLES WHERE Table_type = 'VIEW'", ""),
            ("SHOW COLUMNS FROM t WHERE Field LIKE 'v%'", "v|text|YES||NULL|"),
            ("SHOW VARIABLES WHERE nothing = 1", "!1054"),
            // What is there for tests only is not for users.
            ("SHOW VARIABLES LIKE 'refengine%'", ""),
            ("SELECT @@refengine_fail_commits", "!1193"),
        ],
    );
}

#[test]
fn variables() {
    let engine = Engine::new();
    check(
        &engine.session(),
        &[
            ("SHOW VARIABLES LIKE 'INNODB\\_flush%'", "innodb_flush_log_at_trx_commit|1"),
            ("SET GLOBAL innodb_flush_log_at_trx_commit = 2", "ok 0"),
            ("SELECT @@global.innodb_flush_log_at_trx_commit, @@innodb_flush_log_at_trx_commit", "2|2"),
            (
                "SET @@global.innodb_flush_log_at_trx_commit = DEFAULT; SELECT @@innodb_flush_log_at_trx_commit",
                "ok 0\n1",
            ),
            ("SET GLOBAL innodb_flush_log_at_trx_commit = 3", "!1231"),
            ("SET GLOBAL innodb_buffer_pool_size = 10000000", "!1238"),
            ("SET innodb_flush_log_at_trx_commit = 1", "!1229"),
            ("SET SESSION nope = 1", "!1193"),
            ("SET GLOBAL nope = 1", "!1193"),
            ("SET autocommit = maybe", "!1231"),
            ("SET NAMES utf8mb4; SET NAMES 'utf8' COLLATE utf8_bin; SET CHARACTER SET latin1", "ok 0\nok 0\nok 0"),
            ("SET NAMES klingon", "!1115"),
            ("SET SESSION innodb_lock_wait_timeout = 7, @@session.transaction_isolation = 'SERIALIZABLE'", "ok 0"),
            ("SHOW SESSION VARIABLES LIKE 'innodb_lock_wait_timeout'", "innodb_lock_wait_timeout|7"),
            ("SELECT @@tx_isolation, @@global.innodb_lock_wait_timeout", "SERIALIZABLE|50"),
            ("SET innodb_lock_wait_timeout = 0", "!1231"),
            ("SET @user_variable += 1", "!1064"),
            ("SHOW GLOBAL STATUS LIKE 'innodb_row%'", "Innodb_row_lock_current_waits|0"),
            ("SHOW PLUGINS", "!1235"),
            ("INSTALL PLUGIN p SONAME 'p.so'", "!1235"),
        ],
    );
}

#[test]
fn accounts_are_recorded() {
    let engine = Engine::new();
    let session = engine.session();
    check(
        &session,
        &[
            ("CREATE USER shop IDENTIFIED BY 'secret', 'a'@'localhost', `b`@`10.%`, c@localhost", "ok 0"),
            (
                "SELECT User, Host, plugin, authentication_string FROM mysql.user ORDER BY User",
                "a|localhost|caching_sha2_password|\nb|10.%|caching_sha2_password|\nc|localhost|caching_sha2_password|\n\
                 shop|%|caching_sha2_password|*14E65567ABDB5135D0CFD9A70B3032C179A49EE7 3881219D087DD9C634373FD33DFA33A2CB6BFC6C520B64B8BB60EF2CEB534AE7",
            ),
            ("CREATE USER new, shop", "!1396"),
            ("SELECT COUNT(*) FROM mysql.user", "4"),
            ("CREATE USER IF NOT EXISTS shop", "ok 0"),
            ("CREATE DATABASE store; CREATE TABLE store.t (k INT PRIMARY KEY)", "ok 1\nok 0"),
            ("GRANT SELECT, INSERT ON store.* TO shop", "ok 0"),
            ("GRANT CREATE TEMPORARY TABLES ON store.t TO 'a'@'localhost' WITH GRANT OPTION", "ok 0"),
            ("GRANT ALL PRIVILEGES ON *.* TO c@localhost", "ok 0"),
            ("GRANT SELECT ON store.nope TO shop", "!1146"),
            ("GRANT SELECT ON * TO shop", "!1046"),
            ("GRANT SELECT ON store.* TO nobody", "!1410"),
            (
                "SELECT User, Db, Table_name, Privilege FROM mysql.grants WHERE User <> 'c' ORDER BY User, Privilege",
                "a|store|t|CREATE TEMPORARY TABLES\na|store|t|GRANT OPTION\nshop|store|*|INSERT\nshop|store|*|SELECT",
            ),
            ("REVOKE INSERT ON store.* FROM shop", "ok 0"),
            ("REVOKE INSERT ON store.* FROM shop", "!1141"),
            ("REVOKE INSERT ON store.t FROM shop", "!1147"),
            ("REVOKE DELETE ON *.* FROM c@localhost", "ok 0"),
            ("SELECT COUNT(*) > 20, SUM(Privilege = 'DELETE') FROM mysql.grants WHERE User = 'c'", "1|0"),
            ("DROP USER c@localhost, 'shop'", "ok 0"),
            ("DROP USER shop", "!1396"),
            ("DROP USER IF EXISTS shop", "ok 0"),
            ("SELECT SQL_CALC_FOUND_ROWS 1", "!1235"),
            ("SELECT COUNT(*) FROM mysql.grants", "2"),
            ("FLUSH PRIVILEGES", "ok 0"),
        ],
    );
}

/// What the host callback saw, and whether it works on the engine itself.
struct TestHost {
    seen: Vec<String>,
    other: Session,
}

unsafe extern "C" fn on_host(
    arg: *mut c_void,
    statement: *const refengine_host_statement_t,
    reply: *mut refengine_reply_t,
) -> c_int {
    // SAFETY: `arg` is the TestHost of the test, whose session's thread this is; the statement is valid for the call.
    let (host, statement) = unsafe { (&mut *arg.cast::<TestHost>(), &*statement) };
    let text = |pointer: *const c_char| {
        // SAFETY: terminated strings or NULL.
        (!pointer.is_null()).then(|| unsafe { CStr::from_ptr(pointer) }.to_str().unwrap().to_owned())
    };
    let (name, value) = (text(statement.name), text(statement.value));
    host.seen.push(format!("{} {name:?} {value:?}", statement.kind));
    let row = |cells: &[*const c_char]| {
        // SAFETY: the reply of this callback, terminated strings.
        unsafe { refengine_reply_row(reply, cells.len() as u32, cells.as_ptr()) };
    };
    match statement.kind {
        refengine_host_kind::REFENGINE_INSTALL_PLUGIN if name.as_deref() == Some("bad") => {
            let message = c"Can't initialize function 'bad'; port taken";
            // SAFETY: the reply of this callback, terminated strings.
            unsafe { refengine_reply_error(reply, 1123, c"HY000".as_ptr(), message.as_ptr()) };
            return 1;
        }
        refengine_host_kind::REFENGINE_INSTALL_PLUGIN => {
            host.other.ok("REPLACE INTO d.plugins VALUES (1)");
        }
        refengine_host_kind::REFENGINE_SHOW_PLUGINS => {
            let names = [c"Name".as_ptr(), c"Library".as_ptr()];
            // SAFETY: the reply of this callback, terminated strings.
            unsafe { refengine_reply_columns(reply, 2, names.as_ptr()) };
            row(&[c"daemon_memcached".as_ptr(), ptr::null()]);
        }
        refengine_host_kind::REFENGINE_SHOW_VARIABLES => {
            row(&[c"daemon_memcached_option".as_ptr(), c"-p 0".as_ptr()]);
            row(&[c"autocommit".as_ptr(), c"shadowed".as_ptr()]);
        }
        refengine_host_kind::REFENGINE_SHOW_STATUS => {
            row(&[c"Uptime".as_ptr(), c"5".as_ptr()]);
            row(&[c"Daemon_memcached_threads".as_ptr(), c"4".as_ptr()]);
        }
        _ if name.as_deref() == Some("silent") => return 1,
        _ => {}
    }
    0
}

#[test]
fn host_statements() {
    let (engine, session) = in_database();
    session.ok("CREATE TABLE plugins (k INT PRIMARY KEY)");
    let mut host = TestHost { seen: Vec::new(), other: engine.session() };
    // SAFETY: the host outlives the session, whose thread is this one.
    unsafe { refengine_set_host(engine.raw, Some(on_host), ptr::from_mut(&mut host).cast()) };
    check(
        &session,
        &[
            (
                "BEGIN; INSERT INTO plugins VALUES (1); INSTALL PLUGIN daemon_memcached SONAME \"libmemcached.so\"",
                "ok 0\nok 1\nok 0",
            ),
            ("UNINSTALL PLUGIN `daemon_memcached`", "ok 0"),
            ("SHOW PLUGINS", "daemon_memcached|NULL"),
            ("SHOW VARIABLES LIKE 'daemon%'", "daemon_memcached_option|-p 0"),
            ("SHOW VARIABLES LIKE 'autocommit'", "autocommit|ON"),
            ("SELECT @@daemon_memcached_option", "-p 0"),
            ("SHOW GLOBAL STATUS LIKE '%a%t%'", "Daemon_memcached_threads|4\nInnodb_row_lock_current_waits|0"),
            ("SHOW STATUS LIKE 'upt%'", "Uptime|5"),
            ("SET GLOBAL daemon_x = ON", "ok 0"),
            ("SET GLOBAL daemon_x = DEFAULT", "ok 0"),
            ("SET GLOBAL silent = 1", "!1105"),
            ("SET daemon_memcached_option = ''", "!1229"),
        ],
    );
    let failure = session.run("INSTALL PLUGIN bad SONAME 'b.so'").unwrap_err();
    assert_eq!((failure.errno, failure.message.as_str()), (1123, "Can't initialize function 'bad'; port taken"));
    // SAFETY: no statement runs.
    unsafe { refengine_set_host(engine.raw, None, ptr::null_mut()) };
    let set: Vec<&String> =
        host.seen.iter().filter(|seen| !seen.starts_with("4 ") && !seen.starts_with("5 ")).collect();
    assert_eq!(
        set,
        [
            "1 Some(\"daemon_memcached\") Some(\"libmemcached.so\")",
            "2 Some(\"daemon_memcached\") None",
            "3 None None",
            "6 Some(\"daemon_x\") Some(\"ON\")",
            "6 Some(\"daemon_x\") None",
            "6 Some(\"silent\") Some(\"1\")",
            "1 Some(\"bad\") Some(\"b.so\")",
        ]
    );
}
