//! Entries 0 to 8, 29 to 33, 35, 38, 42, 43, 47 and 49: what C calls with a cursor.

use super::cursor::{Cursor, END, NOT_FOUND, bind, hand_out, held_by, open};
use super::handle::{Fail, MISUSED, Pooled, entry, object};
use super::trx::TrxHandle;
use crate::bindings::{
    ib_bool_t, ib_crsr_t, ib_err, ib_id_u64_t, ib_index_type, ib_lck_mode, ib_lck_mode_t, ib_match_mode_t,
    ib_srch_mode_t, ib_tpl_t, ib_trx_t, ib_ulint_t,
};
use crate::boundary::{from_handle, guard, shared};
use crate::refengine::codec;
use crate::refengine::core::serving;
use crate::refengine::lock::LockMode;
use crate::refengine::span::{Span, after};
use crate::refengine::storage::Slice;
use crate::refengine::table::Table;
use crate::refengine::trx::change::Updated;
use crate::refengine::types::RowLock;
use std::ffi::CStr;
use std::os::raw::{c_char, c_int, c_void};

entry! {
    fn open_table(name: *const c_char, trx: ib_trx_t, crsr: *mut ib_crsr_t) {
        if name.is_null() || crsr.is_null() {
            return Err(MISUSED);
        }
        // SAFETY: a NUL-terminated string by the table's contract.
        let path = unsafe { CStr::from_ptr(name) }.to_bytes();
        let guard = if trx.is_null() {
            open(&*serving().ok_or(MISUSED)?, path, |_| None)?
        } else {
            // SAFETY: the caller's handle.
            let handle: &TrxHandle = unsafe { object(trx) }?;
            let running = handle.started()?;
            open(running.core(), path, |table| running.held(table).cloned().or_else(|| held_by(handle, table)))?
        };
        let mut cursor = Cursor::take();
        cursor.guard = Some(guard);
        // SAFETY: the caller's handle and output; the references to the transaction are gone.
        unsafe { *crsr = hand_out(cursor, trx)? };
        Ok(())
    }
}

entry! {
    fn open_index_using_name(
        crsr: ib_crsr_t,
        index: *const c_char,
        out: *mut ib_crsr_t,
        kind: *mut c_int,
        id: *mut ib_id_u64_t,
    ) {
        if index.is_null() || out.is_null() {
            return Err(MISUSED);
        }
        // SAFETY: the caller's handle.
        let base: &Cursor = unsafe { object(crsr) }?;
        // SAFETY: a NUL-terminated string by the table's contract.
        let name = unsafe { CStr::from_ptr(index) }.to_str().map_err(|_| Fail(ib_err::IB_NOT_FOUND))?;
        let guard = base.guard()?.clone();
        let number = if name.eq_ignore_ascii_case("PRIMARY") {
            0
        } else {
            let indexes = &guard.table().def().indexes;
            let found = indexes.iter().position(|index| index.name.eq_ignore_ascii_case(name));
            found.ok_or(Fail(ib_err::IB_NOT_FOUND))? + 1
        };
        let index_id = (guard.table().id() << 8) | number as u64;
        let mut cursor = Cursor::take();
        cursor.guard = Some(guard);
        cursor.index = number;
        cursor.lock = base.lock;
        let clustered = if number == 0 { ib_index_type::IB_CLUSTERED } else { ib_index_type::IB_SECONDARY };
        let unique = if codec::is_unique(base.guard()?.table().def(), number) { ib_index_type::IB_UNIQUE } else { 0 };
        // SAFETY: the caller's outputs, of which the last two may be NULL.
        unsafe {
            *out = hand_out(cursor, base.trx.0)?;
            if let Some(kind) = kind.as_mut() {
                *kind = (clustered | unique) as c_int;
            }
            if let Some(id) = id.as_mut() {
                *id = index_id;
            }
        }
        Ok(())
    }
}

entry! {
    fn read_row(crsr: ib_crsr_t, tpl: ib_tpl_t, _row_buf: *mut *mut c_void, _len: *mut ib_ulint_t) {
        // SAFETY: the caller's handles, which are different objects.
        let (cursor, tuple) = unsafe { (object(crsr)?, object(tpl)?) };
        if !tuple.is_row_of(cursor.guard()?.table()) {
            return Err(Fail(ib_err::IB_DATA_MISMATCH));
        }
        tuple.load(cursor.row.slice().ok_or(NOT_FOUND)?);
        Ok(())
    }
}

entry! {
    fn insert_row(crsr: ib_crsr_t, tpl: ib_tpl_t) {
        // SAFETY: the caller's handles, which are different objects.
        let (cursor, tuple) = unsafe { (object(crsr)?, object(tpl)?) };
        if !tuple.is_row_of(cursor.guard()?.table()) {
            return Err(Fail(ib_err::IB_DATA_MISMATCH));
        }
        tuple.fill_defaults()?;
        tuple.check_nulls()?;
        tuple.encode(&mut cursor.buffer)?;
        let guard = cursor.guard.as_ref().ok_or(MISUSED)?;
        Ok(cursor.trx.running()?.insert(guard, &cursor.buffer)?)
    }
}

entry! {
    fn delete_row(crsr: ib_crsr_t) {
        // SAFETY: the caller's handle.
        let cursor = unsafe { object(crsr) }?;
        let key = if cursor.index == 0 { &cursor.at } else { &cursor.pk };
        let guard = cursor.guard.as_ref().ok_or(MISUSED)?;
        if cursor.row.bytes().is_none() || !cursor.trx.running()?.delete(guard, key)? {
            return Err(NOT_FOUND);
        }
        cursor.row.clear();
        Ok(())
    }
}

entry! {
    fn update_row(crsr: ib_crsr_t, old_tpl: ib_tpl_t, new_tpl: ib_tpl_t) {
        // SAFETY: the caller's handles; the tuples are only read, so they may be the same one.
        let (cursor, old, new) = unsafe {
            (object(crsr)?, shared(old_tpl), shared(new_tpl))
        };
        let (old, new) = (old.ok_or(MISUSED)?, new.ok_or(MISUSED)?);
        let guard = cursor.guard.as_ref().ok_or(MISUSED)?;
        if !old.is_row_of(guard.table()) || !new.is_row_of(guard.table()) {
            return Err(Fail(ib_err::IB_DATA_MISMATCH));
        }
        new.check_nulls()?;
        new.encode(&mut cursor.buffer)?;
        let row = Slice::new(&cursor.buffer);
        // The row under a cursor of the primary key has the key that the cursor was moved to.
        let here = cursor.index == 0 && cursor.row.bytes().is_some_and(|row| old.is_whole(row));
        if here {
            cursor.buffer.clear();
            cursor.buffer.extend_from_slice(&cursor.at);
        } else {
            old.primary_key(&mut cursor.buffer, guard.table().def());
        }
        if cursor.trx.running()?.update(guard, &cursor.buffer, &row)? == Updated::Missing {
            return Err(NOT_FOUND);
        }
        if cursor.row.bytes().is_some() && cursor.row_key() == cursor.buffer {
            new.primary_key(&mut cursor.buffer, guard.table().def());
            // The position stays where it was, so that a scan meets no row twice because it changed its key.
            let same = cursor.row_key() == cursor.buffer;
            cursor.row.share(same.then_some(row));
        }
        Ok(())
    }
}

entry! {
    fn moveto(crsr: ib_crsr_t, tpl: ib_tpl_t, mode: ib_srch_mode_t) {
        // SAFETY: the caller's handles, which are different objects.
        let (cursor, tuple) = unsafe { (object(crsr)?, object(tpl)?) };
        cursor.move_to(tuple, mode)
    }
}

entry! {
    fn first(crsr: ib_crsr_t) {
        // SAFETY: the caller's handle.
        let cursor = unsafe { object(crsr) }?;
        cursor.unplace();
        let scan = cursor.scan(Span::index(cursor.index), false)?;
        cursor.advance(scan, true, END)
    }
}

entry! {
    fn next(crsr: ib_crsr_t) {
        // SAFETY: the caller's handle.
        let cursor = unsafe { object(crsr) }?;
        if !cursor.placed {
            return Err(END);
        }
        cursor.row.clear();
        let scan = match cursor.scan.take() {
            Some(scan) => scan,
            None => {
                let span = Span { start: after(&cursor.at), end: Span::index(cursor.index).end };
                cursor.scan(span, false)?
            }
        };
        let moved = cursor.advance(scan, true, END);
        if moved == Err(END) {
            cursor.unplace();
        }
        moved
    }
}

pub(super) unsafe extern "C" fn set_match_mode(crsr: ib_crsr_t, mode: ib_match_mode_t) {
    guard((), || {
        // SAFETY: the caller's handle.
        if let Ok(cursor) = unsafe { object(crsr) } {
            cursor.match_mode = mode;
        }
    })
}

entry! {
    fn cursor_lock(crsr: ib_crsr_t, mode: ib_lck_mode_t) {
        // SAFETY: the caller's handle.
        let cursor = unsafe { object(crsr) }?;
        let guard = cursor.guard.as_ref().ok_or(MISUSED)?;
        let trx = cursor.trx.running()?;
        let strength = match mode {
            // Intentions: rows are locked one by one, DDL is kept off.
            ib_lck_mode::IB_LOCK_IS | ib_lck_mode::IB_LOCK_IX => None,
            ib_lck_mode::IB_LOCK_S => Some(LockMode::Shared),
            ib_lck_mode::IB_LOCK_X | ib_lck_mode::IB_LOCK_TABLE_X => Some(LockMode::Exclusive),
            _ => return Err(MISUSED),
        };
        trx.hold_guarded(guard)?;
        match strength {
            Some(strength) => Ok(trx.lock_span(guard.table().id(), &Span::table(), strength)?),
            None => Ok(()),
        }
    }
}

entry! {
    fn set_lock_mode(crsr: ib_crsr_t, mode: ib_lck_mode_t) {
        // SAFETY: the caller's handle.
        let cursor = unsafe { object(crsr) }?;
        cursor.lock = match mode {
            ib_lck_mode::IB_LOCK_X => RowLock::Exclusive,
            ib_lck_mode::IB_LOCK_S => RowLock::Shared,
            ib_lck_mode::IB_LOCK_IS | ib_lck_mode::IB_LOCK_IX | ib_lck_mode::IB_LOCK_NONE => RowLock::None,
            _ => return Err(MISUSED),
        };
        Ok(())
    }
}

entry! {
    fn cursor_close(crsr: ib_crsr_t) {
        // SAFETY: the caller's handle, which is dead after this call.
        let mut cursor = unsafe { from_handle(crsr) }.ok_or(MISUSED)?;
        cursor.unbind(crsr);
        Cursor::give(cursor);
        Ok(())
    }
}

entry! {
    fn cursor_new_trx(crsr: ib_crsr_t, trx: ib_trx_t) {
        // SAFETY: the caller's handles; the reference to the cursor is gone when it is bound.
        unsafe {
            object(crsr)?.unbind(crsr);
            bind(crsr, trx)
        }
    }
}

entry! {
    fn cursor_reset(crsr: ib_crsr_t) {
        // SAFETY: the caller's handle.
        unsafe { object(crsr) }?.unbind(crsr);
        Ok(())
    }
}

entry! {
    /// Every operation is a statement of its own here, so this only checks the handle.
    fn cursor_stmt_begin(crsr: ib_crsr_t) {
        // SAFETY: the caller's handle.
        unsafe { object(crsr) }?.guard().map(|_| ())
    }
}

/// Rows of a secondary index are always complete here.
pub(super) unsafe extern "C" fn set_cluster_access(_crsr: ib_crsr_t) {}

/// # Safety
/// `crsr` is NULL or a handle, as for `object`.
unsafe fn column_name(crsr: ib_crsr_t, number: impl FnOnce(&Cursor, &Table) -> Option<usize>) -> *const c_char {
    // SAFETY: the caller's handle.
    let Ok(cursor) = (unsafe { object(crsr) }) else { return std::ptr::null() };
    let Ok(guard) = cursor.guard() else { return std::ptr::null() };
    let column = number(cursor, guard.table());
    let name = column.and_then(|column| guard.table().shape().names().get(column));
    name.map_or(std::ptr::null(), |name| name.as_ptr())
}

pub(super) unsafe extern "C" fn col_get_name(crsr: ib_crsr_t, col: ib_ulint_t) -> *const c_char {
    guard(std::ptr::null(), || {
        // SAFETY: the caller's handle.
        unsafe { column_name(crsr, |_, _| Some(col as usize)) }
    })
}

pub(super) unsafe extern "C" fn get_idx_field_name(crsr: ib_crsr_t, col: ib_ulint_t) -> *const c_char {
    guard(std::ptr::null(), || {
        // SAFETY: the caller's handle.
        unsafe {
            column_name(crsr, |cursor, table| {
                codec::index_columns(table.def(), cursor.index).get(col as usize).copied()
            })
        }
    })
}

/// No table has virtual columns.
pub(super) unsafe extern "C" fn is_virtual_table(_crsr: ib_crsr_t) -> ib_bool_t {
    0
}
