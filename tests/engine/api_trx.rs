//! The bundled engine's callback table: transactions, locks, DDL, settings and misuse.

use crate::support::ib::*;
use crate::support::*;
use daemon_memcached::bindings::*;
use daemon_memcached::refengine::{Isolation, RowLock, Value, api};
use ib_err::*;
use std::ffi::CStr;
use std::ptr::null_mut;
use std::time::Instant;

#[test]
fn writers_of_a_missing_key_take_turns() {
    let _fixture = fixture();
    let trx = begin_trx(1, true);
    let cursor = open_cursor(trx);
    ib!(set_lock_mode(cursor, ib_lck_mode::IB_LOCK_X));
    assert_eq!(find(cursor, b"new"), IB_RECORD_NOT_FOUND);
    // The second one waits at its search, not at its insert, and gives up after innodb_api_lock_wait_timeout.
    let second = std::thread::spawn(|| {
        let trx = begin_trx(1, true);
        let cursor = open_cursor(trx);
        ib!(set_lock_mode(cursor, ib_lck_mode::IB_LOCK_X));
        let asked = Instant::now();
        let found = find(cursor, b"new");
        assert_eq!(ib!(trx_rollback(trx)), IB_SUCCESS);
        assert_eq!(ib!(cursor_close(cursor)), IB_SUCCESS);
        // The same object starts again and sees the row.
        assert_eq!(ib!(trx_start(trx, 1, 0, 0, null_mut())), IB_SUCCESS);
        ib!(trx_release(trx));
        (found, asked.elapsed())
    });
    let (found, waited) = second.join().unwrap();
    assert_eq!(found, IB_LOCK_WAIT_TIMEOUT);
    assert!(waited.as_secs_f64() >= 1.0);
    assert_eq!(insert(cursor, b"new", b"", None), IB_SUCCESS);
    assert_eq!(end(cursor, trx, true), IB_SUCCESS);
}

#[test]
fn a_deadlock_is_told_at_once() {
    let fixture = fixture();
    fixture.engine.set_variable("innodb_api_lock_wait_timeout", "20").unwrap();
    fill(&[("a", None), ("b", None)]);
    let barrier = std::sync::Barrier::new(2);
    let mut results: Vec<ib_err_t> = std::thread::scope(|s| {
        let run = |first: &'static [u8], second: &'static [u8]| {
            let barrier = &barrier;
            s.spawn(move || {
                let trx = begin_trx(1, true);
                let cursor = open_cursor(trx);
                ib!(set_lock_mode(cursor, ib_lck_mode::IB_LOCK_X));
                assert_eq!(find(cursor, first), IB_SUCCESS);
                barrier.wait();
                let result = find(cursor, second);
                if result == IB_DEADLOCK {
                    assert_eq!(find(cursor, first), IB_DEADLOCK, "it can only roll back");
                    assert_eq!(ib!(trx_rollback(trx)), IB_SUCCESS);
                    assert_eq!(find(cursor, first), IB_ERROR, "no transaction");
                }
                assert_eq!(end(cursor, trx, true), IB_SUCCESS);
                result
            })
        };
        let threads = [run(b"a", b"b"), run(b"b", b"a")];
        threads.into_iter().map(|t| t.join().unwrap()).collect()
    });
    results.sort();
    assert_eq!(results, [IB_SUCCESS, IB_DEADLOCK]);
}

#[test]
fn a_transaction_object_lives_until_its_release() {
    let fixture = fixture();
    let trx = begin_trx(1, true);
    let cursor = open_cursor(trx);
    assert_ne!(ib!(trx_get_start_time(trx)), 0);
    assert_eq!(ib!(trx_read_only(trx)), 0);
    assert_eq!(ib!(cursor_stmt_begin(cursor)), IB_SUCCESS);
    assert_eq!(insert(cursor, b"a", b"", None), IB_SUCCESS);
    // As in InnoDB a started one goes on: with its rows, and writable as it began.
    assert_eq!(ib!(trx_start(trx, 2, 0, 0, null_mut())), IB_SUCCESS);
    assert_eq!(ib!(trx_read_only(trx)), 0);
    assert_eq!(find(cursor, b"a"), IB_SUCCESS);
    assert_eq!(ib!(trx_start(trx, 4, 1, 0, null_mut())), IB_ERROR, "no such level");
    assert_eq!(ib!(commit_trx(cursor, trx)), IB_SUCCESS);
    assert_eq!(ib!(trx_get_start_time(trx)), 0);
    // The cursor outlived its transaction: it is open, but can do nothing until it gets another one.
    assert_eq!(find(cursor, b"a"), IB_ERROR);
    assert_eq!(ib!(cursor_first(cursor)), IB_ERROR);
    assert_eq!(insert(cursor, b"b", b"", None), IB_ERROR);
    assert_eq!(ib!(cursor_new_trx(cursor, trx)), IB_ERROR, "not started");
    assert_eq!(ib!(trx_start(trx, 4, 1, 0, null_mut())), IB_ERROR, "no such level");
    assert_eq!(ib!(trx_start(trx, 1, 0, 1, null_mut())), IB_SUCCESS);
    assert_eq!(ib!(trx_read_only(trx)), 1);
    assert_eq!(ib!(cursor_new_trx(cursor, trx)), IB_SUCCESS);
    assert_eq!(find(cursor, b"a"), IB_SUCCESS);
    assert_eq!(insert(cursor, b"b", b"", None), IB_READ_ONLY);
    assert_eq!(ib!(trx_start(trx, 1, 1, 0, null_mut())), IB_SUCCESS);
    assert_eq!(insert(cursor, b"b", b"", None), IB_READ_ONLY, "what began read-only stays so");
    assert_eq!(ib!(delete_row(cursor)), IB_READ_ONLY);
    assert_eq!(ib!(cursor_reset(cursor)), IB_SUCCESS);
    assert_eq!(find(cursor, b"a"), IB_ERROR);
    // A release rolls back; a commit of nothing is fine.
    assert_eq!(ib!(trx_rollback(trx)), IB_SUCCESS);
    assert_eq!(ib!(trx_commit(trx)), IB_SUCCESS);
    assert_eq!(ib!(trx_start(trx, 1, 1, 0, null_mut())), IB_SUCCESS);
    assert_eq!(ib!(cursor_new_trx(cursor, trx)), IB_SUCCESS);
    assert_eq!(insert(cursor, b"c", b"", None), IB_SUCCESS);
    assert_eq!(ib!(trx_release(trx)), IB_SUCCESS);
    assert_eq!(ib!(cursor_close(cursor)), IB_SUCCESS);
    let t = fixture.engine.table("db", "t").unwrap();
    let mut reader = begin(&fixture.engine);
    assert!(reader.get(&t, &[Value::Bytes(b"a".to_vec())], RowLock::Exclusive).unwrap().is_some());
    assert!(reader.get(&t, &[Value::Bytes(b"c".to_vec())], RowLock::Exclusive).unwrap().is_none());
}

#[test]
fn a_failed_commit_is_an_error_and_frees_its_locks() {
    let fixture = fixture();
    fixture.engine.set_variable("refengine_fail_commits", "1").unwrap();
    let trx = begin_trx(1, true);
    let cursor = open_cursor(trx);
    assert_eq!(insert(cursor, b"a", b"", None), IB_SUCCESS);
    assert_eq!(end(cursor, trx, true), IB_ERROR);
    fill(&[("a", None)]);
}

#[test]
fn truncation_waits_for_cursors_and_gives_a_new_id() {
    let fixture = fixture();
    fill(&[("a", None)]);
    let mut id = 0;
    let trx = begin_trx(1, false);
    let cursor = open_cursor(trx);
    assert_eq!(ib!(table_truncate(c"db/t".as_ptr(), &mut id)), IB_LOCK_WAIT_TIMEOUT);
    // A cursor that is closed holds nothing, though its transaction goes on.
    assert_eq!(find(cursor, b"a"), IB_SUCCESS);
    assert_eq!(ib!(cursor_close(cursor)), IB_SUCCESS);
    let before = fixture.engine.table("db", "t").unwrap().id();
    assert_eq!(ib!(table_truncate(c"db/t".as_ptr(), &mut id)), IB_SUCCESS);
    assert_eq!(id, fixture.engine.table("db", "t").unwrap().id());
    assert_ne!(id, before);
    let cursor = open_cursor(trx);
    assert_eq!(find(cursor, b"a"), IB_RECORD_NOT_FOUND);
    // An announced table is in use until it is withdrawn.
    assert_eq!(ib!(set_memcached_sync(cursor, 1)), IB_SUCCESS);
    assert_eq!(ib!(cursor_close(cursor)), IB_SUCCESS);
    assert_eq!(ib!(table_truncate(c"db/t".as_ptr(), &mut id)), IB_LOCK_WAIT_TIMEOUT);
    let cursor = open_cursor(trx);
    assert_eq!(ib!(set_memcached_sync(cursor, 0)), IB_SUCCESS);
    end(cursor, trx, true);
    assert_eq!(ib!(table_truncate(c"db/t".as_ptr(), &mut id)), IB_SUCCESS);
    assert_eq!(ib!(table_truncate(c"db/none".as_ptr(), &mut id)), IB_TABLE_NOT_FOUND);
    assert_eq!(ib!(table_truncate(c"nonsense".as_ptr(), &mut id)), IB_TABLE_NOT_FOUND);
    // Written rows hold the table to the end of their transaction.
    let trx = begin_trx(1, true);
    let cursor = open_cursor(trx);
    assert_eq!(insert(cursor, b"a", b"", None), IB_SUCCESS);
    assert_eq!(ib!(cursor_close(cursor)), IB_SUCCESS);
    assert_eq!(ib!(table_truncate(c"db/t".as_ptr(), &mut id)), IB_LOCK_WAIT_TIMEOUT);
    assert_eq!(ib!(trx_commit(trx)), IB_SUCCESS);
    ib!(trx_release(trx));
}

#[test]
fn a_table_lock_keeps_others_off_every_row() {
    let fixture = fixture();
    fill(&[("a", None)]);
    let trx = begin_trx(1, true);
    let cursor = open_cursor(trx);
    assert_eq!(ib!(cursor_lock(cursor, ib_lck_mode::IB_LOCK_IX)), IB_SUCCESS);
    assert_eq!(ib!(cursor_lock(cursor, ib_lck_mode::IB_LOCK_TABLE_X)), IB_SUCCESS);
    let t = fixture.engine.table("db", "t").unwrap();
    let mut other = fixture.engine.begin(Isolation::ReadCommitted, true);
    other.set_lock_wait_timeout(std::time::Duration::from_millis(10));
    let key = [Value::Bytes(b"a".to_vec())];
    assert!(other.get(&t, &key, RowLock::None).unwrap().is_some());
    assert_eq!(other.get(&t, &key, RowLock::Shared).unwrap_err().errno(), 1205);
    end(cursor, trx, true);
    assert!(other.get(&t, &key, RowLock::Shared).unwrap().is_some());
}

#[test]
fn settings_come_from_the_variables() {
    let fixture = fixture();
    let own = ib_cfg::IB_CFG_LASTING_TUPLES
        | ib_cfg::IB_CFG_FIELDS
        | ib_cfg::IB_CFG_TABLE_SIZES
        | ib_cfg::IB_CFG_TABLE_CHANGES;
    assert_eq!((ib!(get_cfg()) as u32, ib!(cfg_trx_level()), ib!(bk_commit_interval())), (own, 0, 5));
    fixture.engine.set_variable("innodb_api_trx_level", "2").unwrap();
    fixture.engine.set_variable("innodb_api_bk_commit_interval", "7").unwrap();
    assert_eq!((ib!(cfg_trx_level()), ib!(bk_commit_interval())), (2, 7));
    let dir = tempfile::tempdir().unwrap();
    let other = open(dir.path(), &[("innodb_api_enable_mdl", "ON"), ("innodb_api_disable_rowlock", "1")]);
    assert_eq!(ib!(get_cfg()) as u32, own, "the second engine of a process does not take the table");
    other.serve_callback_table();
    assert_eq!(ib!(get_cfg()) as u32, own | ib_cfg::IB_CFG_MDL_ENABLED | ib_cfg::IB_CFG_DISABLE_ROWLOCK);
    other.close().unwrap();
    assert!(ib!(trx_begin(1, 0, 0)).is_null(), "no engine");
    let name = |code| {
        let text = ib!(ut_strerr(code));
        // SAFETY: every answer is a static string.
        unsafe { CStr::from_ptr(text) }.to_str().unwrap()
    };
    assert_eq!((name(IB_DEADLOCK), name(IB_DATA_MISMATCH), name(77)), ("Deadlock", "Data mismatch", "Unknown error"));
}

#[test]
fn null_pointers_are_refused() {
    let _fixture = fixture();
    let table: &ib_cb_t = &api().sized.fields.table;
    // SAFETY: the table is fifty pointers wide, which its header asserts.
    let entries: &[usize; 50] = unsafe { &*std::ptr::from_ref(table).cast() };
    assert!(entries.iter().all(|entry| *entry != 0));
    let (crsr, tpl, trx): (ib_crsr_t, ib_tpl_t, ib_trx_t) = (null_mut(), null_mut(), null_mut());
    let mut out = null_mut();
    let codes = [
        ib!(open_table(std::ptr::null(), trx, &mut out)),
        ib!(open_table(c"db/t".as_ptr(), trx, null_mut())),
        ib!(read_row(crsr, tpl, null_mut(), null_mut())),
        ib!(insert_row(crsr, tpl)),
        ib!(delete_row(crsr)),
        ib!(update_row(crsr, tpl, tpl)),
        ib!(moveto(crsr, tpl, 2)),
        ib!(cursor_first(crsr)),
        ib!(cursor_next(crsr)),
        ib!(tuple_read_u8(tpl, 0, null_mut())),
        ib!(tuple_read_i64(tpl, 0, null_mut())),
        ib!(col_set_value(tpl, 0, null_mut(), 0, 0)),
        ib!(trx_commit(trx)),
        ib!(trx_rollback(trx)),
        ib!(trx_start(trx, 1, 0, 0, null_mut())),
        ib!(trx_release(trx)),
        ib!(cursor_lock(crsr, 3)),
        ib!(cursor_close(crsr)),
        ib!(cursor_new_trx(crsr, trx)),
        ib!(cursor_reset(crsr)),
        ib!(table_truncate(std::ptr::null(), null_mut())),
        ib!(open_index_using_name(crsr, std::ptr::null(), null_mut(), null_mut(), null_mut())),
        ib!(set_memcached_sync(crsr, 1)),
        ib!(commit_trx(crsr, trx)),
        ib!(set_lock_mode(crsr, 3)),
        ib!(cursor_stmt_begin(crsr)),
    ];
    assert!(codes.iter().all(|code| *code == IB_ERROR), "{codes:?}");
    ib!(set_match_mode(crsr, 1));
    ib!(tuple_delete(tpl));
    ib!(set_cluster_access(crsr));
    assert!(ib!(sec_search_tuple_create(crsr)).is_null());
    assert!(ib!(clust_read_tuple_create(crsr)).is_null());
    assert!(ib!(col_get_value(tpl, 0)).is_null());
    assert!(ib!(col_get_name(crsr, 0)).is_null());
    assert!(ib!(get_idx_field_name(crsr, 0)).is_null());
    assert_eq!(ib!(col_get_meta(tpl, 0, null_mut())), NULL);
    let numbers = (ib!(tuple_get_n_cols(tpl)), ib!(tuple_get_n_user_cols(tpl)), ib!(trx_get_start_time(trx)));
    assert_eq!((numbers, ib!(trx_read_only(trx)), ib!(is_virtual_table(crsr))), ((0, 0, 0), 0, 0));
    // Tuples of another table or shape are refused as well.
    let trx = begin_trx(1, true);
    let cursor = open_cursor(trx);
    let search = ib!(sec_search_tuple_create(cursor));
    assert_eq!(ib!(insert_row(cursor, search)), IB_DATA_MISMATCH);
    assert_eq!(ib!(read_row(cursor, search, null_mut(), null_mut())), IB_DATA_MISMATCH);
    ib!(tuple_delete(search));
    end(cursor, trx, true);
}
