//! Entries 9 to 23 and 41: tuples, the values that go into and come out of rows.

use super::handle::{Fail, Idle, MISUSED, Outcome, Pooled, entry, object};
use super::value::{self, MISMATCH, Stored, StoredInt};
use crate::bindings::{
    IB_SQL_NULL, ib_bool_t, ib_col_attr, ib_col_meta_t, ib_col_type, ib_crsr_t, ib_err, ib_tpl_t, ib_tuple, ib_ulint_t,
};
use crate::boundary::{Handle, from_handle, guard, into_handle};
use crate::refengine::codec::{self, Field, Tail};
use crate::refengine::error::Result;
use crate::refengine::shape::{ColumnCode, Shape};
use crate::refengine::storage::Slice;
use crate::refengine::table::Table;
use crate::refengine::types::{ColumnDef, ColumnType, TableDef};
use std::borrow::Cow;
use std::cell::RefCell;
use std::os::raw::c_void;
use std::sync::Arc;
use std::thread::LocalKey;

/// Bytes of InnoDB's system columns behind a row's own: row id, transaction id, roll pointer. They are always NULL here.
const SYSTEM_COLUMNS: [u32; 3] = [6, 6, 7];
/// Memory a tuple keeps for its next use.
const KEPT_BYTES: usize = 64 << 10;

/// Where a column's bytes are.
#[derive(Clone, Copy)]
enum Slot {
    Null,
    /// In `row`.
    Row {
        start: usize,
        end: usize,
    },
    Int(StoredInt),
    /// In `own`; `room` bytes may be used.
    Own {
        start: usize,
        len: usize,
        room: usize,
    },
    /// In the caller's memory, which outlives the tuple's use.
    Foreign {
        start: *const u8,
        len: usize,
    },
}

/// A row tuple, or a search tuple of an index's columns. It may outlive the cursor that it was made from: it serves every table of the
/// same shape.
#[derive(Default)]
pub(crate) struct Tuple {
    shape: Option<Arc<Shape>>,
    /// `None`: a row tuple. Otherwise the index, 0 = primary key.
    index: Option<usize>,
    row: Option<Slice>,
    /// Every column is where `row` has it, and `slots` say nothing but how many there are.
    whole: bool,
    slots: Vec<Slot>,
    own: Vec<u8>,
}

impl Handle for ib_tuple {
    type Object = Tuple;
}

thread_local! {
    static IDLE: Idle<Tuple> = const { RefCell::new(Vec::new()) };
}

impl Pooled for Tuple {
    fn idle() -> &'static LocalKey<Idle<Tuple>> {
        &IDLE
    }

    fn clear(&mut self) {
        self.shape = None;
        self.row = None;
        self.whole = false;
        self.slots.clear();
        self.own.clear();
        self.own.shrink_to(KEPT_BYTES);
    }
}

impl Tuple {
    fn create(table: &Arc<Table>, index: Option<usize>) -> Box<Tuple> {
        let mut tuple = Tuple::take();
        let columns = index.map_or(table.def().columns.len(), |i| codec::index_columns(table.def(), i).len());
        tuple.shape = Some(table.shape().clone());
        tuple.index = index;
        tuple.slots.resize(columns, Slot::Null);
        tuple
    }

    /// The number in the table of the column at a place.
    #[inline]
    fn number(&self, at: usize) -> Option<usize> {
        match self.index {
            None => Some(at),
            Some(index) => codec::index_columns(self.shape.as_ref()?.def(), index).get(at).copied(),
        }
    }

    fn code(&self, at: usize) -> Option<&ColumnCode> {
        self.shape.as_ref()?.codes().get(self.number(at)?)
    }

    fn column(&self, at: usize) -> Option<&ColumnDef> {
        self.shape.as_ref()?.def().columns.get(self.number(at)?)
    }

    /// The bytes of a column, `None` for NULL.
    #[inline]
    pub(super) fn bytes(&self, at: usize) -> Option<&[u8]> {
        if self.whole {
            return codec::bytes(self.row.as_deref()?, self.slots.len(), at);
        }
        match self.slots.get(at)? {
            Slot::Null => None,
            Slot::Row { start, end } => self.row.as_ref()?.get(*start..*end),
            Slot::Int(stored) => Some(stored.bytes()),
            Slot::Own { start, len, .. } => self.own.get(*start..*start + *len),
            // SAFETY: set with copy = 0, by which the caller promised that the bytes outlive the tuple's use.
            Slot::Foreign { start, len } => Some(unsafe { std::slice::from_raw_parts(*start, *len) }),
        }
    }

    /// Gives every column a slot of its own, so that one can be changed.
    fn spread(&mut self) {
        if !self.whole {
            return;
        }
        self.whole = false;
        let fields = codec::fields(self.row.as_deref().unwrap_or_default(), self.slots.len());
        for (slot, field) in self.slots.iter_mut().zip(fields) {
            *slot = match field {
                Field::At(range) => Slot::Row { start: range.start, end: range.end },
                Field::Null => Slot::Null,
            };
        }
    }

    /// Whether this is a tuple for rows of `table`.
    pub(super) fn is_row_of(&self, table: &Arc<Table>) -> bool {
        self.index.is_none() && self.has_shape_of(table)
    }

    fn has_shape_of(&self, table: &Table) -> bool {
        self.shape.as_ref().is_some_and(|own| Arc::ptr_eq(own, table.shape()))
    }

    /// The bytes of part `at` of a key of `index`, from a search tuple of that index or a row tuple of the table.
    pub(super) fn key_part(
        &self,
        table: &Arc<Table>,
        index: usize,
        at: usize,
    ) -> std::result::Result<Option<&[u8]>, Fail> {
        if !self.has_shape_of(table) {
            return Err(MISMATCH);
        }
        match self.index {
            Some(own) if own == index => Ok(self.bytes(at)),
            Some(_) => Err(MISMATCH),
            None => Ok(codec::index_columns(table.def(), index).get(at).and_then(|column| self.bytes(*column))),
        }
    }

    /// Writes the primary key that a row tuple has to `out`, which is cleared first.
    pub(super) fn primary_key(&self, out: &mut Vec<u8>, def: &TableDef) {
        out.clear();
        out.push(0);
        for (at, column) in def.primary_key.iter().enumerate() {
            codec::push_key_part(out, def, 0, at, self.bytes(*column), Tail::Complete);
        }
    }

    /// Takes a row of the tuple's table.
    pub(super) fn load(&mut self, row: Slice) {
        self.own.clear();
        self.row = Some(row);
        self.whole = true;
    }

    /// Whether it is exactly what [`Tuple::load`] took from this row.
    pub(super) fn is_whole(&self, row: &[u8]) -> bool {
        self.whole && self.row.as_ref().is_some_and(|own| std::ptr::eq(&**own, row))
    }

    /// The tuple as a row.
    pub(super) fn encode(&self, out: &mut Vec<u8>) -> Result<()> {
        codec::encode_row(out, (0..self.slots.len()).map(|i| self.bytes(i)))
    }

    /// Gives NOT NULL columns without a value their defaults, as [`ib_col_attr::IB_COL_FILLED`] promises.
    pub(super) fn fill_defaults(&mut self) -> Outcome {
        for at in 0..self.slots.len() {
            let filled = self.code(at).is_some_and(|code| code.attr & ib_col_attr::IB_COL_FILLED != 0);
            if !filled || self.bytes(at).is_some() {
                continue;
            }
            let Some(column) = self.column(at) else { continue };
            let default = column.default.as_ref().map(|value| codec::encode_value(column, value));
            if let Some(bytes) = default.transpose()?.flatten() {
                self.spread();
                let slot = self.store(None, &bytes);
                self.slots[at] = slot;
            }
        }
        Ok(())
    }

    /// Refuses NULL where the table does.
    pub(super) fn check_nulls(&self) -> Outcome {
        let codes = self.shape.as_ref().ok_or(MISUSED)?.codes();
        let mut columns = codes.iter().enumerate();
        match columns.any(|(i, code)| code.attr & ib_col_attr::IB_COL_NOT_NULL != 0 && self.bytes(i).is_none()) {
            true => Err(Fail(ib_err::IB_INVALID_NULL)),
            false => Ok(()),
        }
    }

    fn set(&mut self, at: usize, src: &[u8], copy: bool) -> Outcome {
        self.spread();
        let column = self.column(at).ok_or(MISMATCH)?;
        let slot = match value::stored(column, src)? {
            Stored::Int(stored) => Slot::Int(stored),
            Stored::Bytes { stored: Cow::Borrowed(stored), .. } if !copy => {
                Slot::Foreign { start: stored.as_ptr(), len: stored.len() }
            }
            Stored::Bytes { stored, .. } => {
                let before = self.slots.get(at).copied();
                self.store(before, &stored)
            }
        };
        *self.slots.get_mut(at).ok_or(MISMATCH)? = slot;
        Ok(())
    }

    fn set_null(&mut self, at: usize) -> Outcome {
        self.spread();
        *self.slots.get_mut(at).ok_or(MISMATCH)? = Slot::Null;
        Ok(())
    }

    /// Puts bytes into `own`, where the column had its bytes before if there is room: a kept search tuple must not grow.
    fn store(&mut self, before: Option<Slot>, bytes: &[u8]) -> Slot {
        if let Some(Slot::Own { start, room, .. }) = before {
            if start + room == self.own.len() {
                self.own.truncate(start);
            } else if bytes.len() <= room
                && let Some(place) = self.own.get_mut(start..start + bytes.len())
            {
                place.copy_from_slice(bytes);
                return Slot::Own { start, len: bytes.len(), room };
            }
        }
        let start = self.own.len();
        self.own.extend_from_slice(bytes);
        Slot::Own { start, len: bytes.len(), room: bytes.len() }
    }

    fn meta(&self, at: usize) -> Option<ib_col_meta_t> {
        let system = |bytes| ib_col_meta_t {
            type_: ib_col_type::IB_SYS,
            attr: ib_col_attr::IB_COL_NONE,
            type_len: bytes,
            client_type: 0,
            charset: std::ptr::null_mut(),
        };
        match self.code(at) {
            Some(ColumnCode { kind, attr, bytes, .. }) => Some(ib_col_meta_t {
                type_: *kind,
                attr: *attr,
                type_len: *bytes,
                client_type: 0,
                charset: std::ptr::null_mut(),
            }),
            None if self.index.is_none() => SYSTEM_COLUMNS.get(at.checked_sub(self.slots.len())?).copied().map(system),
            None => None,
        }
    }
}

/// # Safety
/// `crsr` is NULL or a handle, as for `object`.
unsafe fn create(crsr: ib_crsr_t, search: bool) -> ib_tpl_t {
    // SAFETY: the caller's handle.
    let Ok(cursor) = (unsafe { object(crsr) }) else { return std::ptr::null_mut() };
    match cursor.guard() {
        Ok(guard) => into_handle(Tuple::create(guard.table(), search.then_some(cursor.index()))),
        Err(_) => std::ptr::null_mut(),
    }
}

pub(super) unsafe extern "C" fn sec_search_tuple_create(crsr: ib_crsr_t) -> ib_tpl_t {
    // SAFETY: the caller's handle.
    guard(std::ptr::null_mut(), || unsafe { create(crsr, true) })
}

pub(super) unsafe extern "C" fn clust_read_tuple_create(crsr: ib_crsr_t) -> ib_tpl_t {
    // SAFETY: the caller's handle.
    guard(std::ptr::null_mut(), || unsafe { create(crsr, false) })
}

pub(super) unsafe extern "C" fn tuple_delete(tpl: ib_tpl_t) {
    guard((), || {
        // SAFETY: the caller's handle, which is dead after this call.
        if let Some(tuple) = unsafe { from_handle(tpl) } {
            Tuple::give(tuple);
        }
    })
}

/// # Safety
/// `tpl` is NULL or a handle, as for `object`; `out` is NULL or the caller's output.
unsafe fn read_int<T>(tpl: ib_tpl_t, col: ib_ulint_t, out: *mut T, signed: bool, value: fn(u64) -> T) -> Outcome {
    // SAFETY: the caller's handle.
    let tuple = unsafe { object(tpl) }?;
    let at = col as usize;
    let fits = match tuple.column(at).map(|column| &column.ty) {
        Some(ColumnType::Int { bytes, unsigned }) => usize::from(*bytes) == size_of::<T>() && *unsigned != signed,
        Some(ColumnType::Enum { values }) => usize::from(codec::enum_bytes(values)) == size_of::<T>() && !signed,
        _ => false,
    };
    let stored = tuple.bytes(at).filter(|_| fits).ok_or(MISMATCH)?;
    if out.is_null() {
        return Err(MISUSED);
    }
    let bits = if signed { codec::decode_int(stored) as u64 } else { codec::decode_uint(stored) };
    // SAFETY: not NULL, and the caller's to write.
    unsafe { *out = value(bits) };
    Ok(())
}

macro_rules! read_entries {
    ($($name:ident: $ty:ty, $signed:literal;)*) => {$(
        entry! {
            fn $name(tpl: ib_tpl_t, col: ib_ulint_t, out: *mut $ty) {
                // SAFETY: the caller's handle and output.
                unsafe { read_int(tpl, col, out, $signed, |bits| bits as $ty) }
            }
        }
    )*};
}

read_entries! {
    tuple_read_u8: u8, false;
    tuple_read_u16: u16, false;
    tuple_read_u32: u32, false;
    tuple_read_u64: u64, false;
    tuple_read_i8: i8, true;
    tuple_read_i16: i16, true;
    tuple_read_i32: i32, true;
    tuple_read_i64: i64, true;
}

pub(super) unsafe extern "C" fn tuple_get_n_cols(tpl: ib_tpl_t) -> ib_ulint_t {
    guard(0, || {
        // SAFETY: the caller's handle.
        match unsafe { object(tpl) } {
            Ok(tuple) if tuple.index.is_none() => (tuple.slots.len() + SYSTEM_COLUMNS.len()) as ib_ulint_t,
            Ok(tuple) => tuple.slots.len() as ib_ulint_t,
            Err(_) => 0,
        }
    })
}

pub(super) unsafe extern "C" fn tuple_get_n_user_cols(tpl: ib_tpl_t) -> ib_ulint_t {
    guard(0, || {
        // SAFETY: the caller's handle.
        unsafe { object(tpl) }.map_or(0, |tuple| tuple.slots.len() as ib_ulint_t)
    })
}

entry! {
    fn col_set_value(tpl: ib_tpl_t, col: ib_ulint_t, src: *const c_void, len: ib_ulint_t, copy: ib_bool_t) {
        // SAFETY: the caller's handle.
        let tuple = unsafe { object(tpl) }?;
        let at = col as usize;
        if len == ib_ulint_t::from(IB_SQL_NULL) {
            return tuple.set_null(at);
        }
        // SAFETY: `len` bytes at `src` by the table's contract.
        let bytes = unsafe { value::bytes(src, len) }?;
        tuple.set(at, bytes, copy != 0)
    }
}

pub(super) unsafe extern "C" fn col_get_value(tpl: ib_tpl_t, col: ib_ulint_t) -> *const c_void {
    guard(std::ptr::null(), || {
        // SAFETY: the caller's handle.
        match unsafe { object(tpl) } {
            Ok(tuple) => tuple.bytes(col as usize).map_or(std::ptr::null(), |bytes| bytes.as_ptr().cast()),
            Err(_) => std::ptr::null(),
        }
    })
}

pub(super) unsafe extern "C" fn col_get_meta(tpl: ib_tpl_t, col: ib_ulint_t, out: *mut ib_col_meta_t) -> ib_ulint_t {
    let null = ib_ulint_t::from(IB_SQL_NULL);
    guard(null, || {
        // SAFETY: the caller's handle.
        let Ok(tuple) = (unsafe { object(tpl) }) else { return null };
        let Some(meta) = tuple.meta(col as usize) else { return null };
        if !out.is_null() {
            // SAFETY: the caller's output.
            unsafe { *out = meta };
        }
        tuple.bytes(col as usize).map_or(null, |bytes| bytes.len() as ib_ulint_t)
    })
}
