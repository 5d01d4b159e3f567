//! Rows by one call: the entries behind the canonical table, against those of it.

use super::support::ib::*;
use daemon_memcached::bindings::{IB_FIELD_UNSET, ib_crsr_t, ib_err, ib_err_t, ib_field_t, ib_lck_mode, ib_ulint_t};
use daemon_memcached::refengine::api;
use ib_err::*;
use std::ptr::null;

const COLUMNS: usize = 10;
const UNSET: ib_field_t = ib_field_t { data: null(), len: IB_FIELD_UNSET as ib_ulint_t };

fn field(bytes: &[u8]) -> ib_field_t {
    ib_field_t { data: bytes.as_ptr().cast(), len: bytes.len() as ib_ulint_t }
}

const NO_VALUE: ib_field_t = ib_field_t { data: null(), len: NULL };

fn find_fields(cursor: ib_crsr_t, key: &[u8]) -> Result<Vec<Option<Vec<u8>>>, ib_err_t> {
    let mut fields = [UNSET; COLUMNS];
    let call = api().sized.fields.find_fields.unwrap();
    // SAFETY: a live cursor, and as many fields as the table has columns.
    let code = unsafe {
        call(cursor, key.as_ptr().cast(), key.len() as ib_ulint_t, fields.as_mut_ptr(), COLUMNS as ib_ulint_t)
    };
    if code != IB_SUCCESS {
        return Err(code);
    }
    let bytes = |field: &ib_field_t| {
        // SAFETY: the cursor was not moved since.
        (field.len != NULL)
            .then(|| unsafe { std::slice::from_raw_parts(field.data.cast(), field.len as usize) }.to_vec())
    };
    Ok(fields.iter().map(bytes).collect())
}

fn write(cursor: ib_crsr_t, insert: bool, columns: &[(usize, ib_field_t)]) -> ib_err_t {
    let mut fields = [UNSET; COLUMNS];
    columns.iter().for_each(|(i, field)| fields[*i] = *field);
    let call = if insert { api().sized.fields.insert_fields } else { api().sized.fields.update_fields }.unwrap();
    // SAFETY: a live cursor, and as many fields as the table has columns.
    unsafe { call(cursor, fields.as_ptr(), COLUMNS as ib_ulint_t) }
}

fn by_column(cursor: ib_crsr_t, key: &[u8]) -> Vec<Option<Vec<u8>>> {
    assert_eq!(find(cursor, key), IB_SUCCESS);
    (0..COLUMNS as ib_ulint_t).map(|i| current(cursor, i)).collect()
}

#[test]
fn rows_are_what_they_are_column_by_column() {
    let _fixture = fixture();
    let trx = begin_trx(1, true);
    let cursor = open_cursor(trx);
    assert_eq!(ib!(set_lock_mode(cursor, ib_lck_mode::IB_LOCK_X)), IB_SUCCESS);
    let (flags, n) = (7u32.to_ne_bytes(), (-3i16).to_ne_bytes());
    let row =
        [(0, field(b"k")), (1, field(b"one")), (2, field(&flags)), (4, field(&n)), (6, field(b"ab")), (8, field(b"c"))];
    assert_eq!(write(cursor, true, &row), IB_SUCCESS);
    assert_eq!(write(cursor, true, &row), IB_DUPLICATE_KEY);
    let found = find_fields(cursor, b"k").unwrap();
    assert_eq!(found[1..5], [Some(b"one".to_vec()), Some(vec![0, 0, 0, 7]), None, Some(vec![0x7f, 0xfd])]);
    assert_eq!((&found[6], &found[8]), (&Some(b"ab  ".to_vec()), &Some(b"c\0\0".to_vec())), "padded");
    assert_eq!(found, by_column(cursor, b"k"));
    // A change by one call is seen by both, and what it does not set stays.
    find_fields(cursor, b"k").unwrap();
    assert_eq!(write(cursor, false, &[(1, field(b"two")), (5, field(b"abc")), (8, NO_VALUE)]), IB_SUCCESS);
    let changed = find_fields(cursor, b"k").unwrap();
    assert_eq!(changed, by_column(cursor, b"k"));
    assert_eq!((&changed[1], &changed[5], &changed[8]), (&Some(b"two".to_vec()), &Some(b"abc".to_vec()), &None));
    assert_eq!((&changed[2], &changed[4]), (&found[2], &found[4]));
    assert_eq!(find_fields(cursor, b"none"), Err(IB_RECORD_NOT_FOUND));
    assert_eq!(find_fields(cursor, &[b'k'; 300]), Err(IB_RECORD_NOT_FOUND), "longer than the column");
    assert_eq!(end(cursor, trx, true), IB_SUCCESS);
}

#[test]
fn what_one_call_cannot_do_is_left_undone() {
    let _fixture = fixture();
    fill(&[("k", Some(1)), ("other", Some(2))]);
    let trx = begin_trx(1, true);
    let cursor = open_cursor(trx);
    assert_eq!(ib!(set_lock_mode(cursor, ib_lck_mode::IB_LOCK_X)), IB_SUCCESS);
    assert_eq!(write(cursor, false, &[(1, field(b"x"))]), IB_ERROR, "nothing was found");
    let before = find_fields(cursor, b"k").unwrap();
    let (long, wide, cas) = ([b'x'; 9], [b'x'; 40_000], 9u64.to_ne_bytes());
    for (column, value, code) in [
        (0, field(b"moved"), IB_DATA_MISMATCH),
        (3, field(&cas), IB_DATA_MISMATCH),
        (5, field(&long), IB_DATA_MISMATCH),
        (4, field(&long), IB_DATA_MISMATCH),
        (1, field(&wide), IB_DATA_MISMATCH),
        (9, field(&[3]), IB_DATA_MISMATCH),
        (2, NO_VALUE, IB_INVALID_NULL),
    ] {
        assert_eq!(write(cursor, false, &[(1, field(b"new")), (column, value)]), code, "column {column}");
    }
    assert_eq!(find_fields(cursor, b"k").unwrap(), before, "nothing was done");
    assert_eq!(write(cursor, true, &[(0, field(b"fresh"))]), IB_INVALID_NULL, "flags may not be NULL");
    assert_eq!(write(cursor, false, &[(1, field(b"new"))]), IB_SUCCESS);
    assert_eq!(write(cursor, false, &[(1, field(b"newer"))]), IB_ERROR, "it must be found again");
    assert_eq!(end(cursor, trx, true), IB_SUCCESS);
}

#[test]
fn null_pointers_and_other_numbers_of_columns_are_refused() {
    let _fixture = fixture();
    fill(&[("k", None)]);
    let (trx, nobody) = (begin_trx(1, true), std::ptr::null_mut());
    let cursor = open_cursor(trx);
    let (find, update, insert) = (
        api().sized.fields.find_fields.unwrap(),
        api().sized.fields.update_fields.unwrap(),
        api().sized.fields.insert_fields.unwrap(),
    );
    let (mut fields, all) = ([UNSET; COLUMNS], COLUMNS as ib_ulint_t);
    let key = c"k".as_ptr().cast();
    // SAFETY: a live cursor or none; no call is promised more fields than there are.
    let codes = unsafe {
        [
            find(nobody, key, 1, fields.as_mut_ptr(), all),
            update(nobody, fields.as_ptr(), all),
            insert(nobody, fields.as_ptr(), all),
            find(cursor, null(), 1, fields.as_mut_ptr(), all),
        ]
    };
    assert_eq!(codes, [IB_ERROR; 4]);
    // SAFETY: as above.
    let codes = unsafe {
        [
            find(cursor, key, 1, nobody.cast(), all),
            find(cursor, key, 1, fields.as_mut_ptr(), all - 1),
            insert(cursor, null(), all),
            insert(cursor, fields.as_ptr(), all - 1),
        ]
    };
    assert_eq!(codes, [IB_DATA_MISMATCH; 4]);
    assert_eq!(end(cursor, trx, true), IB_SUCCESS);
}

/// Without a row lock another transaction may change the row between the two calls: the indexes follow the row that is there.
#[test]
fn indexes_follow_a_row_that_changed_since_it_was_found() {
    let _fixture = fixture();
    fill(&[("k", Some(1))]);
    let trx = begin_trx(1, true);
    let cursor = open_cursor(trx);
    assert_eq!(ib!(set_lock_mode(cursor, ib_lck_mode::IB_LOCK_NONE)), IB_SUCCESS);
    find_fields(cursor, b"k").unwrap();
    let (other_trx, other) = (begin_trx(1, true), std::ptr::null_mut());
    let mut other: ib_crsr_t = other;
    assert_eq!(ib!(open_table(c"db/t".as_ptr(), other_trx, &mut other)), IB_SUCCESS);
    assert_eq!(find(other, b"k"), IB_SUCCESS);
    assert_eq!(ib!(delete_row(other)), IB_SUCCESS);
    assert_eq!(insert(other, b"k", b"theirs", Some(5)), IB_SUCCESS);
    assert_eq!(end(other, other_trx, true), IB_SUCCESS);
    assert_eq!(write(cursor, false, &[(1, field(b"ours"))]), IB_SUCCESS);
    assert_eq!(end(cursor, trx, true), IB_SUCCESS);
    let trx = begin_trx(1, false);
    let base = open_cursor(trx);
    let mut by_cas = std::ptr::null_mut();
    let (mut kind, mut id) = (0, 0);
    assert_eq!(ib!(open_index_using_name(base, c"by_cas".as_ptr(), &mut by_cas, &mut kind, &mut id)), IB_SUCCESS);
    for (cas, there) in [(1u64, true), (5, false)] {
        let found = find_fields(by_cas, &cas.to_ne_bytes()).map(|fields| fields[1].clone());
        assert_eq!(found, if there { Ok(Some(b"ours".to_vec())) } else { Err(IB_RECORD_NOT_FOUND) }, "cas {cas}");
    }
    assert_eq!(ib!(cursor_close(by_cas)), IB_SUCCESS);
    assert_eq!(end(base, trx, true), IB_SUCCESS);
}
