//! What a statement holds in memory beside the changes of its transaction: results of functions, rows that it sorts, groups or is about to
//! change. Where that is too much the statement fails, and the process lives.
//!
//! A statement runs on one thread, so the sum is that thread's. Who lets go of something gives it back by going back to an earlier
//! sum; what nobody gives back counts until the statement ends.

use super::datum::Datum;
use super::error::{Result, SqlError};
use crate::refengine::codes;
use crate::refengine::types::Value;
use std::cell::Cell;

/// Bytes that a statement may hold.
const STATEMENT_MAX: usize = 1 << 30;

thread_local! {
    static HELD: Cell<usize> = const { Cell::new(0) };
}

/// What is held now; [`give_back`] takes it.
pub fn held() -> usize {
    HELD.get()
}

/// Goes back to an earlier sum.
pub fn give_back(before: usize) {
    HELD.set(before);
}

/// Counts bytes.
///
/// # Errors
/// 1038 where the statement would hold too much.
pub fn take(bytes: usize) -> Result<()> {
    let held = HELD.get().saturating_add(bytes);
    if held > STATEMENT_MAX {
        return Err(too_much(STATEMENT_MAX));
    }
    HELD.set(held);
    Ok(())
}

/// 1038, for what may hold so many bytes.
pub fn too_much(most: usize) -> SqlError {
    let text = format!("Out of memory: this needs more than {} MiB; limit its rows or split it", most >> 20);
    SqlError::new(codes::ER_OUT_OF_SORTMEMORY, text)
}

/// Bytes of a value.
pub fn of_datum(value: &Datum) -> usize {
    let bytes = match value {
        Datum::Bytes(bytes) | Datum::Hex(bytes) => bytes.len(),
        _ => 0,
    };
    size_of::<Datum>() + bytes
}

/// Bytes of a row.
pub fn of_row(row: &[Value]) -> usize {
    let of = |value: &Value| match value {
        Value::Bytes(bytes) => bytes.len(),
        _ => 0,
    };
    size_of_val(row) + row.iter().map(of).sum::<usize>()
}
