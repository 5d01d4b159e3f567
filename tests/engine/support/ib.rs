//! Calling the callback table from tests.
//!
//! The table works on one engine of the process, so tests that use it take turns: see [`fixture`].

#![allow(dead_code)]

use super::*;
use daemon_memcached::bindings::{
    IB_SQL_NULL, ib_crsr_t, ib_err, ib_err_t, ib_match_mode, ib_srch_mode, ib_tpl_t, ib_trx_t, ib_ulint_t,
};
use ib_err::*;
use std::ptr::null_mut;
use std::sync::{Mutex, MutexGuard};

pub const NULL: ib_ulint_t = IB_SQL_NULL as ib_ulint_t;

static TURN: Mutex<()> = Mutex::new(());

/// An engine that serves the table, with `db.t` of [`table`].
pub struct Fixture {
    pub engine: Engine,
    _dir: tempfile::TempDir,
    _turn: MutexGuard<'static, ()>,
}

pub fn fixture() -> Fixture {
    let turn = TURN.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path(), &[]);
    engine.serve_callback_table();
    engine.create_database("db").unwrap();
    engine.create_table(table()).unwrap();
    Fixture { engine, _dir: dir, _turn: turn }
}

/// Like memcached's default container, with one column of every kind behind it.
pub fn table() -> TableDef {
    let not_null = |column: ColumnDef| ColumnDef { not_null: true, ..column };
    TableDef {
        db: "db".into(),
        name: "t".into(),
        columns: vec![
            column("k", ColumnType::VarBinary { bytes: 250 }),
            column("v", ColumnType::Blob { max_bytes: 4_294_967_295, name: "LONGBLOB" }),
            not_null(column("flags", ColumnType::Int { bytes: 4, unsigned: true })),
            column("cas", ColumnType::Int { bytes: 8, unsigned: true }),
            column("n", ColumnType::Int { bytes: 2, unsigned: false }),
            column("name", ColumnType::VarChar { chars: 3 }),
            column("code", ColumnType::Char { chars: 4 }),
            ColumnDef { charset: Charset::Latin1, ..column("l", ColumnType::VarChar { chars: 3 }) },
            column("bin", ColumnType::Binary { bytes: 3 }),
            column("e", ColumnType::Enum { values: vec!["x".into(), "y".into()] }),
        ],
        primary_key: vec![0],
        indexes: vec![
            IndexDef { name: "by_cas".into(), columns: vec![3], unique: true },
            IndexDef { name: "by_n".into(), columns: vec![4], unique: false },
        ],
    }
}

/// Calls entries by name and unwraps that the table has them.
macro_rules! ib {
    ($entry:ident($($arg:expr),* $(,)?)) => {
        // SAFETY: the handles in this file are used as innodb_api.h says, or are NULL.
        unsafe { (daemon_memcached::refengine::api().sized.fields.table.$entry.expect("the table is complete"))($($arg),*) }
    };
}

pub fn begin_trx(level: u32, read_write: bool) -> ib_trx_t {
    let trx = ib!(trx_begin(level, read_write.into(), 0));
    assert!(!trx.is_null());
    trx
}

pub fn open_cursor(trx: ib_trx_t) -> ib_crsr_t {
    let mut cursor = null_mut();
    assert_eq!(ib!(open_table(c"db/t".as_ptr(), trx, &mut cursor)), IB_SUCCESS);
    cursor
}

pub fn set(tuple: ib_tpl_t, col: ib_ulint_t, bytes: &[u8]) -> ib_err_t {
    ib!(col_set_value(tuple, col, bytes.as_ptr().cast(), bytes.len() as ib_ulint_t, 1))
}

pub fn get(tuple: ib_tpl_t, col: ib_ulint_t) -> Option<Vec<u8>> {
    let len = ib!(col_get_meta(tuple, col, null_mut()));
    let at: *const u8 = ib!(col_get_value(tuple, col)).cast();
    if len == NULL {
        assert!(at.is_null());
        return None;
    }
    // SAFETY: the table says that `len` bytes are there.
    Some(unsafe { std::slice::from_raw_parts(at, len as usize) }.to_vec())
}

pub fn search(cursor: ib_crsr_t, key: &[u8], matching: u32, mode: u32) -> ib_err_t {
    let tuple = ib!(sec_search_tuple_create(cursor));
    assert_eq!(set(tuple, 0, key), IB_SUCCESS);
    ib!(set_match_mode(cursor, matching));
    let found = ib!(moveto(cursor, tuple, mode));
    ib!(tuple_delete(tuple));
    found
}

pub fn find(cursor: ib_crsr_t, key: &[u8]) -> ib_err_t {
    search(cursor, key, ib_match_mode::IB_EXACT_MATCH, ib_srch_mode::IB_CUR_GE)
}

/// The value of a column of the row under the cursor.
pub fn current(cursor: ib_crsr_t, col: ib_ulint_t) -> Option<Vec<u8>> {
    let tuple = ib!(clust_read_tuple_create(cursor));
    assert_eq!(ib!(read_row(cursor, tuple, null_mut(), null_mut())), IB_SUCCESS);
    let bytes = get(tuple, col);
    ib!(tuple_delete(tuple));
    bytes
}

pub fn insert(cursor: ib_crsr_t, key: &[u8], value: &[u8], cas: Option<u64>) -> ib_err_t {
    let tuple = ib!(clust_read_tuple_create(cursor));
    assert_eq!(set(tuple, 0, key), IB_SUCCESS);
    assert_eq!(set(tuple, 1, value), IB_SUCCESS);
    assert_eq!(set(tuple, 2, &0u32.to_ne_bytes()), IB_SUCCESS);
    if let Some(cas) = cas {
        assert_eq!(set(tuple, 3, &cas.to_ne_bytes()), IB_SUCCESS);
    }
    let inserted = ib!(insert_row(cursor, tuple));
    ib!(tuple_delete(tuple));
    inserted
}

pub fn end(cursor: ib_crsr_t, trx: ib_trx_t, commit: bool) -> ib_err_t {
    assert_eq!(ib!(cursor_close(cursor)), IB_SUCCESS);
    let ended = if commit { ib!(trx_commit(trx)) } else { ib!(trx_rollback(trx)) };
    assert_eq!(ib!(trx_release(trx)), IB_SUCCESS);
    ended
}

/// Commits rows with these keys and cas numbers.
pub fn fill(rows: &[(&str, Option<u64>)]) {
    let trx = begin_trx(1, true);
    let cursor = open_cursor(trx);
    for (key, cas) in rows {
        assert_eq!(insert(cursor, key.as_bytes(), format!("value of {key}").as_bytes(), *cas), IB_SUCCESS);
    }
    assert_eq!(end(cursor, trx, true), IB_SUCCESS);
}
