//! A value on its way from who wrote it to all who keep it.

use super::Slice;

/// Values from here on are shared by those who keep them, instead of being copied.
pub(crate) const LARGE: usize = 2048;

/// The new value of a key.
#[derive(Clone, Copy)]
pub(crate) enum Value<'a> {
    /// There is none any more.
    Deleted,
    /// Less than [`LARGE`] bytes, which are copied.
    Small(&'a [u8]),
    /// At least [`LARGE`] bytes, which are shared.
    Large(&'a Slice),
}

impl<'a> Value<'a> {
    /// `None`: deleted.
    pub(crate) fn of(value: Option<&'a Slice>) -> Value<'a> {
        match value {
            None => Value::Deleted,
            Some(value) if value.len() >= LARGE => Value::Large(value),
            Some(value) => Value::Small(value),
        }
    }

    /// Hands `f` the value that these bytes are; `None`: deleted. Small ones are copied by whoever keeps them, and not before.
    pub(crate) fn lend<T>(bytes: Option<&[u8]>, f: impl FnOnce(Value<'_>) -> T) -> T {
        match bytes {
            None => f(Value::Deleted),
            Some(bytes) if bytes.len() < LARGE => f(Value::Small(bytes)),
            Some(bytes) => f(Value::Large(&Slice::new(bytes))),
        }
    }

    /// Its bytes, unless it was deleted.
    #[inline]
    pub(crate) fn bytes(self) -> Option<&'a [u8]> {
        match self {
            Value::Deleted => None,
            Value::Small(bytes) => Some(bytes),
            Value::Large(slice) => Some(slice),
        }
    }

    /// The value to keep.
    pub(crate) fn slice(self) -> Option<Slice> {
        match self {
            Value::Deleted => None,
            Value::Small(bytes) => Some(Slice::new(bytes)),
            Value::Large(slice) => Some(slice.clone()),
        }
    }
}
