//! Functions of shared libraries: CREATE FUNCTION ... SONAME, DROP FUNCTION, and which ones statements may call.
//!
//! They are recorded in `mysql.func`, as servers do it, and a library is opened when a function of it is created or, after a
//! restart, first called. A function that was dropped ends with the last statement that calls it, and its library with its
//! last function.

mod call;

use std::collections::HashMap;
use std::ffi::{CStr, CString, c_void};
use std::ops::ControlFlow;
use std::sync::Arc;

use parking_lot::Mutex;
use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::error::{Result, SqlError};
use super::host::{Host, HostStatement};
use super::kind::Kind;
use crate::refengine::codes;
use crate::refengine::types::{Charset, ColumnDef, ColumnType, Isolation, KeyRange, Row, RowLock, TableDef, Value};
use crate::refengine::{Engine, Error, Table};

pub use call::{Argument, Call, fail_statement};

const DB: &str = "mysql";
/// The table's name, as servers have it.
pub const TABLE: &str = "func";
/// Bytes of a function's and a library's name: what the table's columns take.
const MOST_NAME: usize = 64;
const MOST_LIBRARY: usize = 128;

/// What a function gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Returns {
    String,
    Real,
    Integer,
    Decimal,
}

impl Returns {
    /// By the word of CREATE FUNCTION.
    pub fn named(word: &str) -> Option<Returns> {
        let known = [
            ("STRING", Returns::String),
            ("REAL", Returns::Real),
            ("INTEGER", Returns::Integer),
            ("INT", Returns::Integer),
            ("DECIMAL", Returns::Decimal),
        ];
        known.into_iter().find(|(name, _)| name.eq_ignore_ascii_case(word)).map(|(_, returns)| returns)
    }

    /// `Item_result`, which is what the table keeps.
    fn number(self) -> i64 {
        match self {
            Returns::String => 0,
            Returns::Real => 1,
            Returns::Integer => 2,
            Returns::Decimal => 4,
        }
    }

    fn of_number(number: &Value) -> Option<Returns> {
        let Value::Int(number) = number else { return None };
        [Returns::String, Returns::Real, Returns::Integer, Returns::Decimal].into_iter().find(|r| r.number() == *number)
    }

    /// The type of results; bytes have no character set, as in servers.
    pub fn kind(self) -> Kind {
        match self {
            Returns::String => Kind::Bytes { long: true },
            Returns::Real => Kind::Double,
            Returns::Integer => Kind::BIGINT,
            Returns::Decimal => Kind::Decimal,
        }
    }
}

/// A function whose library is open.
#[derive(Debug)]
pub struct Loadable {
    name: String,
    returns: Returns,
    library: *mut c_void,
    init: *mut c_void,
    row: *mut c_void,
    deinit: *mut c_void,
}

// SAFETY: the addresses are those of code, which all threads may call, and the library's handle, which is used once, to close it.
unsafe impl Send for Loadable {}
// SAFETY: as above.
unsafe impl Sync for Loadable {}

impl Drop for Loadable {
    fn drop(&mut self) {
        // SAFETY: the handle is this object's own, and nobody runs its functions any more.
        unsafe { libc::dlclose(self.library) };
    }
}

impl Loadable {
    /// Opens the library of a function and finds its symbols: 1126 and 1127 if it cannot.
    fn open(host: &dyn Host, name: &str, returns: Returns, soname: &str) -> Result<Loadable> {
        let reply = host.run(HostStatement::LibraryFile { soname })?;
        let file = reply.rows.into_iter().flatten().flatten().next().unwrap_or_default();
        let path = CString::new(file).map_err(|_| cannot_open(soname, "its name has a NUL byte"))?;
        // SAFETY: a path with its end. Whoever creates functions may run code in this process: that is what INSERT on mysql.func means.
        let library = unsafe { libc::dlopen(path.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL) };
        if library.is_null() {
            // SAFETY: the text of this thread's last failure, or NULL.
            let reason =
                unsafe { libc::dlerror().cast_const().as_ref().map(|text| CStr::from_ptr(text).to_string_lossy()) };
            return Err(cannot_open(&path.to_string_lossy(), reason.as_deref().unwrap_or("")));
        }
        let null = std::ptr::null_mut();
        let mut found = Loadable { name: name.to_owned(), returns, library, init: null, row: null, deinit: null };
        found.row = found.symbol("").ok_or_else(|| no_symbol(name))?;
        found.init = found.symbol("_init").unwrap_or(null);
        found.deinit = found.symbol("_deinit").unwrap_or(null);
        // Any symbol of any library would do otherwise.
        if found.init.is_null() && found.deinit.is_null() {
            return Err(no_symbol(&format!("{name}_init")));
        }
        Ok(found)
    }

    fn symbol(&self, suffix: &str) -> Option<*mut c_void> {
        let name = CString::new(format!("{}{suffix}", self.name)).ok()?;
        // SAFETY: an open library and a name with its end.
        let address = unsafe { libc::dlsym(self.library, name.as_ptr()) };
        (!address.is_null()).then_some(address)
    }
}

fn cannot_open(library: &str, reason: &str) -> SqlError {
    let text = format!("Can't open shared library '{library}' (errno: 0 {reason})");
    SqlError::new(codes::ER_CANT_OPEN_LIBRARY, text)
}

fn no_symbol(name: &str) -> SqlError {
    SqlError::new(codes::ER_CANT_FIND_DL_ENTRY, format!("Can't find symbol '{name}' in library"))
}

/// What is recorded of a function.
#[derive(Clone)]
struct Recorded {
    returns: Returns,
    soname: String,
    /// None until it is called, or if it could not be.
    loaded: Option<Arc<Loadable>>,
}

/// The functions of an engine, by name in lower case.
#[derive(Default)]
pub struct Functions {
    /// None until the table was read. Held for moments only.
    known: Mutex<Option<HashMap<String, Recorded>>>,
    /// Held over a whole CREATE or DROP.
    changing: Mutex<()>,
}

impl Functions {
    /// CREATE FUNCTION.
    ///
    /// # Errors
    /// 1059, 1125, 1126, 1127, or what stops a row of `mysql.func`.
    pub fn create(&self, engine: &Engine, host: &dyn Host, name: &str, returns: Returns, soname: &str) -> Result<()> {
        if let Some(long) = [(name, MOST_NAME), (soname, MOST_LIBRARY)].iter().find(|(text, most)| text.len() > *most) {
            let text = format!("Identifier name '{}' is too long", long.0);
            return Err(SqlError::new(codes::ER_TOO_LONG_IDENT, text));
        }
        let _changing = self.changing.lock();
        if self.with(engine, |known| known.contains_key(&name.to_lowercase()))? {
            let text = format!("Function '{name}' already exists");
            return Err(SqlError::new(codes::ER_UDF_EXISTS, text));
        }
        let loaded = Some(Arc::new(Loadable::open(host, name, returns, soname)?));
        let table = create_table(engine)?;
        let text = |text: &str| Value::Bytes(text.as_bytes().to_vec());
        let row: Row = vec![text(name), Value::Int(returns.number()), text(soname), text("function")];
        let mut trx = engine.begin(Isolation::ReadCommitted, true);
        trx.open(&table)?;
        trx.insert(&table, row)?;
        trx.commit()?;
        let new = Recorded { returns, soname: soname.to_owned(), loaded };
        self.with(engine, |known| known.insert(name.to_lowercase(), new)).map(|_| ())
    }

    /// DROP FUNCTION.
    ///
    /// # Errors
    /// 1305, or what stops the end of a row of `mysql.func`.
    pub fn remove(&self, engine: &Engine, name: &str) -> Result<()> {
        let _changing = self.changing.lock();
        if !self.with(engine, |known| known.contains_key(&name.to_lowercase()))? {
            return Err(SqlError::new(codes::ER_SP_DOES_NOT_EXIST, format!("FUNCTION {name} does not exist")));
        }
        let table = create_table(engine)?;
        let mut trx = engine.begin(Isolation::ReadCommitted, true);
        trx.open(&table)?;
        // The key's case is that of CREATE FUNCTION.
        let mut rows = Vec::new();
        trx.scan(&table, None, &KeyRange::all(), false, RowLock::Exclusive, &mut |row| {
            if name_of(row).eq_ignore_ascii_case(name) {
                rows.push(row.clone());
            }
            ControlFlow::Continue(())
        })?;
        rows.iter().try_for_each(|row| trx.delete(&table, row))?;
        trx.commit()?;
        self.with(engine, |known| known.remove(&name.to_lowercase())).map(|_| ())
    }

    /// The functions that a statement of these tokens may call: names before a parenthesis.
    ///
    /// # Errors
    /// 1126 and 1127 if one is known and cannot be called.
    pub fn named(&self, engine: &Engine, host: &dyn Host, tokens: &[TokenWithSpan]) -> Result<Vec<Arc<Loadable>>> {
        let mut tokens = tokens.iter().filter(|token| !matches!(token.token, Token::Whitespace(_))).peekable();
        let mut found: Vec<Arc<Loadable>> = Vec::new();
        while let Some(token) = tokens.next() {
            if let Token::Word(word) = &token.token
                && tokens.peek().is_some_and(|next| next.token == Token::LParen)
                && !found.iter().any(|function| function.is_named(&word.value))
            {
                found.extend(self.find(engine, host, &word.value)?);
            }
        }
        Ok(found)
    }

    fn find(&self, engine: &Engine, host: &dyn Host, name: &str) -> Result<Option<Arc<Loadable>>> {
        let lower = name.to_lowercase();
        let Some(recorded) = self.with(engine, |known| known.get(&lower).cloned())? else { return Ok(None) };
        if recorded.loaded.is_some() {
            return Ok(recorded.loaded);
        }
        // The first call after a restart; two sessions may do it, and one of the two objects stays.
        let loaded = Arc::new(Loadable::open(host, &lower, recorded.returns, &recorded.soname)?);
        self.with(engine, |known| {
            known.get_mut(&lower).map(|recorded| recorded.loaded.get_or_insert_with(|| loaded.clone()).clone())
        })
    }

    fn with<T>(&self, engine: &Engine, f: impl FnOnce(&mut HashMap<String, Recorded>) -> T) -> Result<T> {
        let mut known = self.known.lock();
        match &mut *known {
            Some(known) => Ok(f(known)),
            None => Ok(f(known.insert(recorded(engine)?))),
        }
    }
}

impl Loadable {
    /// Whether a statement means this one.
    pub fn is_named(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }
}

fn name_of(row: &Row) -> String {
    text_of(row, 0)
}

fn text_of(row: &Row, at: usize) -> String {
    match row.get(at) {
        Some(Value::Bytes(bytes)) => String::from_utf8_lossy(bytes).into_owned(),
        _ => String::new(),
    }
}

/// The rows of the table; none without a table.
fn recorded(engine: &Engine) -> Result<HashMap<String, Recorded>> {
    let mut found = HashMap::new();
    let table = match engine.table(DB, TABLE) {
        Err(Error::NoSuchTable { .. }) => return Ok(found),
        table => table?,
    };
    let mut trx = engine.begin(Isolation::ReadCommitted, false);
    trx.scan(&table, None, &KeyRange::all(), false, RowLock::None, &mut |row| {
        if let Some(returns) = row.get(1).and_then(Returns::of_number) {
            let recorded = Recorded { returns, soname: text_of(row, 2), loaded: None };
            found.insert(name_of(row).to_lowercase(), recorded);
        }
        ControlFlow::Continue(())
    })?;
    Ok(found)
}

fn create_table(engine: &Engine) -> Result<Arc<Table>> {
    let column = |name: &str, ty: ColumnType| ColumnDef {
        name: name.to_owned(),
        ty,
        charset: Charset::Utf8mb4,
        not_null: true,
        default: None,
    };
    let text = |most: usize| ColumnType::VarChar { chars: u32::try_from(most).unwrap_or(u32::MAX) };
    let def = TableDef {
        db: DB.to_owned(),
        name: TABLE.to_owned(),
        columns: vec![
            column("name", text(MOST_NAME)),
            column("ret", ColumnType::Int { bytes: 1, unsigned: false }),
            column("dl", text(MOST_LIBRARY)),
            column("type", ColumnType::Enum { values: vec!["function".to_owned(), "aggregate".to_owned()] }),
        ],
        primary_key: vec![0],
        indexes: Vec::new(),
    };
    match engine.create_table(def) {
        Ok(()) | Err(Error::TableExists(_)) => Ok(engine.table(DB, TABLE)?),
        Err(error) => Err(error.into()),
    }
}
