//! The two ways into the engine, behind one set of operations (see `cases.rs`).

use crate::support::ib::begin_trx;
use daemon_memcached::bindings::*;
use daemon_memcached::refengine::Engine;
use daemon_memcached::refengine::sql::{
    End, Functions, Host, HostReply, HostStatement, Identity, ResultColumn, Session, Sink, SqlError,
};
use ib_err::*;
use std::borrow::Cow;
use std::ptr::null_mut;

/// Longer than any test runs: only what ends a wait by itself may end it.
const FOR_EVER: &str = "100000";

/// A session that runs operations.
pub trait Driver {
    /// Returns the outcome.
    fn run(&mut self, operation: &str) -> String;
}

#[derive(Default)]
struct NoHost(Functions);

impl Host for NoHost {
    fn is_present(&self) -> bool {
        false
    }

    fn run(&self, _: HostStatement<'_>) -> Result<HostReply, SqlError> {
        unreachable!("it is not present")
    }

    fn functions(&self) -> &Functions {
        &self.0
    }
}

#[derive(Default)]
struct Rows {
    rows: Vec<Vec<String>>,
    affected: u64,
}

impl Sink for Rows {
    fn columns(&mut self, _: &[ResultColumn]) -> Result<(), SqlError> {
        Ok(())
    }

    fn row(&mut self, values: &[Option<Cow<'_, [u8]>>]) -> Result<(), SqlError> {
        let text = |v: &Option<Cow<'_, [u8]>>| String::from_utf8_lossy(v.as_deref().unwrap_or(b"NULL")).into_owned();
        self.rows.push(values.iter().map(text).collect());
        Ok(())
    }

    fn done(&mut self, end: End) -> Result<(), SqlError> {
        self.affected += end.affected;
        Ok(())
    }
}

/// Makes `iso.t`.
pub fn create_table(engine: &Engine) {
    engine.set_variable("innodb_flush_log_at_trx_commit", "0").unwrap();
    let sql = "CREATE DATABASE iso; CREATE TABLE iso.t (id INT PRIMARY KEY, v INT, u INT UNIQUE)";
    Session::new(engine.clone(), Identity::internal()).execute(sql, &NoHost::default(), &mut Rows::default()).unwrap();
}

/// Gives `iso.t` the rows that every case begins with.
pub fn fill_table(engine: &Engine) {
    engine.set_variable("innodb_lock_wait_timeout", FOR_EVER).unwrap();
    engine.set_variable("innodb_api_lock_wait_timeout", FOR_EVER).unwrap();
    let sql = "DELETE FROM iso.t; INSERT INTO iso.t VALUES (1, 10, 1), (2, 20, 2), (5, 50, 5)";
    Session::new(engine.clone(), Identity::internal()).execute(sql, &NoHost::default(), &mut Rows::default()).unwrap();
}

fn rows_or_empty(rows: Vec<String>) -> String {
    if rows.is_empty() { "empty".into() } else { rows.join(" ") }
}

/// Operations as SQL statements.
pub struct SqlDriver(Session);

impl SqlDriver {
    pub fn new(engine: Engine) -> SqlDriver {
        let mut session = Session::new(engine, Identity::internal());
        session.execute("USE iso", &NoHost::default(), &mut Rows::default()).unwrap();
        SqlDriver(session)
    }

    fn execute(&mut self, sql: &str) -> Result<Rows, String> {
        let mut rows = Rows::default();
        match self.0.execute(sql, &NoHost::default(), &mut rows) {
            Ok(()) => Ok(rows),
            Err(error) => Err(match error.errno {
                1062 => "duplicate".into(),
                1205 => "timeout".into(),
                1213 => "deadlock".into(),
                _ => error.message,
            }),
        }
    }

    /// The sum of v over these ids, in one statement.
    pub fn sum(&mut self, ids: &str) -> Result<i64, String> {
        let rows = self.execute(&format!("SELECT SUM(v) FROM t WHERE id IN ({ids})"))?.rows;
        Ok(rows[0][0].parse().unwrap())
    }

    fn try_run(&mut self, operation: &str) -> Result<String, String> {
        let words: Vec<&str> = operation.split(' ').collect();
        let level = |short: &str| match short {
            "RU" => "READ UNCOMMITTED",
            "RC" => "READ COMMITTED",
            "RR" => "REPEATABLE READ",
            _ => "SERIALIZABLE",
        };
        let lock = match words[0] {
            word if word == "lock" || word.ends_with("-lock") => "FOR UPDATE",
            word if word.contains("share") => "LOCK IN SHARE MODE",
            _ => "",
        };
        let sql = match &words[..] {
            ["begin", l] => format!("SET SESSION TRANSACTION ISOLATION LEVEL {}; BEGIN", level(l)),
            ["begin", l, _] => {
                format!("SET SESSION TRANSACTION ISOLATION LEVEL {}; START TRANSACTION READ ONLY", level(l))
            }
            ["auto", l] => format!("SET SESSION TRANSACTION ISOLATION LEVEL {}", level(l)),
            ["patience", seconds] => format!("SET SESSION innodb_lock_wait_timeout = {seconds}"),
            ["read" | "share" | "lock", id] => {
                let rows = self.execute(&format!("SELECT v FROM t WHERE id = {id} {lock}"))?.rows;
                return Ok(rows.first().map_or("none".into(), |row| row[0].clone()));
            }
            [scan, from, to] if scan.starts_with("scan") => {
                let column = if scan.starts_with("scan-u") { "u" } else { "id" };
                let sql = format!(
                    "SELECT id, v FROM t WHERE {column} >= {from} AND {column} <= {to} ORDER BY {column} {lock}"
                );
                let rows = self.execute(&sql)?.rows;
                return Ok(rows_or_empty(rows.iter().map(|row| row.join(":")).collect()));
            }
            ["write", id, v] => format!("UPDATE t SET v = {v} WHERE id = {id}"),
            ["add", id, v] => format!("UPDATE t SET v = v + {v} WHERE id = {id}"),
            ["add-all", v] => format!("UPDATE t SET v = v + {v}"),
            ["insert", id, v] => format!("INSERT INTO t VALUES ({id}, {v}, {id})"),
            ["insert-all", ids @ ..] => {
                let rows: Vec<String> = ids.iter().map(|id| format!("({id}, 0, {id})")).collect();
                format!("INSERT INTO t VALUES {}", rows.join(", "))
            }
            ["delete", id] => format!("DELETE FROM t WHERE id = {id}"),
            ["commit"] => "COMMIT".into(),
            ["rollback"] => "ROLLBACK".into(),
            _ => panic!("no operation {operation}"),
        };
        let affected = self.execute(&sql)?.affected;
        let changes = matches!(words[0], "write" | "add" | "delete");
        Ok(if changes && affected == 0 { "missing" } else { "ok" }.into())
    }
}

impl Driver for SqlDriver {
    fn run(&mut self, operation: &str) -> String {
        self.try_run(operation).unwrap_or_else(|error| error)
    }
}

/// Operations through the callback table: one transaction object and one cursor.
pub struct TableDriver {
    engine: Engine,
    trx: ib_trx_t,
    cursor: ib_crsr_t,
}

fn checked(code: ib_err_t) -> Result<(), String> {
    match code {
        IB_SUCCESS => Ok(()),
        IB_RECORD_NOT_FOUND | IB_END_OF_INDEX => Err("none".into()),
        IB_DUPLICATE_KEY => Err("duplicate".into()),
        IB_LOCK_WAIT_TIMEOUT => Err("timeout".into()),
        IB_DEADLOCK => Err("deadlock".into()),
        other => Err(format!("code {other}")),
    }
}

impl TableDriver {
    pub fn new(engine: Engine) -> TableDriver {
        TableDriver { engine, trx: null_mut(), cursor: null_mut() }
    }

    fn set(tuple: ib_tpl_t, col: ib_ulint_t, value: i32) {
        assert_eq!(ib!(col_set_value(tuple, col, (&raw const value).cast(), 4, 1)), IB_SUCCESS);
    }

    fn begin(&mut self, level: &str, read_write: bool) {
        let level = match level {
            "RU" => 0,
            "RC" => 1,
            "RR" => 2,
            _ => 3,
        };
        self.trx = begin_trx(level, read_write);
        assert_eq!(ib!(open_table(c"iso/t".as_ptr(), self.trx, &mut self.cursor)), IB_SUCCESS);
    }

    /// As the callback table wants it after a deadlock or time-out: the transaction first, then its cursor.
    fn end(&mut self, commit: bool) -> Result<String, String> {
        let ended = if commit { ib!(trx_commit(self.trx)) } else { ib!(trx_rollback(self.trx)) };
        assert_eq!(ib!(cursor_close(self.cursor)), IB_SUCCESS);
        assert_eq!(ib!(trx_release(self.trx)), IB_SUCCESS);
        self.trx = null_mut();
        self.cursor = null_mut();
        checked(ended).map(|()| "ok".into())
    }

    fn move_to(&self, id: i32, lock: ib_lck_mode_t, matching: u32) -> Result<(), String> {
        assert_eq!(ib!(set_lock_mode(self.cursor, lock)), IB_SUCCESS);
        let key = ib!(sec_search_tuple_create(self.cursor));
        Self::set(key, 0, id);
        ib!(set_match_mode(self.cursor, matching));
        let code = ib!(moveto(self.cursor, key, ib_srch_mode::IB_CUR_GE));
        ib!(tuple_delete(key));
        checked(code)
    }

    /// id and v of the row under the cursor.
    fn current(&self) -> (i32, i32) {
        let tuple = ib!(clust_read_tuple_create(self.cursor));
        assert_eq!(ib!(read_row(self.cursor, tuple, null_mut(), null_mut())), IB_SUCCESS);
        let (mut id, mut v) = (0, 0);
        assert_eq!(ib!(tuple_read_i32(tuple, 0, &mut id)), IB_SUCCESS);
        assert_eq!(ib!(tuple_read_i32(tuple, 1, &mut v)), IB_SUCCESS);
        ib!(tuple_delete(tuple));
        (id, v)
    }

    fn scan(&self, from: i32, to: i32, lock: ib_lck_mode_t) -> Result<String, String> {
        let mut rows = Vec::new();
        let mut moved = self.move_to(from, lock, ib_match_mode::IB_CLOSEST_MATCH);
        loop {
            match moved {
                Err(end) if end == "none" => break,
                other => other?,
            }
            let (id, v) = self.current();
            if id > to {
                break;
            }
            rows.push(format!("{id}:{v}"));
            moved = checked(ib!(cursor_next(self.cursor)));
        }
        Ok(rows_or_empty(rows))
    }

    fn change(&self, id: i32, v: impl Fn(i32) -> i32) -> Result<String, String> {
        match self.move_to(id, ib_lck_mode::IB_LOCK_X, ib_match_mode::IB_EXACT_MATCH) {
            Err(missing) if missing == "none" => return Ok("missing".into()),
            other => other?,
        }
        let (old, new) = (ib!(clust_read_tuple_create(self.cursor)), ib!(clust_read_tuple_create(self.cursor)));
        for tuple in [old, new] {
            assert_eq!(ib!(read_row(self.cursor, tuple, null_mut(), null_mut())), IB_SUCCESS);
        }
        Self::set(new, 1, v(self.current().1));
        let code = ib!(update_row(self.cursor, old, new));
        ib!(tuple_delete(old));
        ib!(tuple_delete(new));
        checked(code).map(|()| "ok".into())
    }

    fn insert(&self, id: i32, v: i32) -> Result<String, String> {
        let tuple = ib!(clust_read_tuple_create(self.cursor));
        for (col, value) in [(0, id), (1, v), (2, id)] {
            Self::set(tuple, col, value);
        }
        let code = ib!(insert_row(self.cursor, tuple));
        ib!(tuple_delete(tuple));
        checked(code).map(|()| "ok".into())
    }

    fn try_run(&mut self, operation: &str) -> Result<String, String> {
        use ib_lck_mode::{IB_LOCK_NONE, IB_LOCK_S, IB_LOCK_X};
        let words: Vec<&str> = operation.split(' ').collect();
        let number = |at: usize| words[at].parse::<i32>().unwrap();
        let lock = match words[0] {
            word if word == "lock" || word.ends_with("-lock") => IB_LOCK_X,
            word if word.contains("share") => IB_LOCK_S,
            _ => IB_LOCK_NONE,
        };
        match &words[..] {
            ["begin", level] => self.begin(level, true),
            ["begin", level, _] => self.begin(level, false),
            ["patience", seconds] => self.engine.set_variable("innodb_api_lock_wait_timeout", seconds).unwrap(),
            ["read" | "share" | "lock", _] => {
                return match self.move_to(number(1), lock, ib_match_mode::IB_EXACT_MATCH) {
                    Ok(()) => Ok(self.current().1.to_string()),
                    Err(outcome) => Ok(outcome),
                };
            }
            ["scan" | "scan-share" | "scan-lock", ..] => return self.scan(number(1), number(2), lock),
            ["write", ..] => return self.change(number(1), |_| number(2)),
            ["add", ..] => return self.change(number(1), |v| v + number(2)),
            ["insert", ..] => return self.insert(number(1), number(2)),
            ["delete", _] => {
                self.move_to(number(1), IB_LOCK_X, ib_match_mode::IB_EXACT_MATCH)?;
                checked(ib!(delete_row(self.cursor)))?;
            }
            ["commit"] => return self.end(true),
            ["rollback"] => return self.end(false),
            _ => panic!("no operation {operation}"),
        }
        Ok("ok".into())
    }
}

impl Driver for TableDriver {
    fn run(&mut self, operation: &str) -> String {
        self.try_run(operation).unwrap_or_else(|error| error)
    }
}
