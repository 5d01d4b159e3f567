//! Values as C hands them over, and as the columns of a table store them.

use super::handle::{Fail, MISUSED};
use crate::bindings::{ib_err, ib_ulint_t};
use crate::refengine::codec;
use crate::refengine::types::{ColumnDef, ColumnType};
use std::borrow::Cow;
use std::os::raw::c_void;

/// The value is none of its column's type, or the handle is none of this table.
pub(super) const MISMATCH: Fail = Fail(ib_err::IB_DATA_MISMATCH);

/// An integer or the number of an ENUM as it is stored.
#[derive(Clone, Copy)]
pub(super) struct StoredInt {
    bytes: [u8; 8],
    len: u8,
}

impl StoredInt {
    #[inline]
    pub(super) fn bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }
}

/// A value as a column stores it.
pub(super) enum Stored<'a> {
    Int(StoredInt),
    Bytes {
        stored: Cow<'a, [u8]>,
        /// Whether there was more of it than the column holds.
        cut: bool,
    },
}

/// What a column stores of a value in the format of `col_set_value`.
#[inline]
pub(super) fn stored<'a>(column: &ColumnDef, src: &'a [u8]) -> Result<Stored<'a>, Fail> {
    match &column.ty {
        ColumnType::Int { bytes, unsigned } => from_native(src, *bytes, !unsigned).map(Stored::Int),
        ColumnType::Enum { values } => {
            let number = from_native(src, codec::enum_bytes(values), false)?;
            if codec::decode_uint(number.bytes()) > values.len() as u64 {
                return Err(MISMATCH);
            }
            Ok(Stored::Int(number))
        }
        _ => {
            let fitted = codec::fit(column, src);
            Ok(Stored::Bytes { stored: fitted.stored, cut: fitted.cut })
        }
    }
}

/// A native integer in InnoDB's format.
fn from_native(src: &[u8], len: u8, signed: bool) -> Result<StoredInt, Fail> {
    if src.len() != usize::from(len) {
        return Err(MISMATCH);
    }
    let mut bytes = [0; 8];
    match *src {
        [a] => bytes[0] = a,
        [a, b] => bytes[..2].copy_from_slice(&u16::from_ne_bytes([a, b]).to_be_bytes()),
        [a, b, c] if cfg!(target_endian = "little") => bytes[..3].copy_from_slice(&[c, b, a]),
        [a, b, c] => bytes[..3].copy_from_slice(&[a, b, c]),
        [a, b, c, d] => bytes[..4].copy_from_slice(&u32::from_ne_bytes([a, b, c, d]).to_be_bytes()),
        [a, b, c, d, e, f, g, h] => bytes = u64::from_ne_bytes([a, b, c, d, e, f, g, h]).to_be_bytes(),
        _ => return Err(MISMATCH),
    }
    if signed {
        bytes[0] ^= 0x80;
    }
    Ok(StoredInt { bytes, len })
}

/// The bytes that C hands over.
///
/// # Safety
/// `data` is NULL or has `len` bytes, which stay as they are as long as the slice is used.
#[inline]
pub(super) unsafe fn bytes<'a>(data: *const c_void, len: ib_ulint_t) -> Result<&'a [u8], Fail> {
    match (data.is_null(), len) {
        (true, 0) => Ok(&[]),
        (true, _) => Err(MISUSED),
        // SAFETY: the caller's promise.
        (false, _) => Ok(unsafe { std::slice::from_raw_parts(data.cast::<u8>(), len as usize) }),
    }
}
