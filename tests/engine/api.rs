//! The bundled engine's callback table: values, tuples, positions and rows.

use crate::support::ib::*;
use crate::support::*;
use daemon_memcached::bindings::*;
use daemon_memcached::refengine::{ColumnType, RowLock, Value};
use ib_err::*;
use std::ffi::{CStr, CString};
use std::ptr::null_mut;
use std::time::Instant;

#[test]
fn values_are_cut_padded_and_read_back_as_innodb_does() {
    let _fixture = fixture();
    let trx = begin_trx(1, true);
    let cursor = open_cursor(trx);
    let tuple = ib!(clust_read_tuple_create(cursor));
    assert_eq!(ib!(tuple_get_n_cols(tuple)), 13);
    assert_eq!(ib!(tuple_get_n_user_cols(tuple)), 10);
    let native = |v: i16| v.to_ne_bytes().to_vec();
    // Column, what is set, the result, what is stored.
    let cases: Vec<(ib_ulint_t, Vec<u8>, ib_err_t, Vec<u8>)> = vec![
        (0, b"key".to_vec(), IB_SUCCESS, b"key".to_vec()),
        (0, vec![b'k'; 300], IB_SUCCESS, vec![b'k'; 250]),
        (1, vec![7; 70_000], IB_SUCCESS, vec![7; 70_000]),
        (2, 9u32.to_ne_bytes().to_vec(), IB_SUCCESS, vec![0, 0, 0, 9]),
        (2, vec![1, 2], IB_DATA_MISMATCH, vec![0, 0, 0, 9]),
        (3, u64::MAX.to_ne_bytes().to_vec(), IB_SUCCESS, vec![255; 8]),
        (4, native(-2), IB_SUCCESS, vec![0x7f, 0xfe]),
        (5, "日本語文".into(), IB_SUCCESS, "日本語".into()),
        (5, b"a\xffb".to_vec(), IB_SUCCESS, b"a".to_vec()),
        (6, b"ab".to_vec(), IB_SUCCESS, b"ab  ".to_vec()),
        (7, b"\xe4\xf6\xfc\xdf".to_vec(), IB_SUCCESS, b"\xe4\xf6\xfc".to_vec()),
        (8, b"a".to_vec(), IB_SUCCESS, b"a\0\0".to_vec()),
        (9, vec![2], IB_SUCCESS, vec![2]),
        (9, vec![3], IB_DATA_MISMATCH, vec![2]),
    ];
    for (col, src, result, stored) in &cases {
        assert_eq!(set(tuple, *col, src), *result, "column {col}: {src:?}");
        assert_eq!(get(tuple, *col).as_ref(), Some(stored), "column {col}: {src:?}");
    }
    assert_eq!(set(tuple, 10, b"x"), IB_DATA_MISMATCH, "a system column");
    assert_eq!(ib!(insert_row(cursor, tuple)), IB_SUCCESS);
    ib!(tuple_delete(tuple));
    assert_eq!(end(cursor, trx, true), IB_SUCCESS);

    let trx = begin_trx(1, false);
    let cursor = open_cursor(trx);
    assert_eq!(find(cursor, &[b'k'; 250]), IB_SUCCESS);
    let tuple = ib!(clust_read_tuple_create(cursor));
    assert_eq!(ib!(read_row(cursor, tuple, null_mut(), null_mut())), IB_SUCCESS);
    for col in 0..10 {
        let stored = cases.iter().rfind(|case| case.0 == col && case.2 == IB_SUCCESS).map(|case| case.3.clone());
        assert_eq!(get(tuple, col), stored, "column {col}");
    }
    let (mut flags, mut cas, mut n, mut wrong, mut e) = (0u32, 0u64, 0i16, 0u16, 0u8);
    assert_eq!(ib!(tuple_read_u32(tuple, 2, &mut flags)), IB_SUCCESS);
    assert_eq!(ib!(tuple_read_u64(tuple, 3, &mut cas)), IB_SUCCESS);
    assert_eq!(ib!(tuple_read_i16(tuple, 4, &mut n)), IB_SUCCESS);
    assert_eq!(ib!(tuple_read_u8(tuple, 9, &mut e)), IB_SUCCESS);
    assert_eq!(ib!(tuple_read_u16(tuple, 4, &mut wrong)), IB_DATA_MISMATCH, "the sign must agree");
    assert_eq!(ib!(tuple_read_u16(tuple, 2, &mut wrong)), IB_DATA_MISMATCH, "the width must agree");
    assert_eq!((flags, cas, n, e, wrong), (9, u64::MAX, -2, 2, 0));
    ib!(tuple_delete(tuple));
    end(cursor, trx, true);
}

#[test]
fn columns_describe_themselves() {
    let _fixture = fixture();
    let trx = begin_trx(1, false);
    let cursor = open_cursor(trx);
    let tuple = ib!(clust_read_tuple_create(cursor));
    let text = |p: *const std::os::raw::c_char| {
        // SAFETY: not NULL here, and NUL-terminated.
        (!p.is_null()).then(|| unsafe { CStr::from_ptr(p) }.to_str().unwrap().to_string())
    };
    let expected = [
        ("k", ib_col_type::IB_VARBINARY, 1, 250),
        ("v", ib_col_type::IB_BLOB, 0, u32::MAX),
        ("flags", ib_col_type::IB_INT, 3, 4),
        ("cas", ib_col_type::IB_INT, 2, 8),
        ("n", ib_col_type::IB_INT, 0, 2),
        ("name", ib_col_type::IB_VARCHAR_ANYCHARSET, 0, 12),
        ("code", ib_col_type::IB_CHAR_ANYCHARSET, 0, 16),
        ("l", ib_col_type::IB_VARCHAR, 0, 3),
        ("bin", ib_col_type::IB_BINARY, 0, 3),
        ("e", ib_col_type::IB_INT, 2, 1),
    ];
    // SAFETY: plain data; zero is a value of every field.
    let mut meta: ib_col_meta_t = unsafe { std::mem::zeroed() };
    for (i, (name, kind, attr, len)) in expected.into_iter().enumerate() {
        assert_eq!(text(ib!(col_get_name(cursor, i as ib_ulint_t))).as_deref(), Some(name));
        assert_eq!(ib!(col_get_meta(tuple, i as ib_ulint_t, &mut meta)), NULL);
        assert_eq!((meta.type_, meta.attr, meta.type_len), (kind, attr, len), "{name}");
    }
    assert_eq!(ib!(col_get_meta(tuple, 10, &mut meta)), NULL);
    assert_eq!(meta.type_, ib_col_type::IB_SYS);
    assert_eq!(text(ib!(col_get_name(cursor, 10))), None);
    assert_eq!(text(ib!(get_idx_field_name(cursor, 0))).as_deref(), Some("k"));
    assert_eq!(text(ib!(get_idx_field_name(cursor, 1))), None);
    assert_eq!(ib!(is_virtual_table(cursor)), 0);
    let (mut index, mut kind, mut id) = (null_mut(), 0, 0);
    assert_eq!(ib!(open_index_using_name(cursor, c"BY_CAS".as_ptr(), &mut index, &mut kind, &mut id)), IB_SUCCESS);
    assert_eq!(kind as u32, ib_index_type::IB_UNIQUE);
    assert_eq!(text(ib!(get_idx_field_name(index, 0))).as_deref(), Some("cas"));
    ib!(cursor_close(index));
    assert_eq!(ib!(open_index_using_name(cursor, c"PRIMARY".as_ptr(), &mut index, &mut kind, &mut id)), IB_SUCCESS);
    assert_eq!(kind as u32, ib_index_type::IB_UNIQUE | ib_index_type::IB_CLUSTERED);
    ib!(cursor_close(index));
    assert_eq!(ib!(open_index_using_name(cursor, c"no".as_ptr(), &mut index, &mut kind, &mut id)), IB_NOT_FOUND);
    ib!(tuple_delete(tuple));
    end(cursor, trx, true);
    let mut none = null_mut();
    assert_eq!(ib!(open_table(c"db/none".as_ptr(), null_mut(), &mut none)), IB_TABLE_NOT_FOUND);
    assert!(none.is_null());
}

#[test]
fn moveto_finds_what_its_modes_say() {
    let _fixture = fixture();
    fill(&[("b", None), ("d", None), ("da", None), ("f", None)]);
    use ib_match_mode::{IB_CLOSEST_MATCH as CLOSEST, IB_EXACT_MATCH as EXACT, IB_EXACT_PREFIX as PREFIX};
    use ib_srch_mode::{IB_CUR_G as G, IB_CUR_GE as GE, IB_CUR_L as L, IB_CUR_LE as LE};
    // Search, result or the key found, the key that `next` finds then.
    type Case = (&'static str, u32, u32, Result<&'static str, ib_err_t>, Option<&'static str>);
    let cases: [Case; 17] = [
        ("d", EXACT, GE, Ok("d"), Some("da")),
        ("c", EXACT, GE, Err(IB_RECORD_NOT_FOUND), None),
        ("f", EXACT, GE, Ok("f"), None),
        ("d", CLOSEST, GE, Ok("d"), Some("da")),
        ("c", CLOSEST, GE, Ok("d"), Some("da")),
        ("d", CLOSEST, G, Ok("da"), Some("f")),
        ("f", CLOSEST, G, Err(IB_END_OF_INDEX), None),
        ("", CLOSEST, GE, Ok("b"), Some("d")),
        ("g", CLOSEST, GE, Err(IB_END_OF_INDEX), None),
        ("d", CLOSEST, LE, Ok("d"), Some("da")),
        ("c", CLOSEST, LE, Ok("b"), Some("d")),
        ("d", CLOSEST, L, Ok("b"), Some("d")),
        ("b", CLOSEST, L, Err(IB_END_OF_INDEX), None),
        ("z", CLOSEST, L, Ok("f"), None),
        ("da", PREFIX, GE, Ok("da"), Some("f")),
        ("d", PREFIX, GE, Ok("d"), Some("da")),
        ("c", PREFIX, GE, Err(IB_RECORD_NOT_FOUND), None),
    ];
    for level in 0..4 {
        for lock in [ib_lck_mode::IB_LOCK_NONE, ib_lck_mode::IB_LOCK_S, ib_lck_mode::IB_LOCK_X] {
            let trx = begin_trx(level, true);
            let cursor = open_cursor(trx);
            assert_eq!(ib!(set_lock_mode(cursor, lock)), IB_SUCCESS);
            for (key, matching, mode, expected, following) in cases {
                let what = format!("{key} {matching} {mode}, level {level}, lock {lock}");
                let found = search(cursor, key.as_bytes(), matching, mode);
                match expected {
                    Ok(at) => {
                        assert_eq!(found, IB_SUCCESS, "{what}");
                        assert_eq!(current(cursor, 0), Some(at.into()), "{what}");
                        assert_eq!(current(cursor, 1), Some(format!("value of {at}").into()), "{what}");
                        let next = ib!(cursor_next(cursor));
                        assert_eq!(next, if following.is_some() { IB_SUCCESS } else { IB_END_OF_INDEX }, "{what}");
                        if let Some(at) = following {
                            assert_eq!(current(cursor, 0), Some(at.into()), "{what}");
                        }
                    }
                    Err(code) => assert_eq!(found, code, "{what}"),
                }
            }
            assert_eq!(end(cursor, trx, true), IB_SUCCESS);
        }
    }
}

#[test]
fn scans_see_changes_made_on_the_way() {
    let _fixture = fixture();
    fill(&[("a", None), ("b", None), ("c", None), ("d", None)]);
    let trx = begin_trx(1, true);
    let cursor = open_cursor(trx);
    let tuple = ib!(clust_read_tuple_create(cursor));
    let mut seen = Vec::new();
    let mut found = ib!(cursor_first(cursor));
    while found == IB_SUCCESS {
        assert_eq!(ib!(read_row(cursor, tuple, null_mut(), null_mut())), IB_SUCCESS);
        let key = get(tuple, 0).unwrap();
        seen.push(String::from_utf8(key.clone()).unwrap());
        if key == b"b" {
            assert_eq!(ib!(delete_row(cursor)), IB_SUCCESS);
            assert_eq!(ib!(read_row(cursor, tuple, null_mut(), null_mut())), IB_RECORD_NOT_FOUND);
            assert_eq!(ib!(delete_row(cursor)), IB_RECORD_NOT_FOUND);
            assert_eq!(insert(cursor, b"ba", b"new", None), IB_SUCCESS);
            let other = open_cursor(trx);
            assert_eq!(find(other, b"c"), IB_SUCCESS);
            assert_eq!(ib!(delete_row(other)), IB_SUCCESS);
            ib!(cursor_close(other));
        }
        found = ib!(cursor_next(cursor));
    }
    assert_eq!(found, IB_END_OF_INDEX);
    assert_eq!(ib!(cursor_next(cursor)), IB_END_OF_INDEX);
    assert_eq!(seen, ["a", "b", "ba", "d"]);
    ib!(tuple_delete(tuple));
    end(cursor, trx, false);
}

#[test]
fn updates_replace_whole_rows_or_nothing() {
    let fixture = fixture();
    fill(&[("a", Some(1)), ("b", Some(2))]);
    let trx = begin_trx(1, true);
    let cursor = open_cursor(trx);
    assert_eq!(find(cursor, b"a"), IB_SUCCESS);
    let old = ib!(clust_read_tuple_create(cursor));
    assert_eq!(ib!(read_row(cursor, old, null_mut(), null_mut())), IB_SUCCESS);
    // Which columns of the new row are set, and what comes of it.
    let flags = 5u32.to_ne_bytes();
    let two = 2u64.to_ne_bytes();
    type Set<'a> = &'a [(ib_ulint_t, &'a [u8])];
    let cases: [(Set<'_>, ib_err_t); 5] = [
        (&[(0, b"a"), (1, b"x")], IB_INVALID_NULL),
        (&[(1, b"x"), (2, &flags)], IB_INVALID_NULL),
        (&[(0, b"b"), (1, b"x"), (2, &flags)], IB_DUPLICATE_KEY),
        (&[(0, b"a"), (1, b"x"), (2, &flags), (3, &two)], IB_DUPLICATE_KEY),
        (&[(0, b"a"), (2, &flags)], IB_SUCCESS),
    ];
    for (columns, expected) in cases {
        let new = ib!(clust_read_tuple_create(cursor));
        for (col, bytes) in columns {
            assert_eq!(set(new, *col, bytes), IB_SUCCESS);
        }
        assert_eq!(ib!(update_row(cursor, old, new)), expected);
        ib!(tuple_delete(new));
        if expected != IB_SUCCESS {
            assert_eq!(find(cursor, b"a"), IB_SUCCESS);
            assert_eq!(current(cursor, 3), Some(vec![0, 0, 0, 0, 0, 0, 0, 1]), "as it was");
        }
    }
    assert_eq!(current(cursor, 1), None, "a column that is not set becomes NULL");
    assert_eq!(insert(cursor, b"b", b"again", None), IB_DUPLICATE_KEY);
    assert_eq!(insert(cursor, b"c", b"same cas", Some(2)), IB_DUPLICATE_KEY);
    assert_eq!(insert(cursor, b"c", b"free cas", Some(1)), IB_SUCCESS, "the update gave its old value up");
    ib!(tuple_delete(old));
    assert_eq!(end(cursor, trx, true), IB_SUCCESS);
    let t = fixture.engine.table("db", "t").unwrap();
    let row = begin(&fixture.engine).get(&t, &[Value::Bytes(b"a".to_vec())], RowLock::None).unwrap().unwrap();
    assert_eq!(row[1..4], [Value::Null, Value::UInt(5), Value::Null]);
}

#[test]
fn a_secondary_index_leads_to_whole_rows() {
    let _fixture = fixture();
    fill(&[("a", Some(30)), ("b", Some(10)), ("c", None), ("d", Some(20))]);
    let trx = begin_trx(1, true);
    let base = open_cursor(trx);
    let (mut index, mut kind, mut id) = (null_mut(), 0, 0);
    assert_eq!(ib!(open_index_using_name(base, c"by_cas".as_ptr(), &mut index, &mut kind, &mut id)), IB_SUCCESS);
    ib!(set_cluster_access(index));
    assert_eq!(ib!(set_lock_mode(index, ib_lck_mode::IB_LOCK_X)), IB_SUCCESS);
    assert_eq!(find(index, &20u64.to_ne_bytes()), IB_SUCCESS);
    assert_eq!(current(index, 1), Some(b"value of d".to_vec()));
    assert_eq!(find(index, &21u64.to_ne_bytes()), IB_RECORD_NOT_FOUND);
    let mut order = Vec::new();
    let mut found = ib!(cursor_first(index));
    while found == IB_SUCCESS {
        order.push(current(index, 0).unwrap());
        found = ib!(cursor_next(index));
    }
    assert_eq!(order, [b"c", b"b", b"d", b"a"], "NULL first");
    assert_eq!(find(index, &10u64.to_ne_bytes()), IB_SUCCESS);
    assert_eq!(ib!(delete_row(index)), IB_SUCCESS);
    assert_eq!(find(base, b"b"), IB_RECORD_NOT_FOUND);
    assert_eq!(find(index, &10u64.to_ne_bytes()), IB_RECORD_NOT_FOUND);
    ib!(cursor_close(index));
    end(base, trx, true);
}

/// Rows that share a key come in the order of their primary keys.
#[test]
fn an_index_that_is_not_unique_is_walked_in_order() {
    let _fixture = fixture();
    let trx = begin_trx(1, true);
    let base = open_cursor(trx);
    for (key, n) in [("d", Some(7i16)), ("b", Some(7)), ("e", None), ("a", Some(9)), ("c", Some(7)), ("f", Some(-1))] {
        let tuple = ib!(clust_read_tuple_create(base));
        assert_eq!(set(tuple, 0, key.as_bytes()), IB_SUCCESS);
        assert_eq!(set(tuple, 2, &0u32.to_ne_bytes()), IB_SUCCESS);
        if let Some(n) = n {
            assert_eq!(set(tuple, 4, &n.to_ne_bytes()), IB_SUCCESS);
        }
        assert_eq!(ib!(insert_row(base, tuple)), IB_SUCCESS);
        ib!(tuple_delete(tuple));
    }
    let (mut index, mut kind, mut id) = (null_mut(), 0, 0);
    assert_eq!(ib!(open_index_using_name(base, c"by_n".as_ptr(), &mut index, &mut kind, &mut id)), IB_SUCCESS);
    assert_eq!(kind as u32, 0, "neither unique nor clustered");
    let rest = |mut found: ib_err_t| {
        let mut keys = String::new();
        while found == IB_SUCCESS {
            keys.push_str(str::from_utf8(&current(index, 0).unwrap()).unwrap());
            found = ib!(cursor_next(index));
        }
        assert!(found == IB_END_OF_INDEX || found == IB_RECORD_NOT_FOUND);
        keys
    };
    use ib_match_mode::{IB_CLOSEST_MATCH as CLOSEST, IB_EXACT_MATCH as EXACT};
    use ib_srch_mode::{IB_CUR_G as G, IB_CUR_GE as GE, IB_CUR_L as L, IB_CUR_LE as LE};
    for lock in [ib_lck_mode::IB_LOCK_NONE, ib_lck_mode::IB_LOCK_X] {
        assert_eq!(ib!(set_lock_mode(index, lock)), IB_SUCCESS);
        assert_eq!(rest(ib!(cursor_first(index))), "efbcda", "NULL first");
        for (n, matching, mode, expected) in [
            (7, EXACT, GE, "bcda"),
            (8, EXACT, GE, ""),
            (7, CLOSEST, GE, "bcda"),
            (7, CLOSEST, G, "a"),
            (7, CLOSEST, LE, "da"),
            (7, CLOSEST, L, "fbcda"),
            (8, CLOSEST, L, "da"),
        ] {
            assert_eq!(rest(search(index, &i16::to_ne_bytes(n), matching, mode)), expected, "{n} {matching} {mode}");
        }
    }
    // A row that loses its key is found by it no more, its neighbours are.
    assert_eq!(search(index, &7i16.to_ne_bytes(), EXACT, GE), IB_SUCCESS);
    assert_eq!(ib!(delete_row(index)), IB_SUCCESS);
    assert_eq!(rest(search(index, &7i16.to_ne_bytes(), EXACT, GE)), "cda");
    ib!(cursor_close(index));
    end(base, trx, true);
}

/// A kept search tuple that is refilled for ever must not grow; big values are not copied twice when `copy` is 0.
#[test]
fn tuples_can_be_refilled_for_ever() {
    let _fixture = fixture();
    fill(&[("a", None)]);
    let trx = begin_trx(1, false);
    let cursor = open_cursor(trx);
    let tuple = ib!(sec_search_tuple_create(cursor));
    ib!(set_match_mode(cursor, ib_match_mode::IB_EXACT_MATCH));
    for n in 0..200_000u32 {
        let key = CString::new(format!("{n}")).unwrap();
        assert_eq!(set(tuple, 0, key.as_bytes()), IB_SUCCESS);
        if n % 1000 == 0 {
            assert_eq!(ib!(moveto(cursor, tuple, ib_srch_mode::IB_CUR_GE)), IB_RECORD_NOT_FOUND);
        }
    }
    assert_eq!(set(tuple, 0, b"a"), IB_SUCCESS);
    assert_eq!(ib!(moveto(cursor, tuple, ib_srch_mode::IB_CUR_GE)), IB_SUCCESS);
    ib!(tuple_delete(tuple));
    let row = ib!(clust_read_tuple_create(cursor));
    let value = vec![1u8; 1 << 20];
    assert_eq!(ib!(col_set_value(row, 1, value.as_ptr().cast(), value.len() as ib_ulint_t, 0)), IB_SUCCESS);
    assert_eq!(ib!(col_get_value(row, 1)).cast::<u8>(), value.as_ptr(), "borrowed");
    ib!(tuple_delete(row));
    end(cursor, trx, true);
}

#[test]
fn tuples_serve_later_cursors_until_the_definition_changes() {
    let fixture = fixture();
    fill(&[("a", Some(7)), ("b", None)]);
    let trx = begin_trx(1, false);
    let cursor = open_cursor(trx);
    let key = ib!(sec_search_tuple_create(cursor));
    let row = ib!(clust_read_tuple_create(cursor));
    let new = ib!(clust_read_tuple_create(cursor));
    assert_eq!(end(cursor, trx, true), IB_SUCCESS);
    // Whether the tuples suit the table, and what the row of a key has in its second column.
    let use_them = |wanted: &[u8]| {
        let trx = begin_trx(1, true);
        let cursor = open_cursor(trx);
        let suits = ib!(read_row(cursor, row, null_mut(), null_mut()));
        ib!(set_match_mode(cursor, ib_match_mode::IB_EXACT_MATCH));
        set(key, 0, wanted);
        let found = ib!(moveto(cursor, key, ib_srch_mode::IB_CUR_GE));
        let read = ib!(read_row(cursor, row, null_mut(), null_mut()));
        let value = if read == IB_SUCCESS { get(row, 1) } else { None };
        set(new, 0, b"new");
        set(new, 2, &0u32.to_ne_bytes());
        let written = (ib!(insert_row(cursor, new)), ib!(update_row(cursor, row, new)));
        assert_eq!(end(cursor, trx, false), IB_SUCCESS);
        ((suits, found, read), value, written)
    };
    for (wanted, value) in [(b"a", "value of a"), (b"b", "value of b"), (b"a", "value of a")] {
        let (codes, read, _) = use_them(wanted);
        assert_eq!((codes, read.as_deref()), ((IB_RECORD_NOT_FOUND, IB_SUCCESS, IB_SUCCESS), Some(value.as_bytes())));
    }
    // A row that was read can be changed column by column and inserted.
    let trx = begin_trx(1, true);
    let cursor = open_cursor(trx);
    assert_eq!(find(cursor, b"a"), IB_SUCCESS);
    assert_eq!(ib!(read_row(cursor, row, null_mut(), null_mut())), IB_SUCCESS);
    assert_eq!((set(row, 0, b"c"), ib!(col_set_value(row, 3, null_mut(), NULL, 1))), (IB_SUCCESS, IB_SUCCESS));
    assert_eq!(ib!(insert_row(cursor, row)), IB_SUCCESS);
    assert_eq!(find(cursor, b"c"), IB_SUCCESS);
    assert_eq!((current(cursor, 1).as_deref(), current(cursor, 3)), (Some(&b"value of a"[..]), None));
    assert_eq!(end(cursor, trx, true), IB_SUCCESS);
    // The same name, and other columns.
    fixture.engine.drop_table("db", "t").unwrap();
    let mut other = table();
    other.columns[1] = column("v", ColumnType::VarBinary { bytes: 10 });
    fixture.engine.create_table(other).unwrap();
    let (codes, _, written) = use_them(b"a");
    assert_eq!(
        (codes, written),
        ((IB_DATA_MISMATCH, IB_DATA_MISMATCH, IB_DATA_MISMATCH), (IB_DATA_MISMATCH, IB_DATA_MISMATCH))
    );
    [key, row, new].into_iter().for_each(|tuple| ib!(tuple_delete(tuple)));
}

/// Prints what the parts of a hot get cost: `cargo test --release --test engine -- --ignored --nocapture hot`.
#[test]
#[ignore = "measures, asserts nothing about time"]
fn hot_get_timing() {
    let _fixture = fixture();
    let keys: Vec<String> = (0..10_000).map(|n| format!("key{n}")).collect();
    fill(&keys.iter().map(|k| (k.as_str(), None)).collect::<Vec<_>>());
    let rounds = 100;
    let report = |what: &str, begun: Instant, n: usize| {
        println!("{what}: {:.0} ns", begun.elapsed().as_nanos() as f64 / n as f64);
    };
    let tick = |per: usize| {
        let begun = Instant::now();
        for chunk in (0..rounds).flat_map(|_| keys.chunks(per)) {
            let trx = ib!(trx_begin(1, 0, 1));
            let mut cursor = null_mut();
            ib!(open_table(c"db/t".as_ptr(), trx, &mut cursor));
            ib!(set_match_mode(cursor, ib_match_mode::IB_EXACT_MATCH));
            let search = ib!(sec_search_tuple_create(cursor));
            let row = ib!(clust_read_tuple_create(cursor));
            for key in chunk {
                ib!(col_set_value(search, 0, key.as_ptr().cast(), key.len() as ib_ulint_t, 0));
                assert_eq!(ib!(moveto(cursor, search, ib_srch_mode::IB_CUR_GE)), IB_SUCCESS);
                ib!(read_row(cursor, row, null_mut(), null_mut()));
                std::hint::black_box(ib!(col_get_value(row, 1)));
            }
            ib!(tuple_delete(row));
            ib!(tuple_delete(search));
            ib!(cursor_close(cursor));
            ib!(trx_commit(trx));
            ib!(trx_release(trx));
        }
        report(&format!("get, {per} per transaction"), begun, rounds * keys.len());
    };
    tick(1);
    tick(32);
}

/// Prints what commits and a reopening cost: `cargo test --release --test engine -- --ignored --nocapture commit`.
#[test]
#[ignore = "measures, asserts nothing about time"]
fn commit_and_reopen_timing() {
    let dir = tempfile::tempdir().unwrap();
    for level in ["2", "1"] {
        let engine = open(dir.path(), &[("innodb_flush_log_at_trx_commit", level)]);
        engine.serve_callback_table();
        if engine.is_new() {
            engine.create_database("db").unwrap();
            engine.create_table(table()).unwrap();
        }
        let value = [b'v'; 100];
        let (trxs, per) = if level == "2" { (10_000, 32) } else { (500, 32) };
        let begun = Instant::now();
        for n in 0..trxs {
            let trx = begin_trx(1, true);
            let cursor = open_cursor(trx);
            ib!(set_lock_mode(cursor, ib_lck_mode::IB_LOCK_X));
            for i in 0..per {
                let key = format!("{level}key{:08}", (n * per + i) * 7919 % (trxs * per));
                find(cursor, key.as_bytes());
                insert(cursor, key.as_bytes(), &value, None);
            }
            assert_eq!(end(cursor, trx, true), IB_SUCCESS);
        }
        let spent = begun.elapsed();
        println!(
            "level {level}: {:.2} us per row, {per} rows per commit",
            spent.as_micros() as f64 / (trxs * per) as f64
        );
        let begun = Instant::now();
        engine.close().unwrap();
        println!("close: {:?}", begun.elapsed());
        let begun = Instant::now();
        open(dir.path(), &[]).close().unwrap();
        println!("reopen and close: {:?}", begun.elapsed());
    }
}
