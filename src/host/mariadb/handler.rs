//! Rows through the server's handlers: what a SELECT by key does below SQL.
//!
//! All of it happens on the thread's own `THD`, whose statement is told to be a SELECT. A table is opened with its metadata lock, locked
//! for reading, asked by index, and everything is given back together; in between no statement runs on the thread. Between two
//! transactions it may stay open with its metadata lock, as under LOCK TABLES: InnoDB's part of the lock is given back, and with it
//! the view, and is taken anew by the next read.

use super::functions::functions;
use super::layout::{self, Layout, peek};
use crate::host::HostError;
use crate::rows::handler::{Form, Handlers, Opened, length};
use crate::rows::{Error, Result};
use std::ffi::{CStr, CString, c_char, c_int, c_uint, c_ulong, c_void};
use std::ptr;

/// Numbers of the server's enumerations.
const MDL_TABLE: c_int = 2;
const MDL_SHARED_READ: c_int = 3;
const MDL_TRANSACTION: c_int = 1;
const TL_READ: c_int = 2;
const SQLCOM_SELECT: c_int = 0;
const READ_KEY_EXACT: c_int = 0;
const KEEP_PREALLOCATED: c_ulong = 1;

/// A handler's errors.
const KEY_NOT_FOUND: c_int = 120;
const END_OF_FILE: c_int = 137;
const LOCK_WAIT_TIMEOUT: c_int = 146;
const LOCK_DEADLOCK: c_int = 149;
const NO_SUCH_TABLE: c_int = 155;
const TABLE_CHANGED: c_int = 159;

/// `ER_LOCK_WAIT_TIMEOUT`, `ER_NO_SUCH_TABLE`.
const LOCK_WAIT_TIMEOUT_SQL: c_int = 1205;
const NO_SUCH_TABLE_SQL: c_int = 1146;

/// Room for an `Open_table_context`, in words.
const CONTEXT_WORDS: usize = 64;

/// Tables that a thread has open at a time.
const OPEN_MAX: usize = 64;

functions! {
    open_table: c"_Z10open_tableP3THDP10TABLE_LISTP18Open_table_context" (*mut c_void, *mut u8, *mut c_void) -> bool;
    open_context: c"_ZN18Open_table_contextC1EP3THDj" (*mut c_void, *mut c_void, c_uint);
    init_request: c"_ZN11MDL_request16init_with_sourceEN7MDL_key18enum_mdl_namespaceEPKcS3_13enum_mdl_type17enum_mdl_durationS3_j"
        (*mut u8, c_int, *const c_char, *const c_char, c_int, c_int, *const c_char, c_uint);
    lock_tables: c"_Z17mysql_lock_tablesP3THDPP5TABLEjj" (*mut c_void, *mut *mut u8, c_uint, c_uint) -> *mut c_void;
    unlock_tables: c"_Z19mysql_unlock_tablesP3THDP13st_mysql_lock" (*mut c_void, *mut c_void) -> c_int;
    read_by_index: c"_ZN7handler21ha_index_read_idx_mapEPhjPKhm16ha_rkey_function"
        (*mut u8, *mut u8, c_uint, *const u8, c_ulong, c_int) -> c_int;
    commit_statement: c"_Z17trans_commit_stmtP3THD" (*mut c_void) -> bool;
    close_tables: c"_Z19close_thread_tablesP3THD" (*mut c_void) -> c_int;
    release_locks: c"_ZN3THD27release_transactional_locksEv" (*mut c_void);
    free_root: c"free_root" (*mut u8, c_ulong);
    sql_command: c"thd_sql_command" (*const c_void) -> c_int;
    error_number: c"thd_get_error_number" (*const c_void) -> c_uint;
}

/// A table of this thread, until everything is closed.
struct Table {
    table: *mut u8,
    /// Null while it is not locked.
    lock: *mut c_void,
    // The server keeps pointers to these as long as the table is open.
    _list: Box<[u64]>,
    names: (CString, CString),
}

/// The handlers as one thread uses them.
pub struct ThreadHandlers {
    thd: *mut c_void,
    layout: &'static Layout,
    functions: Functions,
    tables: Vec<Table>,
    /// Whether the layout was found to be this server's by reading rows: until then nothing is followed that cannot be read.
    trusted: bool,
    /// A call failed and left its error behind: the thread needs a new `THD`.
    spoilt: bool,
}

impl ThreadHandlers {
    /// For a thread whose `THD` outlives this.
    ///
    /// # Errors
    /// There is no row for this release, a function is missing, or the row does not fit.
    pub fn new(thd: *mut c_void, version: i32, trusted: bool) -> std::result::Result<ThreadHandlers, HostError> {
        let Some(layout) = layout::of(version) else {
            return Err(HostError::Layout("the daemon does not know the inside of this release"));
        };
        let functions = Functions::find()?;
        let handlers = ThreadHandlers { thd, layout, functions, tables: Vec::new(), trusted, spoilt: false };
        handlers.check_command()?;
        Ok(handlers)
    }

    /// See `spoilt`.
    pub fn is_spoilt(&self) -> bool {
        self.spoilt
    }

    /// Compares what the accessor of the plugin API says with what the layout says.
    fn check_command(&self) -> std::result::Result<(), HostError> {
        let lex = peek::<usize>(self.thd.cast(), self.layout.thd_lex).unwrap_or(0);
        let command = peek::<c_int>(ptr::with_exposed_provenance(lex), self.layout.lex_command);
        // SAFETY: the plugin API's function and a `THD` that lives.
        if command == Some(unsafe { (self.functions.sql_command)(self.thd) }) {
            Ok(())
        } else {
            Err(HostError::Layout("this server's THD is not as the daemon knows it"))
        }
    }

    /// # Safety
    /// The layout is this server's.
    unsafe fn be_select(&self) {
        // SAFETY: the caller's promise, checked by `check_command`.
        unsafe {
            let lex = at::<*mut u8>(self.thd.cast(), self.layout.thd_lex);
            lex.add(self.layout.lex_command).cast::<c_int>().write(SQLCOM_SELECT);
        }
    }

    /// Opens a table with its metadata lock.
    ///
    /// # Safety
    /// The layout is this server's.
    unsafe fn open_raw(&mut self, path: &CStr) -> Result<Table> {
        let text = path.to_string_lossy();
        let (db, name) = text.split_once('/').unwrap_or(("", &text));
        let (Ok(db), Ok(name)) = (CString::new(db), CString::new(name)) else {
            return Err(Error::NotFound(text.into_owned()));
        };
        let (layout, functions) = (self.layout, &self.functions);
        let mut list = vec![0u64; layout.list_size.div_ceil(8)].into_boxed_slice();
        let mut context = [0u64; CONTEXT_WORDS];
        let raw = list.as_mut_ptr().cast::<u8>();
        // SAFETY: the caller's promise; the names and the list live as long as the table is open.
        unsafe {
            for (offset, text) in [(layout.list_db, &db), (layout.list_name, &name), (layout.list_alias, &name)] {
                raw.add(offset).cast::<*const c_char>().write(text.as_ptr());
                raw.add(offset + size_of::<usize>()).cast::<usize>().write(text.count_bytes());
            }
            raw.add(layout.list_lock).cast::<c_int>().write(TL_READ);
            (functions.init_request)(
                raw.add(layout.list_mdl),
                MDL_TABLE,
                db.as_ptr(),
                name.as_ptr(),
                MDL_SHARED_READ,
                MDL_TRANSACTION,
                c"daemon_memcached".as_ptr(),
                0,
            );
            (functions.open_context)(context.as_mut_ptr().cast(), self.thd, 0);
            if (functions.open_table)(self.thd, raw, context.as_mut_ptr().cast()) {
                return Err(self.failed(&name));
            }
        }
        let Some(table) = self.believable(raw) else {
            self.spoilt = true;
            // Nobody knows who points to them.
            std::mem::forget((list, db, name));
            return Err(Error::Engine("a table of this server is not as the daemon knows it".into()));
        };
        Ok(Table { table, lock: ptr::null_mut(), _list: list, names: (db, name) })
    }

    /// Locks an open table for reading all of its columns. After an error nothing is open.
    ///
    /// # Safety
    /// `self` has opened a table there.
    unsafe fn lock(&mut self, table: usize) -> Result<()> {
        let table = &mut self.tables[table];
        let mut raw = table.table;
        // SAFETY: the caller's promise.
        table.lock = unsafe {
            let share = at::<*mut u8>(raw, self.layout.table_share);
            raw.add(self.layout.table_read_set).cast::<*mut u8>().write(share.add(self.layout.share_all_set));
            (self.functions.lock_tables)(self.thd, &mut raw, 1, 0)
        };
        if !table.lock.is_null() {
            return Ok(());
        }
        let name = table.names.1.clone();
        let error = self.failed(&name);
        self.close();
        Err(error)
    }

    /// The number of an open table's definition, unique for each time that the server reads the definition of a table.
    fn definition_of(&self, table: &Table) -> u64 {
        // SAFETY: an open table of this thread.
        unsafe {
            let share = at::<*const u8>(table.table, self.layout.table_share);
            at::<u64>(share, self.layout.share_map_id)
        }
    }

    /// The number of the definition of a table that a transaction of the session has written to; its locks stay. Nothing else is open.
    ///
    /// # Errors
    /// The table cannot be opened.
    pub fn definition(&mut self, path: &CStr) -> Result<u64> {
        // SAFETY: `new` has checked the layout.
        let opened = unsafe { self.open_raw(path) };
        let definition = opened.as_ref().map(|table| self.definition_of(table));
        // SAFETY: what this thread opened goes; the lists that the server points to still live.
        unsafe {
            (self.functions.close_tables)(self.thd);
            (self.functions.free_root)(at(self.thd.cast(), self.layout.thd_mem_root), KEEP_PREALLOCATED);
        }
        definition.map_err(Clone::clone)
    }

    /// The table that a list points to, if it is one of this thread and what it points to can be read.
    fn believable(&self, list: *const u8) -> Option<*mut u8> {
        let layout = self.layout;
        if self.trusted {
            // SAFETY: the list is ours, and the server has just put an open table there.
            let (table, owner) = unsafe {
                let table = at::<*mut u8>(list, layout.list_table);
                (table, at::<*mut c_void>(table, layout.table_in_use))
            };
            return (owner == self.thd).then_some(table);
        }
        let table = ptr::with_exposed_provenance_mut::<u8>(peek(list, layout.list_table)?);
        let owner = peek::<usize>(table, layout.table_in_use)?;
        let of_table = |offset| peek::<usize>(table, offset).map(ptr::with_exposed_provenance::<u8>);
        peek::<u64>(of_table(layout.table_share)?, layout.share_map_id)?;
        peek::<u64>(of_table(layout.table_file)?, 0)?;
        peek::<u64>(of_table(layout.table_record)?, 0)?;
        let field = peek::<usize>(of_table(layout.table_field)?, 0)?;
        peek::<u64>(ptr::with_exposed_provenance(field), layout.field_null_bit & !7)?;
        (owner == self.thd.addr()).then_some(table)
    }

    fn failed(&mut self, name: &CStr) -> Error {
        self.spoilt = true;
        // SAFETY: the plugin API's function and a `THD` that lives.
        match unsafe { (self.functions.error_number)(self.thd) } as c_int {
            LOCK_WAIT_TIMEOUT_SQL => Error::LockTimeout,
            NO_SUCH_TABLE_SQL => Error::NotFound(name.to_string_lossy().into_owned()),
            code => Error::Engine(format!("table {} cannot be opened (SQL error {code})", name.to_string_lossy())),
        }
    }

    /// The start of a column's value in the row that was read last; `None` for NULL.
    fn value(&self, at_table: usize, column: usize) -> Option<*const u8> {
        let table = self.tables.get(at_table)?.table;
        // SAFETY: an open table of this thread, which `open` has compared with its description: it has such a column.
        unsafe {
            let fields = at::<*const *const u8>(table, self.layout.table_field);
            let field = *fields.add(column);
            let null = at::<*const u8>(field, self.layout.field_null_ptr);
            if !null.is_null() && *null & *field.add(self.layout.field_null_bit) != 0 {
                return None;
            }
            Some(at::<*const u8>(field, self.layout.field_ptr))
        }
    }
}

/// # Safety
/// An object of the server has a member of that type there.
unsafe fn at<T: Copy>(object: *const u8, offset: usize) -> T {
    // SAFETY: the caller's promise.
    unsafe { object.add(offset).cast::<T>().read() }
}

impl Handlers for ThreadHandlers {
    fn open(&mut self, path: &CStr) -> Result<Opened> {
        if self.tables.len() >= OPEN_MAX {
            return Err(Error::Engine("too many tables are open at once".into()));
        }
        // SAFETY: `new` has checked the layout.
        let opened = unsafe {
            if self.tables.is_empty() {
                self.be_select();
            }
            self.open_raw(path)
        };
        match opened {
            Ok(table) => {
                let (at, definition) = (self.tables.len(), self.definition_of(&table));
                // What the server points to must live until everything is closed, whether it can be locked or not.
                self.tables.push(table);
                // SAFETY: just opened.
                unsafe { self.lock(at) }?;
                Ok(Opened { at, definition })
            }
            Err(error) => {
                self.close();
                Err(error)
            }
        }
    }

    fn find(&mut self, table: usize, index: u32, key: &[u8]) -> Result<bool> {
        if self.tables.get(table).is_some_and(|paused| paused.lock.is_null()) {
            // SAFETY: it is open.
            unsafe { self.lock(table) }?;
        }
        let Some(opened) = self.tables.get(table) else {
            return Err(Error::Engine("a table is not open".into()));
        };
        // SAFETY: an open table of this thread; the key has the length of the index's first column, and the row's buffer is the table's own.
        let code = unsafe {
            let file = at::<*mut u8>(opened.table, self.layout.table_file);
            let record = at::<*mut u8>(opened.table, self.layout.table_record);
            (self.functions.read_by_index)(file, record, index, key.as_ptr(), 1, READ_KEY_EXACT)
        };
        let error = match code {
            0 => return Ok(true),
            KEY_NOT_FOUND | END_OF_FILE => return Ok(false),
            LOCK_WAIT_TIMEOUT => Error::LockTimeout,
            LOCK_DEADLOCK => Error::Deadlock,
            NO_SUCH_TABLE | TABLE_CHANGED => Error::Changed(opened.names.1.to_string_lossy().into_owned()),
            code => Error::Engine(format!("a read failed (handler error {code})")),
        };
        self.close();
        Err(error)
    }

    fn bytes(&self, table: usize, column: usize, form: Form) -> Option<&[u8]> {
        let start = self.value(table, column)?;
        // SAFETY: a value of this form, by the description that the table was compared with; it stays until the next read.
        unsafe {
            let slice = |from: *const u8, bytes| std::slice::from_raw_parts(from, bytes);
            match form {
                Form::Fixed(bytes) => Some(slice(start, bytes)),
                Form::Padded(bytes) => {
                    let value = slice(start, bytes);
                    let end = value.iter().rposition(|byte| *byte != b' ').map_or(0, |last| last + 1);
                    Some(&value[..end])
                }
                Form::Counted(prefix, most) => Some(slice(start.add(prefix), length(slice(start, prefix)).min(most))),
                Form::Far(prefix) => {
                    let bytes = length(slice(start, prefix));
                    let value = start.add(prefix).cast::<*const u8>().read_unaligned();
                    Some(if value.is_null() { &[] } else { slice(value, bytes) })
                }
                Form::Unknown => None,
            }
        }
    }

    fn pause(&mut self) {
        // SAFETY: what this thread locked, in the server's own order.
        unsafe {
            (self.functions.commit_statement)(self.thd);
            for table in self.tables.iter_mut().filter(|table| !table.lock.is_null()) {
                (self.functions.unlock_tables)(self.thd, std::mem::replace(&mut table.lock, ptr::null_mut()));
            }
        }
    }

    fn close(&mut self) {
        self.pause();
        let functions = &self.functions;
        // SAFETY: what this thread opened; closing what is not open is allowed.
        unsafe {
            (functions.close_tables)(self.thd);
            (functions.release_locks)(self.thd);
            (functions.free_root)(at(self.thd.cast(), self.layout.thd_mem_root), KEEP_PREALLOCATED);
        }
        self.tables.clear();
    }
}

impl Drop for ThreadHandlers {
    fn drop(&mut self) {
        if !self.tables.is_empty() {
            self.close();
        }
    }
}
