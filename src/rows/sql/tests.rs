//! The session over a scripted SQL session: which statements run, when they are prepared, what errors become.

use super::error::{column_of, error_on};
use super::{Param, RowSet, SqlError, SqlRows, SqlSession};
use crate::rows::{Cell, Column, ColumnKind, Error, Mode, Table};
use std::time::Duration;

/// Remembers what was asked; a SELECT by key finds the row `found`.
#[derive(Default)]
struct Scripted {
    trace: Vec<String>,
    prepared: Vec<String>,
    found: Option<(&'static [u8], i64)>,
    read_only: bool,
    lost: bool,
    /// Statements that were prepared anew, and whether the next upsert is one.
    reprepared: Option<u64>,
    altered: bool,
    /// What the dictionary counts against upserts.
    obstacles: i64,
    /// The next statement that begins so fails with this code.
    fail: Option<(&'static str, u32)>,
}

impl Scripted {
    fn run(&mut self, sql: &str, params: usize, rows: &mut RowSet) -> Result<u64, SqlError> {
        let word = sql.split(' ').next().unwrap_or_default();
        self.trace.push(format!("{word}/{params}"));
        if let Some((start, code)) = self.fail
            && sql.starts_with(start)
        {
            self.fail = None;
            return Err(SqlError { code, message: "Data too long for column 'v' at row 1".into() });
        }
        if sql.contains("information_schema.TRIGGERS") {
            rows.push_int(i128::from(self.obstacles));
        } else if sql.contains("information_schema.COLUMNS") {
            for (name, charset) in [("k", "utf8mb4"), ("v", ""), ("n", "")] {
                rows.push_bytes(name.as_bytes());
                rows.push_bytes(charset.as_bytes());
                rows.push_bytes(b"");
            }
        } else if let (true, Some((value, number))) = (word == "SELECT", self.found) {
            rows.push_bytes(b"key");
            rows.push_bytes(value);
            rows.push_int(i128::from(number));
        }
        Ok(1)
    }
}

impl SqlSession for Scripted {
    fn lock_wait(&self) -> Duration {
        Duration::from_secs(1)
    }

    fn is_lost(&self) -> bool {
        self.lost
    }

    fn reopen(&mut self) -> Result<(), SqlError> {
        self.lost = false;
        self.prepared.clear();
        self.trace.push("reopen".into());
        Ok(())
    }

    fn is_read_only(&self) -> bool {
        self.read_only
    }

    fn enter(&mut self) -> Result<(), SqlError> {
        Ok(())
    }

    fn reprepared(&self) -> Option<u64> {
        self.reprepared
    }

    fn prepare(&mut self, sql: &str) -> Result<u64, SqlError> {
        self.trace.push("prepare".into());
        self.prepared.push(sql.into());
        Ok(self.prepared.len() as u64 - 1)
    }

    fn close(&mut self, statement: u64) {
        self.trace.push(format!("close {statement}"));
    }

    fn execute(&mut self, statement: u64, params: &[Param<'_>], rows: &mut RowSet) -> Result<u64, SqlError> {
        let sql = self.prepared.get(statement as usize).cloned();
        let sql = sql.ok_or(SqlError { code: 1243, message: "unknown statement".into() })?;
        if sql.contains("ON DUPLICATE KEY UPDATE") && std::mem::take(&mut self.altered) {
            self.reprepared = self.reprepared.map(|count| count + 1);
        }
        self.run(&sql, params.len(), rows)
    }

    fn query(&mut self, sql: &str, rows: &mut RowSet) -> Result<u64, SqlError> {
        self.run(sql, 0, rows)
    }
}

fn table() -> Table {
    let column = |name: &str, kind| Column {
        name: name.into(),
        kind,
        not_null: false,
        max_bytes: 10,
        has_default: false,
        generated: false,
    };
    let int = ColumnKind::Int { bytes: 4, unsigned: false };
    let columns = vec![column("k", ColumnKind::VarChar), column("v", ColumnKind::Blob), column("n", int)];
    Table::new(3, c"test/t".into(), None, columns, 0)
}

const WRITE: Mode = Mode { level: 1, read_write: true };

fn session(scripted: Scripted) -> SqlRows<Scripted> {
    let mut session = SqlRows::new(scripted);
    session.begin(WRITE).unwrap();
    session
}

fn trace(session: &mut SqlRows<Scripted>) -> String {
    std::mem::take(&mut session.sql.trace).join(" ")
}

#[test]
fn announced_rows_come_together() {
    let table = table();
    let mut session = session(Scripted { found: Some((b"old", -7)), ..Scripted::default() });
    let read = |session: &mut SqlRows<Scripted>, key: &[u8]| session.read(&table, Cell::Bytes(key)).unwrap();
    for key in [&b"key"[..], b"longer than may be", b"\xff", b"KEY", b"key"] {
        session.announce(&table, Cell::Bytes(key));
    }
    assert!(read(&mut session, b"key"));
    assert_eq!((session.bytes(1), session.int(&table, 2)), (Some(&b"old"[..]), Some(-7)));
    // What is too long or no text is not asked for; the number of the others is rounded.
    assert_eq!(trace(&mut session), "SET/0 SELECT/0 prepare SELECT/4");
    assert!(!read(&mut session, b"longer than may be"));
    assert_eq!(trace(&mut session), "");
    // Its row may be one that the collation takes for equal.
    assert!(read(&mut session, b"KEY"));
    assert_eq!(trace(&mut session), "prepare SELECT/1");
    assert!(read(&mut session, b"key"));
    assert_eq!((trace(&mut session).as_str(), session.bytes(1)), ("", Some(&b"old"[..])));
    // That was all that was announced.
    assert!(read(&mut session, b"key"));
    assert_eq!(trace(&mut session), "SELECT/1");
    for _ in 0..2 {
        session.announce(&table, Cell::Bytes(b"key"));
    }
    session.forget_announced();
    assert!(read(&mut session, b"key"));
    assert_eq!(trace(&mut session), "SELECT/1");
    // A statement that fails says nothing of any key; one that loses the transaction does.
    for (code, found) in [(1064, Ok(true)), (1205, Err(Error::LockTimeout))] {
        for _ in 0..2 {
            session.announce(&table, Cell::Bytes(b"key"));
        }
        session.sql.fail = Some(("SELECT `k`", code));
        assert_eq!(session.read(&table, Cell::Bytes(b"key")), found);
        session.forget_announced();
    }
}

#[test]
fn statements_are_prepared_once_and_the_row_outlives_its_update() {
    let table = table();
    let mut session = session(Scripted { found: Some((b"old", -7)), ..Scripted::default() });
    let cells = [(1, Cell::Bytes(b"new")), (2, Cell::Int(1))];
    for (round, expected) in
        ["SET/0 SELECT/0 prepare SELECT/1 prepare UPDATE/3 prepare COMMIT/0", "SELECT/1 UPDATE/3 COMMIT/0"]
            .into_iter()
            .enumerate()
    {
        assert!(session.read_for_update(&table, Cell::Bytes(b"key")).unwrap());
        session.update(&table, &cells).unwrap();
        assert_eq!((session.bytes(1), session.int(&table, 2)), (Some(&b"old"[..]), Some(-7)));
        session.commit().unwrap();
        assert_eq!(trace(&mut session), expected, "round {round}");
        session.begin(WRITE).unwrap();
    }
    // A session that was lost knows none of its statements any more.
    session.sql.lost = true;
    session.reopen().unwrap();
    session.begin(WRITE).unwrap();
    assert!(session.read_for_update(&table, Cell::Bytes(b"key")).unwrap());
    assert_eq!(trace(&mut session), "reopen SET/0 SELECT/0 prepare SELECT/1");
}

#[test]
fn a_key_that_its_column_cannot_hold_is_not_searched() {
    let mut session = session(Scripted { found: Some((b"old", 1)), ..Scripted::default() });
    trace(&mut session);
    assert!(!session.read(&table(), Cell::Bytes(b"eleven bytes")).unwrap());
    assert_eq!(trace(&mut session), "");
}

#[test]
fn a_read_only_host_refuses_writes_and_the_commit_of_earlier_ones() {
    let table = table();
    let mut session = session(Scripted::default());
    session.insert(&table, &[(0, Cell::Bytes(b"key"))]).unwrap();
    session.sql.read_only = true;
    assert_eq!(session.insert(&table, &[(0, Cell::Bytes(b"key"))]), Err(Error::ReadOnly));
    assert!(!session.read(&table, Cell::Bytes(b"key")).unwrap());
    trace(&mut session);
    assert_eq!(session.commit(), Err(Error::ReadOnly));
    assert_eq!(trace(&mut session), "ROLLBACK/0");
    assert!(!session.active());
}

#[test]
fn a_failed_commit_is_rolled_back() {
    let mut session = session(Scripted { fail: Some(("COMMIT", 1205)), ..Scripted::default() });
    trace(&mut session);
    assert_eq!(session.commit(), Err(Error::LockTimeout));
    assert_eq!(trace(&mut session), "prepare COMMIT/0 ROLLBACK/0");
}

#[test]
fn error_numbers_become_words() {
    let message = "Data too long for column 'v' at row 1";
    for (code, expected) in [
        (1062, Error::Duplicate),
        (1213, Error::Deadlock),
        (3101, Error::Deadlock),
        (1205, Error::LockTimeout),
        (1290, Error::ReadOnly),
        (1836, Error::ReadOnly),
        (1406, Error::TooLong("v".into())),
        (1264, Error::TooLong("v".into())),
        (1366, Error::BadText("v".into())),
        (1300, Error::BadText("v".into())),
        (1048, Error::Constraint(message.into())),
        (1452, Error::Constraint(message.into())),
        (3819, Error::Constraint(message.into())),
        (1317, Error::Interrupted),
        (1053, Error::Interrupted),
        (1047, Error::Refused(message.into())),
        (1146, Error::NotFound("test/t".into())),
        (1054, Error::Changed("test/t".into())),
        (1114, Error::DiskFull),
        (1999, Error::Engine(format!("{message} (SQL error 1999)"))),
    ] {
        assert_eq!(error_on(&table(), SqlError { code, message: message.into() }), expected, "{code}");
    }
}

#[test]
fn messages_name_the_column() {
    for (message, column) in [
        ("Incorrect string value: '\\xFF' for column 'c2' at row 3", "c2"),
        ("Incorrect string value: '\\xFF' for column `d`.`t`.`c2` at row 1", "c2"),
        ("Row size too large", "(the whole row)"),
    ] {
        assert_eq!(column_of(message, "(the whole row)"), column);
    }
}

/// Two rows of k, v.
const ROWS: &[(usize, Cell<'_>)] =
    &[(1, Cell::Bytes(b"1")), (0, Cell::Bytes(b"a")), (1, Cell::Bytes(b"2")), (0, Cell::Bytes(b"b"))];

#[test]
fn rows_are_upserted_once_the_dictionary_allows_it() {
    let table = table();
    let mut session = session(Scripted { reprepared: Some(0), ..Scripted::default() });
    trace(&mut session);
    assert!(session.upserts(&table));
    session.upsert(&table, 2, ROWS).unwrap();
    assert_eq!(trace(&mut session), "SELECT/0 prepare SELECT/0 INSERT/4", "character sets, then the dictionary");
    session.upsert(&table, 2, ROWS).unwrap();
    assert_eq!(trace(&mut session), "INSERT/4");
    // A statement that is prepared later may be the first to know the table as it is now.
    session.upsert(&table, 1, &ROWS[..2]).unwrap();
    assert_eq!(trace(&mut session), "prepare SELECT/0 INSERT/2");
}

#[test]
fn a_table_that_was_altered_is_looked_at_again() {
    let table = table();
    let mut session = session(Scripted { reprepared: Some(0), ..Scripted::default() });
    session.upsert(&table, 2, ROWS).unwrap();
    trace(&mut session);
    // A harmless change.
    session.sql.altered = true;
    session.upsert(&table, 2, ROWS).unwrap();
    assert_eq!(trace(&mut session), "INSERT/4 SELECT/0");
    // A trigger: what was done must be undone.
    (session.sql.altered, session.sql.obstacles) = (true, 1);
    assert_eq!(session.upsert(&table, 2, ROWS), Err(Error::Altered));
    assert_eq!(trace(&mut session), "INSERT/4 SELECT/0");
    assert!(!session.upserts(&table));
    assert!(matches!(session.upsert(&table, 2, ROWS), Err(Error::Engine(_))));
    assert_eq!(trace(&mut session), "");
    // Another change, which a statement of one row has met.
    session.sql.reprepared = Some(3);
    assert!(session.upserts(&table));
    assert!(matches!(session.upsert(&table, 2, ROWS), Err(Error::Engine(_))), "the trigger is still there");
    assert_eq!(trace(&mut session), "SELECT/0");
    (session.sql.reprepared, session.sql.obstacles) = (Some(4), 0);
    session.upsert(&table, 2, ROWS).unwrap();
    assert_eq!(trace(&mut session), "SELECT/0 INSERT/4");
    // The dictionary cannot be read behind a change: nobody knows, so undo.
    (session.sql.altered, session.sql.fail) = (true, Some(("SELECT (SELECT", 1114)));
    assert_eq!(session.upsert(&table, 2, ROWS), Err(Error::Altered));
}

#[test]
fn statements_of_a_table_that_is_described_anew_or_forgotten_are_closed() {
    let old = table();
    let mut session = session(Scripted::default());
    let described = || Table { stamp: old.stamp + 1, ..old.clone() };
    session.read(&old, Cell::Bytes(b"k")).unwrap();
    session.read_for_update(&old, Cell::Bytes(b"k")).unwrap();
    trace(&mut session);
    session.read(&described(), Cell::Bytes(b"k")).unwrap();
    assert_eq!(trace(&mut session), "close 0 close 1 SELECT/0 prepare SELECT/1");
    session.keep(&|id, stamp| (id, stamp) == (3, old.stamp + 1));
    assert_eq!(trace(&mut session), "");
    session.keep(&|_, _| false);
    assert_eq!(trace(&mut session), "close 2");
    session.read(&described(), Cell::Bytes(b"k")).unwrap();
    assert_eq!(trace(&mut session), "SELECT/0 prepare SELECT/1");
}

#[test]
fn rows_are_not_upserted_where_a_change_could_hide() {
    let table = table();
    let blind = session(Scripted::default());
    assert!(!blind.upserts(&table), "the host does not count what it prepares anew");
    let mut repeatable = SqlRows::new(Scripted { reprepared: Some(0), ..Scripted::default() });
    repeatable.begin(Mode { level: 2, read_write: true }).unwrap();
    assert!(!repeatable.upserts(&table));
    assert!(matches!(repeatable.upsert(&table, 2, ROWS), Err(Error::Engine(_))));
    let mut refused = session(Scripted { reprepared: Some(0), obstacles: 2, ..Scripted::default() });
    assert!(matches!(refused.upsert(&table, 2, ROWS), Err(Error::Engine(_))));
    assert!(!refused.upserts(&table) && !trace(&mut refused).contains("INSERT"));
}

#[test]
fn an_upsert_fails_as_any_statement() {
    let table = table();
    for (code, expected) in
        [(1213, Error::Deadlock), (1406, Error::TooLong("v".into())), (1136, Error::Changed("test/t".into()))]
    {
        let mut session =
            session(Scripted { reprepared: Some(0), fail: Some(("INSERT", code)), ..Scripted::default() });
        assert_eq!(session.upsert(&table, 2, ROWS), Err(expected));
        session.upsert(&table, 2, ROWS).unwrap();
    }
}

#[test]
fn behind_the_first_lock_that_was_not_granted_nothing_waits() {
    let table = table();
    let mut session =
        session(Scripted { reprepared: Some(0), fail: Some(("SELECT `k`", 1205)), ..Scripted::default() });
    let last = |session: &SqlRows<Scripted>| session.sql.prepared.last().cloned().unwrap_or_default();
    assert_eq!(session.read_for_update(&table, Cell::Bytes(b"a")), Err(Error::LockTimeout));
    assert!(last(&session).ends_with(" FOR UPDATE"));
    for _ in 0..2 {
        session.rollback();
        session.begin(WRITE).unwrap();
        session.read_for_update(&table, Cell::Bytes(b"b")).unwrap();
        assert!(last(&session).ends_with(" FOR UPDATE NOWAIT") && !session.upserts(&table));
    }
    session.restart_lock_wait();
    assert!(session.upserts(&table));
    let before = session.sql.prepared.len();
    session.read_for_update(&table, Cell::Bytes(b"b")).unwrap();
    assert_eq!(session.sql.prepared.len(), before, "the statement that waits is still there");
}
