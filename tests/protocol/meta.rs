//! The meta commands against the real program.

use crate::common::meta::{self, OTHERWISE, SAME};
use crate::common::transport::everywhere;
use crate::common::{Client, HostConfig};

/// Runs every script on one connection.
fn run_all(what: &str, client: &mut Client) {
    for (name, script) in SAME.iter().chain(OTHERWISE) {
        for (send, expect) in *script {
            meta::step(client, send, expect).unwrap_or_else(|why| panic!("{name}, over {what}: {why}"));
        }
        // Nothing stands behind the last answer.
        client.ask("verbosity 0\r\n", "OK\r\n");
    }
}

#[test]
fn commands_answer_as_memcached_does() {
    everywhere(|way| run_all(&way.name, &mut way.client()));
}

/// `mg` of a key by many clients at once, on as many connections; returns how many won.
fn winners(clients: &mut [Client], request: &str) -> usize {
    let start = std::sync::Barrier::new(clients.len());
    std::thread::scope(|scope| {
        let threads: Vec<_> = clients
            .iter_mut()
            .map(|client| {
                scope.spawn(|| {
                    start.wait();
                    client.send(request);
                    let line = client.read_line();
                    assert!(line.starts_with("HD"), "{line}");
                    let (wins, sent) = (line.contains(" W"), line.contains(" Z"));
                    assert!(wins != sent, "{line}");
                    wins
                })
            })
            .collect();
        threads.into_iter().map(|thread| usize::from(thread.join().unwrap())).sum()
    })
}

#[test]
fn one_of_many_clients_is_sent_to_renew() {
    let host = HostConfig::new().option("-p 0 -t 4").start();
    let mut clients: Vec<Client> = (0..16).map(|_| host.client()).collect();
    for round in 0..60 {
        let key = format!("k{round}");
        let (prepare, request) = match round % 4 {
            0 => (format!("ms {key} 1\r\nx\r\nmd {key} I q\r\n"), format!("mg {key}\r\n")),
            1 => (format!("ms {key} 1 T100\r\nx\r\n"), format!("mg {key} R200\r\n")),
            2 => (format!("ms {key} 1 T100\r\nx\r\n"), format!("mg {key} R200 T300\r\n")),
            // Nothing is there: one creates it.
            _ => ("mg none\r\n".into(), format!("mg {key} N100\r\n")),
        };
        clients[0].send(&prepare);
        clients[0].read_line();
        assert_eq!(winners(&mut clients, &request), 1, "{request}");
    }
    assert_eq!(host.rows("SELECT COUNT(*) FROM memcached.cache"), [["60"]]);
}

#[test]
fn sql_sees_what_meta_commands_wrote_and_they_see_sql() {
    let host = HostConfig::new().start();
    let mut client = host.client();
    client.ask("ms apple 3 F7 E12\r\nred\r\nmg pear N0\r\n", "HD\r\nHD W\r\n");
    let select = "SELECT `key`, value, flags, cas, expiry FROM memcached.cache WHERE `key` = ";
    assert_eq!(host.rows(&format!("{select}'apple'")), [["apple", "red", "7", "12", "0"]]);
    assert_eq!(host.rows("SELECT value, expiry FROM memcached.cache WHERE `key` = 'pear'"), [["", "0"]]);
    host.sql("UPDATE memcached.cache SET value = 'green', cas = 13 WHERE `key` = 'apple'").unwrap();
    client.ask("mg apple v c f\r\nma apple\r\n", "VA 5 c13 f7\r\ngreen\r\nCLIENT_ERROR cannot");
    client.read_line();
    // The mark belongs to the cas number: who changes rows by SQL and wants it gone changes that.
    client.ask("md apple I E14\r\nmg apple\r\n", "HD\r\nHD X W\r\n");
    host.sql("UPDATE memcached.cache SET value = 'blue' WHERE `key` = 'apple'").unwrap();
    client.ask("mg apple v\r\n", "VA 4 Z X\r\nblue\r\n");
    host.sql("UPDATE memcached.cache SET value = 'black', cas = 15 WHERE `key` = 'apple'").unwrap();
    client.ask("mg apple v\r\n", "VA 5\r\nblack\r\n");
}

/// A container `bare` whose table has a key and a number or text and nothing else.
fn bare(host: &crate::common::Host, kind: &str) {
    host.sql(&format!("CREATE TABLE memcached.bare (id VARBINARY(250) NOT NULL PRIMARY KEY, v {kind})")).unwrap();
    host.sql(
        "INSERT INTO innodb_memcache.containers (name, db_schema, db_table, key_columns, value_columns, flags, cas_column, \
         expire_time_column, unique_idx_name_on_key) VALUES ('bare', 'memcached', 'bare', 'id', 'v', '0', '0', '0', 'PRIMARY')",
    )
    .unwrap();
}

#[test]
fn a_table_without_columns_for_them_keeps_marks_as_long_as_its_rows_stay_the_same() {
    let host = HostConfig::new().start();
    bare(&host, "VARBINARY(100)");
    let mut client = host.client();
    client.ask("ms @@bare.a 1 F5 T100\r\n1\r\nmg a f t v k\r\n", "HD\r\nVA 1 f0 t-1 ka\r\n1\r\n");
    client.ask(
        "md a I\r\nmg a\r\nmg a T5\r\ntouch a 5\r\ngat 5 a\r\nmg a\r\n",
        "HD\r\nHD X W\r\nHD Z X\r\nTOUCHED\r\nVALUE a 0 1\r\n1\r\nEND\r\nHD Z X\r\n",
    );
    client.ask("incr a 1\r\nma a v\r\nmg a v\r\n", "2\r\nVA 1\r\n3\r\nVA 1 Z X\r\n3\r\n");
    // The same value once more is a new item.
    client.ask("set a 0 0 1\r\n3\r\nmg a v\r\n", "STORED\r\nVA 1\r\n3\r\n");
    client.ask("md a I\r\nms a 1\r\n3\r\nmg a\r\n", "HD\r\nHD\r\nHD\r\n");
    client.ask("md a I\r\ndelete a\r\nadd a 0 0 1\r\n3\r\nmg a\r\n", "HD\r\nDELETED\r\nSTORED\r\nHD\r\n");
    client.ask("mg b N5 v t\r\nmg b v\r\n", "VA 0 t-1 W\r\n\r\nVA 0 Z\r\n\r\n");
    // It still has a number to compare.
    client.send("mg a c\r\n");
    let cas = client.read_line().split('c').nth(1).unwrap().to_owned();
    client.ask(format!("ms a 1 C{cas} q\r\n4\r\nms a 1 C{cas}\r\n5\r\nmg a v\r\n"), "EX\r\nVA 1\r\n4\r\n");
}

#[test]
fn a_number_column_refuses_what_is_none() {
    let host = HostConfig::new().start();
    bare(&host, "INT NOT NULL");
    let mut client = host.client();
    client.ask("bind bare\r\nms n 2\r\n41\r\nma n v\r\n", "SUCCEED\r\nHD\r\nVA 2\r\n42\r\n");
    let refused = "CLIENT_ERROR value is not an integer in the range of column v\r\n";
    client.ask("ms n 1 q\r\nx\r\n", refused);
    client.ask("md n x\r\n", refused);
    client.ask("mg none N0\r\n", refused);
    client.ask(
        "mg n v\r\nmg none\r\nmg @@none.n\r\nmd @@none.n\r\n",
        "VA 2\r\n42\r\nEN\r\nEN\r\nCLIENT_ERROR no such container\r\n",
    );
    client.ask("mg @@bare v\r\n", "VA 14\r\nmemcached/bare\r\n");
    client.ask("mg QEBiYXJlLm4= b v\r\n", "VA 2\r\n42\r\n");
}

#[test]
fn policies_that_spare_the_table_give_the_same_answers() {
    for policy in ["cache_only", "caching"] {
        let config = HostConfig::new().option("-p 0 -t 2");
        let host = config.start();
        host.sql("UNINSTALL PLUGIN daemon_memcached").unwrap();
        host.sql(&format!(
            "UPDATE innodb_memcache.cache_policies SET get_policy = '{policy}', set_policy = '{policy}', \
             delete_policy = '{policy}', flush_policy = '{policy}'"
        ))
        .unwrap();
        host.sql("INSTALL PLUGIN daemon_memcached SONAME 'daemon_memcached.so'").unwrap();
        run_all(policy, &mut host.client());
        let rows = host.rows("SELECT COUNT(*) FROM memcached.cache").remove(0).remove(0);
        assert_eq!(rows == "0", policy == "cache_only");
    }
}

#[test]
fn a_restart_keeps_rows_and_forgets_marks() {
    let config = HostConfig::new();
    let host = config.start();
    host.client().ask("ms k 1 E5\r\nx\r\nmd k I E6\r\nmg k\r\n", "HD\r\nHD\r\nHD X W\r\n");
    assert!(host.terminate().success());
    config.start().client().ask("mg k v c h\r\n", "VA 1 c6 h0\r\nx\r\n");
}

#[test]
fn batches_show_their_own_marks_before_they_commit() {
    let host = HostConfig::new().arg("--daemon-memcached-w-batch-size=1000").option("-p 0 -t 1").start();
    let (mut client, mut other) = (host.client(), host.client());
    client.ask("ms k 1\r\nx\r\n", "HD\r\n");
    client.ask("md k I\r\n", "HD\r\n");
    other.ask("mg k v\r\n", "VA 1 X W\r\nx\r\n");
    client.ask("mg k\r\n", "HD Z X\r\n");
    client.ask("ms k 1\r\ny\r\nmg k v\r\n", "HD\r\nVA 1\r\ny\r\n");
}

#[test]
fn statistics_count_meta_commands() {
    let host = HostConfig::new().start();
    let mut client = host.client();
    client.ask("stats detail on\r\n", "OK\r\n");
    client
        .ask("ms a:1 1\r\n5\r\nmg a:1\r\nmg a:2 N0\r\nmg a:3 T5\r\nmg a:1 T5\r\n", "HD\r\nHD\r\nHD W\r\nEN\r\nHD\r\n");
    client.ask(
        "ms a:1 1 C1\r\n6\r\nms none 1 C1\r\n6\r\nma a:1\r\nma a:3\r\nma a:1 MD\r\n",
        "EX\r\nNF\r\nHD\r\nNF\r\nHD\r\n",
    );
    client.ask("md a:2 I\r\nmd a:2\r\nmd a:2\r\nmn\r\n", "HD\r\nHD\r\nNF\r\nMN\r\n");
    let stats = client.stats("");
    for (name, expected) in [
        ("cmd_get", "4"),
        ("get_hits", "2"),
        ("get_misses", "2"),
        ("cmd_set", "3"),
        ("cmd_touch", "2"),
        ("touch_hits", "1"),
        ("touch_misses", "1"),
        ("cas_badval", "1"),
        ("cas_misses", "1"),
        ("incr_hits", "1"),
        ("incr_misses", "1"),
        ("decr_hits", "1"),
        ("delete_hits", "2"),
        ("delete_misses", "1"),
    ] {
        assert!(stats.iter().any(|(n, value)| n == name && value == expected), "{name} is not {expected}: {stats:?}");
    }
    client.ask("stats detail dump\r\n", "PREFIX a get 4 hit 2 set 2 del 3\r\nEND\r\n");
}
