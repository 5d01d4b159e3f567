//! Cursors: what they stand on, how they move, and which transaction they are bound to.

use super::handle::{Fail, Idle, MISUSED, Outcome, Pooled, object};
use super::trx::TrxHandle;
use super::tuple::Tuple;
use super::value::{self, MISMATCH, Stored};
use crate::bindings::{
    ib_crsr_t, ib_cursor, ib_err, ib_match_mode, ib_match_mode_t, ib_srch_mode, ib_srch_mode_t, ib_trx_t,
};
use crate::boundary::{Handle, from_handle, into_handle, shared};
use crate::refengine::codec::{self, Tail};
use crate::refengine::core::Core;
use crate::refengine::error::Error;
use crate::refengine::found::FoundRow;
use crate::refengine::lock_wait;
use crate::refengine::mdl;
use crate::refengine::scan::Scan;
use crate::refengine::span::{Span, after, successor};
use crate::refengine::storage::Slice;
use crate::refengine::table::Table;
use crate::refengine::trx::Trx;
use crate::refengine::types::RowLock;
use crate::refengine::variables::Var;
use std::cell::RefCell;
use std::sync::Arc;
use std::thread::LocalKey;

pub(super) const NOT_FOUND: Fail = Fail(ib_err::IB_RECORD_NOT_FOUND);
pub(super) const END: Fail = Fail(ib_err::IB_END_OF_INDEX);

/// The transaction that a cursor is bound to, which has the cursor in its list. It clears this when it ends, so this is NULL or
/// alive. Always the pointer that C has, never one made from a reference: those are dead once C's is used again.
pub(super) struct Bound(pub(super) ib_trx_t);

impl Bound {
    /// The running transaction. It stays borrowed with this field, and the other fields of the cursor do not.
    pub(super) fn running(&mut self) -> Result<&mut Trx, Fail> {
        // SAFETY: NULL or alive; an entry has no other reference to the transaction.
        unsafe { object(self.0) }?.running()
    }
}

/// A cursor on an index of a table.
pub(crate) struct Cursor {
    /// There while the handle is alive.
    pub(super) guard: Option<mdl::Shared>,
    pub(super) trx: Bound,
    /// 0 = primary key.
    pub(super) index: usize,
    pub(super) match_mode: ib_match_mode_t,
    pub(super) lock: RowLock,
    /// Set while `at` is a position `next` can go on from.
    pub(super) placed: bool,
    /// Key of the position in the cursor's index.
    pub(super) at: Vec<u8>,
    /// The row there and its primary key, unless there is none or it was deleted.
    pub(super) row: FoundRow,
    /// Whether `find_fields` found it and it was not changed since.
    pub(super) found: bool,
    pub(super) pk: Vec<u8>,
    /// The forward scan that led to the position.
    pub(super) scan: Option<Scan>,
    pub(super) buffer: Vec<u8>,
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
            row: FoundRow::default(),
            found: false,
            pk: Vec::new(),
            scan: None,
            buffer: Vec::new(),
        }
    }
}

impl Handle for ib_cursor {
    type Object = Cursor;
}

thread_local! {
    static IDLE: Idle<Cursor> = const { RefCell::new(Vec::new()) };
}

impl Pooled for Cursor {
    fn idle() -> &'static LocalKey<Idle<Cursor>> {
        &IDLE
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

    pub(super) fn unplace(&mut self) {
        self.placed = false;
        self.found = false;
        self.row.clear();
        if self.scan.is_some() {
            self.scan = None;
        }
    }

    /// Lets go of the transaction. `own` is this cursor's handle.
    pub(super) fn unbind(&mut self, own: ib_crsr_t) {
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
        self.row.share(Some(row));
        self.placed = true;
    }

    /// Goes to the next row of `scan` and keeps it for more if `keep`. `missing`: what to say if there is none.
    pub(super) fn advance(&mut self, mut scan: Scan, keep: bool, missing: Fail) -> Outcome {
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

    pub(super) fn scan(&mut self, span: Span, reverse: bool) -> Result<Scan, Fail> {
        let guard = self.guard.as_ref().ok_or(MISUSED)?;
        Ok(Scan::begin(self.trx.running()?, guard, self.index, span, reverse, self.lock)?)
    }

    /// Looks one complete key up, which `self.buffer` holds.
    fn find(&mut self) -> Outcome {
        std::mem::swap(&mut self.at, &mut self.buffer);
        let trx = self.trx.running()?;
        let guard = self.guard.as_ref().ok_or(MISUSED)?;
        self.placed = true;
        if self.index == 0 {
            self.row.share(trx.read(guard, &self.at, self.lock)?);
        } else if let Some((pk, row)) = trx.read_by_index(guard, self.index, &self.at, self.lock)? {
            self.pk.clear();
            self.pk.extend_from_slice(&pk);
            self.row.share(Some(row));
        }
        if self.row.bytes().is_some() { Ok(()) } else { Err(NOT_FOUND) }
    }

    /// Looks up the row with a key, in the format of `col_set_value`, of an index that is unique and has one column. There may be none.
    #[inline(always)]
    pub(super) fn find_key(&mut self, key: &[u8]) -> Outcome {
        self.unplace();
        let guard = self.guard.as_ref().ok_or(MISUSED)?;
        if self.index == 0 && guard.table().shape().takes_key(key) {
            let trx = self.trx.running()?;
            self.at.clear();
            self.at.push(0);
            self.at.extend_from_slice(key);
            self.placed = true;
            return Ok(trx.find(guard, &self.at, self.lock, &mut self.row)?);
        }
        let def = guard.table().def();
        let column = match codec::index_columns(def, self.index) {
            [column] if codec::is_unique(def, self.index) => def.columns.get(*column).ok_or(MISMATCH)?,
            _ => return Err(MISMATCH),
        };
        let value = value::stored(column, key)?;
        let stored = match &value {
            Stored::Int(stored) => stored.bytes(),
            // No row has a key that its column cannot hold.
            Stored::Bytes { cut: true, .. } => return Err(NOT_FOUND),
            Stored::Bytes { stored, .. } => stored,
        };
        self.buffer.clear();
        self.buffer.push(self.index as u8);
        codec::push_key_part(&mut self.buffer, def, self.index, 0, Some(stored), Tail::Complete);
        self.find()
    }

    /// Primary key of the row under the cursor.
    pub(super) fn row_key(&self) -> &[u8] {
        if self.index == 0 { &self.at } else { &self.pk }
    }

    pub(super) fn move_to(&mut self, tuple: &Tuple, mode: ib_srch_mode_t) -> Outcome {
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
pub(super) fn open(
    core: &Core,
    path: &[u8],
    held: impl Fn(&Arc<Table>) -> Option<mdl::Shared>,
) -> Result<mdl::Shared, Fail> {
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
pub(super) unsafe fn bind(crsr: ib_crsr_t, trx: ib_trx_t) -> Outcome {
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
pub(super) unsafe fn hand_out(cursor: Box<Cursor>, trx: ib_trx_t) -> Result<ib_crsr_t, Fail> {
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
pub(super) fn held_by(trx: &TrxHandle, table: &Arc<Table>) -> Option<mdl::Shared> {
    trx.cursors().iter().find_map(|cursor| {
        // SAFETY: bound cursors are alive, and no other reference to one exists while an entry runs on their thread.
        let guard = unsafe { shared(*cursor) }?.guard.as_ref()?;
        Arc::ptr_eq(guard.table(), table).then(|| guard.clone())
    })
}
