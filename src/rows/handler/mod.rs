//! Rows of a MariaDB server: SQL, and reads by key through the handlers below it.
//!
//! Transactions that only read do without one of SQL's: each statement, and each table that is opened, shows what was committed before it.
//! They use the handlers where the host has them, else SELECTs of many keys each: tables are opened at their first use and closed when the
//! transaction ends, or what was [held](Rows::hold) is released, and before a statement runs, as its end closes all tables of the thread.
//! What the handlers cannot do, such as ranges, SQL does. A table's rows are taken apart by the description that the caller has of it. A
//! [`ReadPlan`] remembers for which definition that description holds: the server numbers definitions, and gives a table that was altered
//! another number.

mod check;
mod record;

use super::sql::{SqlRows, SqlSession};
use super::{Cell, Column, ColumnKind, Error, Index, Mode, Result, Rows, Table, TableSize};
pub use record::{Form, length};
use std::ffi::CStr;
use std::ops::Bound;

/// Isolation level of batches: MariaDB has no variable for it, this is InnoDB's default where there is one.
pub const TRX_LEVEL: u8 = 0;

/// Seconds after which an idle batch is committed, likewise.
pub const COMMIT_INTERVAL: i64 = 5;

/// How often a table is looked at that is altered all the time.
const LOOKS: usize = 5;

/// A table that is open for reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opened {
    /// Its handle.
    pub at: usize,
    /// The number of its definition.
    pub definition: u64,
}

/// The handlers of a thread's session. Statements of the session may run only while nothing is open.
pub trait Handlers {
    /// Opens `database/table`; after an error nothing is open.
    fn open(&mut self, path: &CStr) -> Result<Opened>;

    /// Makes the row with this key current; the key has the form of the index's first column, which is its only one. What it shows was
    /// committed before the first look at the table since it was opened or [paused](Handlers::pause). After an error nothing is open.
    fn find(&mut self, table: usize, index: u32, key: &[u8]) -> Result<bool>;

    /// A column of the current row as it lies there, `None` for NULL.
    fn bytes(&self, table: usize, column: usize, form: Form) -> Option<&[u8]>;

    /// Ends what statements end and keeps the tables open.
    fn pause(&mut self);

    /// Closes everything.
    fn close(&mut self);
}

/// A SQL session with handlers behind it.
pub trait HandlerSession: SqlSession {
    /// The handlers.
    type Handlers: Handlers;

    /// The handlers, if they can be used.
    fn handlers(&self) -> Option<&Self::Handlers>;

    /// See [`HandlerSession::handlers`].
    fn handlers_mut(&mut self) -> Option<&mut Self::Handlers>;

    /// Whether tables may stay open between two transactions.
    fn may_hold(&self) -> bool {
        true
    }

    /// Says whether rows that were read through the handlers look as SQL shows them, or why they are not to be used.
    fn judge(&mut self, verdict: std::result::Result<(), Distrust>);
}

/// Why rows are not to be read through the handlers.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Distrust {
    /// Rows of this table look otherwise than through SQL.
    Differs(String),
    /// They cannot be compared.
    Failed(Error),
}

impl std::fmt::Display for Distrust {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Distrust::Differs(table) => write!(f, "rows of {table} look otherwise below SQL"),
            Distrust::Failed(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Distrust {}

/// How the rows of a table are read.
#[derive(Debug)]
struct ReadPlan {
    /// [`Table::stamp`] of the table.
    stamp: u32,
    /// `None`: by SQL.
    by_handler: Option<Known>,
}

#[derive(Debug)]
struct Known {
    /// Number of the definition that the table's description was compared with.
    definition: u64,
    /// Position of the index among the table's.
    index: u32,
    forms: Vec<Form>,
}

/// Where the current row is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Current {
    Sql,
    /// Of the table that is open there and has this [`Table::stamp`].
    Handler(usize, u32),
}

/// Rows of one worker thread.
pub struct HandlerRows<S> {
    sql: SqlRows<S>,
    /// A transaction that only reads is open.
    reading: bool,
    /// It is SERIALIZABLE: what it reads it locks.
    locks: bool,
    /// See [`Rows::hold`].
    hold: bool,
    /// Tables were left open behind a transaction.
    held: bool,
    /// By [`Table::id`].
    plans: Vec<Option<ReadPlan>>,
    /// Tables that are open, by [`Table::id`].
    open: Vec<Option<usize>>,
    /// Tables that somebody else had locked for too long since the last [`Rows::restart_lock_wait`].
    locked: Vec<usize>,
    current: Current,
    /// Integers of the current row as InnoDB keeps them, by column.
    integers: Vec<[u8; 8]>,
    image: Vec<u8>,
}

impl<S: HandlerSession> HandlerRows<S> {
    /// Rows without a transaction.
    pub fn new(session: S) -> HandlerRows<S> {
        HandlerRows {
            sql: SqlRows::new(session),
            reading: false,
            locks: false,
            hold: false,
            held: false,
            plans: Vec::new(),
            open: Vec::new(),
            locked: Vec::new(),
            current: Current::Sql,
            integers: Vec::new(),
            image: Vec::new(),
        }
    }

    /// Replaces a session that is no longer of use.
    fn renew(&mut self) -> Result<()> {
        match self.sql.is_lost() {
            true => {
                self.close();
                self.sql.reopen()
            }
            false => Ok(()),
        }
    }

    /// SQL, with nothing open that a statement would close.
    fn in_sql(&mut self) -> &mut SqlRows<S> {
        self.close();
        self.current = Current::Sql;
        &mut self.sql
    }

    fn close(&mut self) {
        self.held = false;
        if self.open.iter().any(Option::is_some) {
            self.open.clear();
            if let Some(handlers) = self.sql.host_mut().handlers_mut() {
                handlers.close();
            }
        }
    }

    /// Opens a table; the handlers are there.
    fn open(&mut self, table: &Table) -> Result<Opened> {
        if self.locked.contains(&table.id) {
            return Err(Error::LockTimeout);
        }
        // Whoever waits for a metadata lock holds none of an earlier transaction: a statement that takes both could wait for that one.
        if self.held {
            self.close();
        }
        let opened = match self.sql.host_mut().handlers_mut() {
            Some(handlers) => handlers.open(&table.path),
            None => Err(Error::Engine("the handlers are gone".into())),
        };
        match opened {
            Ok(opened) => {
                if self.open.len() <= table.id {
                    self.open.resize(table.id + 1, None);
                }
                self.open[table.id] = Some(opened.at);
                Ok(opened)
            }
            Err(error) => {
                // Nothing is open any more.
                self.open.clear();
                if error == Error::LockTimeout {
                    self.locked.push(table.id);
                }
                Err(error)
            }
        }
    }

    /// The handle of a table that is open and as it was described; `None`: its rows are read by SQL.
    fn opened(&mut self, table: &Table) -> Result<Option<usize>> {
        if let Some(Some(at)) = self.open.get(table.id)
            && self.plan(table).is_some()
        {
            return Ok(Some(*at));
        }
        for _ in 0..LOOKS {
            match self.plan(table) {
                Some(ReadPlan { by_handler: None, .. }) => return Ok(None),
                Some(ReadPlan { by_handler: Some(known), .. }) => {
                    let definition = known.definition;
                    let opened = self.open(table)?;
                    if opened.definition == definition {
                        return Ok(Some(opened.at));
                    }
                    self.close();
                }
                None => {}
            }
            self.make_plan(table)?;
        }
        Err(Error::Changed(table.display().into_owned()))
    }

    fn plan(&self, table: &Table) -> Option<&ReadPlan> {
        self.plans.get(table.id)?.as_ref().filter(|plan| plan.stamp == table.stamp)
    }

    /// Finds out how a table is read, and compares its description with what the dictionary says. The definition's number is asked for
    /// first: if the table is altered in between, the number is an old one when it is next opened.
    fn make_plan(&mut self, table: &Table) -> Result<()> {
        self.close();
        let definition = self.open(table)?.definition;
        let sql = self.in_sql();
        if sql.describe(&table.path)? != table.columns {
            return Err(Error::Changed(table.display().into_owned()));
        }
        let name = table.index.as_deref().unwrap_or(c"PRIMARY");
        let forms = match sql.has_odd_columns(&table.path)? {
            true => None,
            false => Some(table.columns.iter().map(Form::of).collect()),
        };
        let index = sql.index_position(&table.path, name)?;
        let by_handler = forms.zip(index).map(|(forms, index)| Known { definition, index, forms });
        if self.plans.len() <= table.id {
            self.plans.resize_with(table.id + 1, || None);
        }
        self.plans[table.id] = Some(ReadPlan { stamp: table.stamp, by_handler });
        Ok(())
    }

    /// Reads a row through the handlers; `None`: SQL must.
    fn read_by_handler(&mut self, table: &Table, key: Cell<'_>) -> Result<Option<bool>> {
        if self.sql.host().handlers().is_none() {
            return Ok(None);
        }
        let Some(at) = self.opened(table)? else { return Ok(None) };
        let Some(column) = table.columns.get(table.key) else { return Ok(Some(false)) };
        if !record::key(column, key, &mut self.image) {
            return Ok(Some(false));
        }
        let Some(Some(ReadPlan { by_handler: Some(known), .. })) = self.plans.get(table.id) else { return Ok(None) };
        let Some(handlers) = self.sql.host_mut().handlers_mut() else { return Ok(None) };
        let found = match handlers.find(at, known.index, &self.image) {
            Ok(found) => found,
            Err(error) => {
                self.open.clear();
                self.held = false;
                return Err(error);
            }
        };
        self.current = Current::Handler(at, table.stamp);
        if found {
            self.integers.resize(self.integers.len().max(table.columns.len()), [0; 8]);
            for (i, (column, form)) in table.columns.iter().zip(&known.forms).enumerate() {
                if let ColumnKind::Int { unsigned, .. } = column.kind
                    && let Some(bytes) = handlers.bytes(at, i, *form)
                {
                    self.integers[i] = record::ordered(bytes, unsigned);
                }
            }
        }
        Ok(Some(found))
    }

    /// See [`super::RowSession::size`].
    pub(super) fn size(&mut self, path: &CStr) -> Result<Option<TableSize>> {
        self.in_sql().size(path)
    }
}

impl<S: HandlerSession> Rows for HandlerRows<S> {
    fn begin(&mut self, mode: Mode) -> Result<()> {
        self.renew()?;
        self.current = Current::Sql;
        if mode.read_write {
            self.close();
            return self.sql.begin(mode);
        }
        self.sql.before_reads()?;
        // A statement, where it is another level than before.
        if self.sql.level() != Some(mode.level) {
            self.close();
            self.sql.set_level(mode.level)?;
        }
        self.locks = mode.level >= 3;
        self.reading = true;
        Ok(())
    }

    fn active(&self) -> bool {
        self.reading || self.sql.active()
    }

    fn describe(&mut self, path: &CStr) -> Result<Vec<Column>> {
        self.in_sql().describe(path)
    }

    fn describe_index(&mut self, path: &CStr, name: &CStr) -> Result<Index> {
        self.in_sql().describe_index(path, name)
    }

    fn read(&mut self, table: &Table, key: Cell<'_>) -> Result<bool> {
        if self.reading
            && let Some(found) = self.read_by_handler(table, key)?
        {
            return Ok(found);
        }
        if self.locked.contains(&table.id) {
            return Err(Error::LockTimeout);
        }
        let found = self.in_sql().read(table, key);
        if found == Err(Error::LockTimeout) {
            self.locked.push(table.id);
        }
        found
    }

    fn reads_ahead(&self) -> bool {
        self.sql.host().handlers().is_none()
    }

    fn announce(&mut self, table: &Table, key: Cell<'_>) {
        self.sql.announce(table, key);
    }

    fn forget_announced(&mut self) {
        self.sql.forget_announced();
    }

    fn read_for_update(&mut self, table: &Table, key: Cell<'_>) -> Result<bool> {
        self.in_sql().read_for_update(table, key)
    }

    #[inline]
    fn bytes(&self, table: &Table, column: usize) -> Option<&[u8]> {
        let Current::Handler(at, stamp) = self.current else { return self.sql.bytes(column) };
        let ReadPlan { by_handler: Some(known), .. } = self.plan(table).filter(|plan| plan.stamp == stamp)? else {
            return None;
        };
        let bytes = self.sql.host().handlers()?.bytes(at, column, *known.forms.get(column)?)?;
        match table.columns.get(column)?.kind {
            ColumnKind::Int { .. } => self.integers.get(column)?.get(..bytes.len()),
            _ => Some(bytes),
        }
    }

    #[inline]
    fn int(&self, table: &Table, column: usize) -> Option<i128> {
        let ColumnKind::Int { unsigned, .. } = table.columns.get(column)?.kind else { return None };
        Some(crate::rows::integer::decode_int(self.bytes(table, column)?, unsigned))
    }

    fn insert(&mut self, table: &Table, cells: &[(usize, Cell<'_>)]) -> Result<()> {
        self.in_sql().insert(table, cells)
    }

    fn update(&mut self, table: &Table, cells: &[(usize, Cell<'_>)]) -> Result<()> {
        self.in_sql().update(table, cells)
    }

    fn upserts(&self, table: &Table) -> bool {
        self.sql.upserts(table)
    }

    fn upsert(&mut self, table: &Table, rows: usize, cells: &[(usize, Cell<'_>)]) -> Result<()> {
        self.in_sql().upsert(table, rows, cells)
    }

    fn delete(&mut self, table: &Table) -> Result<()> {
        self.in_sql().delete(table)
    }

    fn seek(&mut self, table: &Table, lower: Bound<Cell<'_>>) -> Result<bool> {
        self.in_sql().seek(table, lower)
    }

    fn next(&mut self, table: &Table) -> Result<bool> {
        self.in_sql().next(table)
    }

    fn truncate(&mut self, table: &Table) -> Result<()> {
        self.renew()?;
        let sql = self.in_sql();
        sql.enter()?;
        sql.truncate(&table.path)
    }

    fn commit(&mut self) -> Result<()> {
        if std::mem::take(&mut self.reading) {
            let host = self.sql.host_mut();
            match host.may_hold() && self.hold && !self.locks {
                true => {
                    host.handlers_mut().into_iter().for_each(Handlers::pause);
                    self.held = self.open.iter().any(Option::is_some);
                }
                false => self.close(),
            }
            return Ok(());
        }
        self.sql.commit()
    }

    fn rollback(&mut self) {
        if std::mem::take(&mut self.reading) {
            self.close();
        }
        self.sql.rollback();
    }

    fn hold(&mut self, hold: bool) {
        self.hold = hold;
    }

    fn holds(&self) -> bool {
        self.held
    }

    fn release(&mut self) {
        if self.held {
            self.close();
        }
    }

    fn keep(&mut self, stays: &dyn Fn(usize, u32) -> bool) {
        for (id, plan) in self.plans.iter_mut().enumerate() {
            if plan.as_ref().is_some_and(|plan| !stays(id, plan.stamp)) {
                *plan = None;
            }
        }
        self.sql.keep(stays);
    }

    fn restart_lock_wait(&mut self) {
        self.locked.clear();
        self.sql.restart_lock_wait();
    }

    fn check_session(&mut self) -> bool {
        if !self.sql.is_lost() {
            return false;
        }
        let undone = self.active();
        if undone {
            log::error!("DM1201: an open batch was undone: somebody killed the session it belonged to");
        }
        if let Err(error) = self.renew() {
            log::warn!("DM1202: a session of the daemon cannot be replaced: {error}");
        }
        undone
    }
}
