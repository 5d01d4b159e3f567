//! The callback table: whether it is usable, what the host has set, and what its codes mean.

use crate::bindings::{IB_CB_ENTRIES, ib_cb_changes_t, ib_cb_sized_t, ib_cb_t, ib_cfg, ib_err};
use crate::rows::{Error, Result, TableSize};
use std::ffi::{CStr, c_int, c_void};
use std::fmt;
use std::ptr::NonNull;
use std::sync::atomic::AtomicU64;

/// The callback table, complete and valid while the daemon runs.
#[derive(Clone, Copy)]
pub struct Api(pub(super) NonNull<ib_cb_t>);

// SAFETY: the table is constant after `Api::new`, and its functions may be called from any thread; handles, not the
// table, are bound to threads.
unsafe impl Send for Api {}
// SAFETY: as above.
unsafe impl Sync for Api {}

/// Calls an entry of the table. Wrap in `unsafe` with the reason why the arguments are valid.
macro_rules! ib {
    ($api:expr, $entry:ident($($arg:expr),*)) => {
        // `Api::new` has checked that no entry is null.
        ((*$api.0.as_ptr()).$entry.unwrap_unchecked())($($arg),*)
    };
}

/// Calls an entry behind the table. Wrap in `unsafe` with the reason why the arguments are valid, and why there is one.
macro_rules! ibf {
    ($api:expr, $entry:ident($($arg:expr),*)) => {
        // A host with `IB_CFG_FIELDS` promises all of them.
        match (*$api.0.as_ptr().cast::<$crate::bindings::ib_cb_fields_t>()).$entry {
            Some(entry) => entry($($arg),*),
            None => $crate::bindings::ib_err::IB_DATA_MISMATCH,
        }
    };
}

pub(super) use {ib, ibf};

/// A host's callback table cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ApiError {
    /// There is none.
    Missing,
    /// It has so many entries, and another number was expected.
    Length(usize),
    /// This entry, counted from 0, is null.
    Null(usize),
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ApiError::Missing => f.write_str("the host handed over no InnoDB API table"),
            ApiError::Length(entries) => {
                write!(f, "the InnoDB API table has {entries} entries instead of {IB_CB_ENTRIES}")
            }
            ApiError::Null(entry) => write!(f, "entry {entry} of the InnoDB API table is null"),
        }
    }
}

impl std::error::Error for ApiError {}

impl Api {
    /// Takes a table of `entries` function pointers.
    ///
    /// # Errors
    /// A table of another length than [`IB_CB_ENTRIES`], or one with a null entry (named by number).
    ///
    /// # Safety
    /// `table` points to `entries` function pointers in the layout of `innodb_api.h`, which stay
    /// valid until the last use of the returned value and its copies.
    pub unsafe fn new(table: *const ib_cb_t, entries: usize) -> std::result::Result<Api, ApiError> {
        let Some(api) = NonNull::new(table.cast_mut()) else {
            return Err(ApiError::Missing);
        };
        if entries != IB_CB_ENTRIES as usize {
            return Err(ApiError::Length(entries));
        }
        // SAFETY: the caller promises `entries` readable pointers.
        let slots = unsafe { std::slice::from_raw_parts(table.cast::<*const c_void>(), entries) };
        slots.iter().position(|slot| slot.is_null()).map_or(Ok(Api(api)), |i| Err(ApiError::Null(i)))
    }

    /// The host's `innodb_api_trx_level`.
    pub fn trx_level(self) -> u8 {
        // SAFETY: takes no argument.
        unsafe { ib!(self, cfg_trx_level()) }.min(3) as u8
    }

    /// The host's `innodb_api_bk_commit_interval` in seconds, at least 1.
    pub fn commit_interval(self) -> i64 {
        // SAFETY: takes no argument.
        i64::try_from(unsafe { ib!(self, bk_commit_interval()) }).unwrap_or(i64::MAX).max(1)
    }

    /// Whether the host has set this bit.
    fn has(self, bit: ib_cfg::Type) -> bool {
        // SAFETY: takes no argument.
        unsafe { ib!(self, get_cfg()) & bit as c_int != 0 }
    }

    /// Whether rows are locked before they are changed (`innodb_api_disable_rowlock` is off).
    pub fn row_locks(self) -> bool {
        !self.has(ib_cfg::IB_CFG_DISABLE_ROWLOCK)
    }

    /// Whether tuples outlive the cursors that they were made from (`IB_CFG_LASTING_TUPLES`).
    pub fn lasting_tuples(self) -> bool {
        self.has(ib_cfg::IB_CFG_LASTING_TUPLES)
    }

    /// Whether the table goes on behind its canonical end (`IB_CFG_FIELDS`).
    pub fn has_fields(self) -> bool {
        self.has(ib_cfg::IB_CFG_FIELDS)
    }

    /// How large a table is; `None` where the host does not say (`IB_CFG_TABLE_SIZES`).
    pub fn size(self, path: &CStr) -> Result<Option<TableSize>> {
        if !self.has(ib_cfg::IB_CFG_TABLE_SIZES) {
            return Ok(None);
        }
        // SAFETY: with that bit the table is the beginning of the larger one.
        let entry = unsafe { (*self.0.as_ptr().cast::<ib_cb_sized_t>()).table_size };
        let Some(table_size) = entry else { return Ok(None) };
        let mut size = TableSize::default();
        // SAFETY: `path` is NUL-terminated, the numbers are writable.
        let code = unsafe { table_size(path.as_ptr(), &mut size.rows, &mut size.bytes) };
        self.check_named(code, path)?;
        Ok(Some(size))
    }

    /// What grows when rows of a table have changed otherwise than through the callback table; `None` where the host does not say
    /// (`IB_CFG_TABLE_CHANGES`). It stays as long as the host serves the plugin.
    pub fn changes(self, path: &CStr) -> Option<&'static AtomicU64> {
        let says = self.has(ib_cfg::IB_CFG_TABLE_CHANGES);
        // SAFETY: with that bit the table is the beginning of the larger one, `path` is NUL-terminated, and the host promises that the
        // number stays until its engine is closed, which is after the plugin has ended.
        unsafe {
            let table_changes = says.then(|| (*self.0.as_ptr().cast::<ib_cb_changes_t>()).table_changes)??;
            table_changes(path.as_ptr()).cast::<AtomicU64>().as_ref()
        }
    }

    /// TRUNCATE TABLE.
    pub fn truncate(self, path: &CStr) -> Result<()> {
        let mut id = 0;
        // SAFETY: `path` is NUL-terminated, `id` is writable.
        let code = unsafe { ib!(self, table_truncate(path.as_ptr(), &mut id)) };
        self.check_named(code, path)
    }

    pub(super) fn check(self, code: ib_err::Type) -> Result<()> {
        match code {
            ib_err::IB_SUCCESS | ib_err::IB_SUCCESS_LOCKED_REC => Ok(()),
            code => Err(self.error(code)),
        }
    }

    pub(super) fn check_named(self, code: ib_err::Type, name: &CStr) -> Result<()> {
        match code {
            ib_err::IB_TABLE_NOT_FOUND | ib_err::IB_NOT_FOUND => {
                Err(Error::NotFound(name.to_string_lossy().into_owned()))
            }
            code => self.check(code),
        }
    }

    /// `Ok(false)` for the three codes that mean "no such row".
    #[inline]
    pub(super) fn check_found(self, code: ib_err::Type) -> Result<bool> {
        match code {
            ib_err::IB_SUCCESS | ib_err::IB_SUCCESS_LOCKED_REC => Ok(true),
            ib_err::IB_RECORD_NOT_FOUND | ib_err::IB_END_OF_INDEX | ib_err::IB_NOT_FOUND => Ok(false),
            code => Err(self.error(code)),
        }
    }

    #[cold]
    fn error(self, code: ib_err::Type) -> Error {
        // SAFETY: any code is allowed; the answer is a static string or null.
        let text = unsafe { ib!(self, ut_strerr(code)) };
        let text = if text.is_null() {
            format!("InnoDB API error {code}")
        } else {
            // SAFETY: not null, a static NUL-terminated string.
            unsafe { CStr::from_ptr(text) }.to_string_lossy().to_lowercase()
        };
        match code {
            ib_err::IB_DUPLICATE_KEY => Error::Duplicate,
            ib_err::IB_DEADLOCK | ib_err::IB_ROLLBACK => Error::Deadlock,
            ib_err::IB_LOCK_WAIT | ib_err::IB_LOCK_WAIT_TIMEOUT => Error::LockTimeout,
            ib_err::IB_INVALID_NULL | ib_err::IB_NO_REFERENCED_ROW | ib_err::IB_ROW_IS_REFERENCED => {
                Error::Constraint(text)
            }
            ib_err::IB_INTERRUPTED => Error::Interrupted,
            ib_err::IB_READ_ONLY => Error::ReadOnly,
            ib_err::IB_OUT_OF_FILE_SPACE => Error::DiskFull,
            ib_err::IB_TOO_MANY_CONCURRENT_TRXS => Error::Refused(text),
            ib_err::IB_TOO_BIG_RECORD => Error::TooLong("(the whole row)".into()),
            _ => Error::Engine(text),
        }
    }
}
