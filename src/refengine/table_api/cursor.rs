//! Entries 0 to 8, 29 to 33, 35, 38, 42, 43, 47 and 49: cursors.

use super::trx::TrxHandle;
use super::tuple::Tuple;
use super::{Fail, MISUSED, Outcome, Pool, Pooled, entry, object};
use crate::bindings::{
    ib_bool_t, ib_crsr_t, ib_err, ib_id_u64_t, ib_index_type, ib_lck_mode, ib_lck_mode_t, ib_match_mode,
    ib_match_mode_t, ib_srch_mode, ib_srch_mode_t, ib_tpl_t, ib_trx_t, ib_ulint_t,
};
use crate::boundary::{from_handle, guard, into_handle, shared};
use crate::refengine::codec::{self, Tail};
use crate::refengine::core::{Core, serving};
use crate::refengine::error::Error;
use crate::refengine::lock::LockMode;
use crate::refengine::lock_wait;
use crate::refengine::mdl;
use crate::refengine::scan::Scan;
use crate::refengine::span::{Span, after, successor};
use crate::refengine::storage::Slice;
use crate::refengine::table::Table;
use crate::refengine::trx::{Trx, Updated};
use crate::refengine::types::RowLock;
use crate::refengine::variables::Var;
use std::ffi::CStr;
use std::os::raw::{c_char, c_int, c_void};
use std::sync::Arc;

const NOT_FOUND: Fail = Fail(ib_err::IB_RECORD_NOT_FOUND);
const END: Fail = Fail(ib_err::IB_END_OF_INDEX);

/// The transaction that a cursor is bound to, which has the cursor in its list. It clears this when it ends, so this is NULL or
/// alive. Always the pointer that C has, never one made from a reference: those are dead once C's is used again.
struct Bound(ib_trx_t);

impl Bound {
    /// The running transaction. It stays borrowed with this field, and the other fields of the cursor do not.
    fn running(&mut self) -> Result<&mut Trx, Fail> {
        // SAFETY: NULL or alive; an entry has no other reference to the transaction.
        unsafe { object(self.0) }?.running()
    }
}

/// A cursor on an index of a table.
pub(crate) struct Cursor {
    /// There while the handle is alive.
    guard: Option<mdl::Shared>,
    trx: Bound,
    /// 0 = primary key.
    index: usize,
    match_mode: ib_match_mode_t,
    lock: RowLock,
    /// Set while `at` is a position `next` can go on from.
    placed: bool,
    /// Key of the position in the cursor's index.
    at: Vec<u8>,
    /// The row there and its primary key, unless there is none or it was deleted.
    row: Option<Slice>,
    pk: Vec<u8>,
    /// The forward scan that led to the position.
    scan: Option<Scan>,
    buffer: Vec<u8>,
}

impl Default for Cursor {
    fn default() -> Cursor {
        Cursor {
            guard: None,
            trx: Bound(std::ptr::null_mut()),
            index: 0,
            match_mode: ib_match_mode::IB_CLOSEST_MATCH,
            lock: RowLock::None,
            placed: false,
            at: Vec::new(),
            row: None,
            pk: Vec::new(),
            scan: None,
            buffer: Vec::new(),
        }
    }
}

impl Pooled for Cursor {
    fn pool(pool: &mut Pool) -> &mut Vec<Box<Cursor>> {
        &mut pool.cursors
    }

    fn clear(&mut self) {
        self.unplace();
        self.guard = None;
        self.index = 0;
        self.match_mode = ib_match_mode::IB_CLOSEST_MATCH;
        self.lock = RowLock::None;
    }
}

impl Cursor {
    pub(super) fn guard(&self) -> Result<&mdl::Shared, Fail> {
        self.guard.as_ref().ok_or(MISUSED)
    }

    pub(super) fn index(&self) -> usize {
        self.index
    }

    pub(super) fn bound_trx(&self) -> ib_trx_t {
        self.trx.0
    }

    /// Called by the transaction when it ends.
    pub(super) fn forget_trx(&mut self) {
        self.trx = Bound(std::ptr::null_mut());
        self.unplace();
    }

    fn unplace(&mut self) {
        self.placed = false;
        self.row = None;
        self.scan = None;
    }

    /// Lets go of the transaction. `own` is this cursor's handle.
    fn unbind(&mut self, own: ib_crsr_t) {
        // SAFETY: NULL or alive, see `Bound`.
        if let Ok(handle) = unsafe { object(self.trx.0) } {
            handle.unbind(own);
        }
        self.forget_trx();
    }

    fn place(&mut self, at: &[u8], pk: &[u8], row: Slice) {
        self.at.clear();
        self.at.extend_from_slice(at);
        self.pk.clear();
        self.pk.extend_from_slice(pk);
        self.row = Some(row);
        self.placed = true;
    }

    /// Goes to the next row of `scan` and keeps it for more if `keep`. `missing`: what to say if there is none.
    fn advance(&mut self, mut scan: Scan, keep: bool, missing: Fail) -> Outcome {
        let trx = self.trx.running()?;
        let guard = self.guard.as_ref().ok_or(MISUSED)?;
        match scan.next(trx, guard)? {
            Some(found) => {
                self.place(&found.at, &found.pk, found.row);
                self.scan = keep.then_some(scan);
                Ok(())
            }
            None => Err(missing),
        }
    }

    fn scan(&mut self, span: Span, reverse: bool) -> Result<Scan, Fail> {
        let guard = self.guard.as_ref().ok_or(MISUSED)?;
        Ok(Scan::begin(self.trx.running()?, guard, self.index, span, reverse, self.lock)?)
    }

    /// Looks one complete key up, which `self.buffer` holds.
    fn find(&mut self) -> Outcome {
        let trx = self.trx.running()?;
        let guard = self.guard.as_ref().ok_or(MISUSED)?;
        std::mem::swap(&mut self.at, &mut self.buffer);
        self.placed = true;
        if self.index == 0 {
            self.row = trx.read(guard, &self.at, self.lock)?;
        } else if let Some((pk, row)) = trx.read_by_index(guard, self.index, &self.at, self.lock)? {
            self.pk.clear();
            self.pk.extend_from_slice(&pk);
            self.row = Some(row);
        }
        if self.row.is_some() { Ok(()) } else { Err(NOT_FOUND) }
    }

    /// Primary key of the row under the cursor.
    fn row_key(&self) -> &[u8] {
        if self.index == 0 { &self.at } else { &self.pk }
    }

    fn move_to(&mut self, tuple: &Tuple, mode: ib_srch_mode_t) -> Outcome {
        self.unplace();
        let table = self.guard.as_ref().ok_or(MISUSED)?.table();
        let columns = codec::index_columns(table.def(), self.index).len();
        let exact_prefix = self.match_mode == ib_match_mode::IB_EXACT_PREFIX;
        self.buffer.clear();
        self.buffer.push(self.index as u8);
        let mut given = 0;
        let mut part = tuple.key_part(table, self.index, 0)?;
        while part.is_some() {
            let next = if given + 1 < columns { tuple.key_part(table, self.index, given + 1)? } else { None };
            let tail = if exact_prefix && next.is_none() { Tail::Open } else { Tail::Complete };
            codec::push_key_part(&mut self.buffer, table.def(), self.index, given, part, tail);
            given += 1;
            part = next;
        }
        match self.match_mode {
            ib_match_mode::IB_EXACT_MATCH if given == columns && codec::is_unique(table.def(), self.index) => {
                self.find()
            }
            ib_match_mode::IB_EXACT_MATCH | ib_match_mode::IB_EXACT_PREFIX => {
                let span = Span::prefix(&self.buffer);
                let scan = self.scan(span, false)?;
                self.advance(scan, false, NOT_FOUND)
            }
            _ => {
                let whole = Span::index(self.index);
                let at = self.buffer.clone();
                let unique = self.index == 0 && given == columns;
                let behind = if unique { after(&at) } else { successor(&at) };
                let (span, reverse) = match mode {
                    ib_srch_mode::IB_CUR_GE => (Span { start: at, end: whole.end }, false),
                    ib_srch_mode::IB_CUR_G => (Span { start: behind, end: whole.end }, false),
                    ib_srch_mode::IB_CUR_LE => (Span { start: whole.start, end: behind }, true),
                    ib_srch_mode::IB_CUR_L => (Span { start: whole.start, end: at }, true),
                    _ => return Err(MISUSED),
                };
                let scan = self.scan(span, reverse)?;
                self.advance(scan, !reverse, END)
            }
        }
    }
}

/// Takes a table by name. `held` finds a hold that the transaction has already: taking the table anew could wait for DDL
/// that waits for this transaction.
fn open(core: &Core, path: &str, held: impl Fn(&Arc<Table>) -> Option<mdl::Shared>) -> Result<mdl::Shared, Fail> {
    loop {
        let table = core.catalog().by_path(path).ok_or(Fail(ib_err::IB_TABLE_NOT_FOUND))?;
        if let Some(held) = held(&table) {
            return Ok(held);
        }
        match mdl::Shared::acquire(&table, || lock_wait::deadline(core.seconds(Var::ApiLockWaitTimeout))) {
            // DDL replaced the table between the two steps: there may be another one under the name.
            Err(Error::NoSuchTable { .. }) => continue,
            other => return Ok(other?),
        }
    }
}

/// Binds a cursor to a transaction that runs.
///
/// # Safety
/// Both are live handles; no reference to one of their objects is alive.
unsafe fn bind(crsr: ib_crsr_t, trx: ib_trx_t) -> Outcome {
    // SAFETY: the caller's promise.
    let (cursor, handle) = unsafe { (object(crsr)?, object(trx)?) };
    handle.running()?;
    handle.bind(crsr);
    cursor.trx = Bound(trx);
    Ok(())
}

/// Gives a cursor to C, bound to the transaction if there is one, which runs.
///
/// # Safety
/// `trx` is NULL or a live handle, and no reference to its object is alive.
unsafe fn hand_out(cursor: Box<Cursor>, trx: ib_trx_t) -> Result<ib_crsr_t, Fail> {
    let handle = into_handle(cursor);
    if !trx.is_null()
        // SAFETY: made above, and the caller's promise.
        && let Err(fail) = unsafe { bind(handle, trx) }
    {
        // SAFETY: made above, and nobody has seen it.
        if let Some(cursor) = unsafe { from_handle(handle) } {
            Cursor::give(cursor);
        }
        return Err(fail);
    }
    Ok(handle)
}

/// Another hold on a table that a cursor of the transaction has open.
fn held_by(trx: &TrxHandle, table: &Arc<Table>) -> Option<mdl::Shared> {
    trx.cursors().iter().find_map(|cursor| {
        // SAFETY: bound cursors are alive, and no other reference to one exists while an entry runs on their thread.
        let guard = unsafe { shared(*cursor) }?.guard.as_ref()?;
        Arc::ptr_eq(guard.table(), table).then(|| guard.clone())
    })
}

entry! {
    fn open_table(name: *const c_char, trx: ib_trx_t, crsr: *mut ib_crsr_t) {
        if name.is_null() || crsr.is_null() {
            return Err(MISUSED);
        }
        // SAFETY: a NUL-terminated string by the table's contract.
        let path = unsafe { CStr::from_ptr(name) }.to_str().map_err(|_| Fail(ib_err::IB_TABLE_NOT_FOUND))?;
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
        tuple.load(cursor.row.clone().ok_or(NOT_FOUND)?);
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
        Ok(cursor.trx.running()?.insert(guard, Slice::new(&cursor.buffer))?)
    }
}

entry! {
    fn delete_row(crsr: ib_crsr_t) {
        // SAFETY: the caller's handle.
        let cursor = unsafe { object(crsr) }?;
        let key = if cursor.index == 0 { &cursor.at } else { &cursor.pk };
        let guard = cursor.guard.as_ref().ok_or(MISUSED)?;
        if cursor.row.is_none() || !cursor.trx.running()?.delete(guard, key)? {
            return Err(NOT_FOUND);
        }
        cursor.row = None;
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
        old.primary_key(&mut cursor.buffer, guard.table().def());
        if cursor.trx.running()?.update(guard, &cursor.buffer, row.clone())? == Updated::Missing {
            return Err(NOT_FOUND);
        }
        if cursor.row.is_some() && cursor.row_key() == cursor.buffer {
            new.primary_key(&mut cursor.buffer, guard.table().def());
            // The position stays where it was, so that a scan meets no row twice because it changed its key.
            cursor.row = (cursor.row_key() == cursor.buffer).then_some(row);
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
        cursor.row = None;
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
    let name = column.and_then(|column| guard.table().column_names().get(column));
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
