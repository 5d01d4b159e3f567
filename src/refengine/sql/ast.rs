//! The statements this engine runs. Expressions stay those of `sqlparser` until their columns are resolved
//! (`expr.rs`); everything else is only what is supported, so that nothing can be accepted and then ignored.

use sqlparser::ast::{DataType, Expr};

use super::loadable::Returns;
use super::password::Password;
use crate::refengine::types::{Isolation, RowLock};

/// A table's name as written.
#[derive(Debug, Clone)]
pub struct TableName {
    /// None: the session's database.
    pub db: Option<String>,
    pub name: String,
}

/// A table in FROM, UPDATE or DELETE.
#[derive(Debug, Clone)]
pub struct TableRef {
    pub name: TableName,
    pub alias: Option<String>,
}

#[derive(Debug)]
pub enum Statement {
    CreateDatabase {
        name: String,
        if_not_exists: bool,
        /// A character set or collation that is not the one every database here has.
        unkept: Option<String>,
    },
    DropDatabase {
        name: String,
        if_exists: bool,
    },
    Use(String),
    CreateTable(CreateTable),
    DropTables {
        names: Vec<TableName>,
        if_exists: bool,
    },
    Truncate(TableName),
    RenameTables(Vec<(TableName, TableName)>),
    AlterTable {
        name: TableName,
        changes: Vec<Alteration>,
    },
    CreateIndex {
        table: TableName,
        key: KeySpec,
    },
    DropIndex {
        table: TableName,
        name: String,
    },
    /// Each table, and whether it is locked for writing.
    LockTables(Vec<(TableName, bool)>),
    UnlockTables,
    FlushTables {
        read_lock: bool,
    },
    Kill {
        id: u64,
        statement_only: bool,
    },
    Insert(Insert),
    Update(Update),
    Delete(Delete),
    Select(Box<Select>),
    Show(Show),
    /// SHOW ... WHERE: of the rows those for which the condition holds.
    ShowWhere(Show, Box<Expr>),
    Describe {
        table: TableName,
        like: Option<String>,
    },
    /// EXPLAIN of a SELECT.
    Explain(Box<Select>),
    /// CHECK TABLE and its like.
    Maintain {
        what: Maintenance,
        tables: Vec<TableName>,
    },
    /// DISABLE KEYS and ENABLE KEYS.
    SwitchKeys(TableName),
    Set(Vec<SetItem>),
    Begin {
        read_only: bool,
        snapshot: bool,
    },
    Commit,
    Rollback,
    Savepoint(String),
    RollbackTo(String),
    ReleaseSavepoint(String),
    CreateUsers {
        users: Vec<(Account, Option<Password>)>,
        if_not_exists: bool,
    },
    DropUsers {
        users: Vec<Account>,
        if_exists: bool,
    },
    /// None: the session's own account.
    SetPasswords {
        users: Vec<(Option<Account>, Option<Password>)>,
        if_exists: bool,
    },
    Grant(Grant),
    Revoke(Grant),
    FlushPrivileges,
    InstallPlugin {
        name: String,
        soname: String,
    },
    UninstallPlugin {
        name: String,
    },
    /// Of a library.
    CreateFunction {
        name: String,
        if_not_exists: bool,
        returns: Returns,
        soname: String,
    },
    DropFunction {
        name: String,
        if_exists: bool,
    },
}

/// What is to be done to tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Maintenance {
    Check,
    Analyze,
    Optimize,
    Repair,
}

impl Maintenance {
    /// As results call it.
    pub fn name(self) -> &'static str {
        match self {
            Maintenance::Check => "check",
            Maintenance::Analyze => "analyze",
            Maintenance::Optimize => "optimize",
            Maintenance::Repair => "repair",
        }
    }
}

#[derive(Debug)]
pub struct CreateTable {
    pub name: TableName,
    pub if_not_exists: bool,
    pub columns: Vec<ColumnSpec>,
    pub keys: Vec<KeySpec>,
    pub charset: Option<String>,
    pub collation: Option<String>,
    pub engine: Option<String>,
    /// A comment on the table or a column was given.
    pub has_comment: bool,
    /// Options of other engines and of statistics, which are read and not kept.
    pub ignored: Vec<&'static str>,
}

impl CreateTable {
    /// Where the grammar of CREATE TABLE puts columns, keys and options of another statement.
    pub fn scratch() -> CreateTable {
        CreateTable::new(TableName { db: None, name: String::new() })
    }

    /// Of that name, and nothing else yet.
    pub fn new(name: TableName) -> CreateTable {
        CreateTable {
            name,
            if_not_exists: false,
            columns: Vec::new(),
            keys: Vec::new(),
            charset: None,
            collation: None,
            engine: None,
            has_comment: false,
            ignored: Vec::new(),
        }
    }
}

#[derive(Debug)]
pub struct ColumnSpec {
    pub name: String,
    pub data_type: DataType,
    /// None: neither NULL nor NOT NULL was written.
    pub not_null: Option<bool>,
    /// A literal.
    pub default: Option<Expr>,
    pub charset: Option<String>,
    pub collation: Option<String>,
}

/// What a key is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyKind {
    Primary,
    Unique,
    /// Rows may share its values.
    Plain,
}

#[derive(Debug, Clone)]
pub struct KeySpec {
    pub kind: KeyKind,
    /// None: named after its first column.
    pub name: Option<String>,
    pub columns: Vec<String>,
}

/// One change of ALTER TABLE.
#[derive(Debug)]
pub enum Alteration {
    Add {
        column: ColumnSpec,
        /// Keys written with the column.
        keys: Vec<KeySpec>,
        place: Place,
    },
    Drop(String),
    /// MODIFY and CHANGE.
    Change {
        name: String,
        column: ColumnSpec,
        place: Place,
    },
    Rename {
        from: String,
        to: String,
    },
    AddKey(KeySpec),
    DropKey(String),
    RenameKey {
        from: String,
        to: String,
    },
}

/// Where a column goes.
#[derive(Debug, PartialEq, Eq)]
pub enum Place {
    /// Where it is, or to the end.
    Keep,
    First,
    After(String),
}

/// A value given for a column.
#[derive(Debug)]
pub enum Source {
    Default,
    Expr(Box<Expr>),
}

#[derive(Debug)]
pub struct Insert {
    pub table: TableName,
    pub replace: bool,
    pub ignore: bool,
    /// None: every column in the table's order.
    pub columns: Option<Vec<String>>,
    pub rows: Vec<Vec<Source>>,
    pub on_duplicate: Vec<(Vec<String>, Source)>,
}

#[derive(Debug)]
pub struct Update {
    pub table: TableRef,
    pub ignore: bool,
    pub assignments: Vec<(Vec<String>, Source)>,
    pub filter: Option<Expr>,
    pub order_by: Vec<OrderBy>,
    pub limit: Option<u64>,
}

#[derive(Debug)]
pub struct Delete {
    pub table: TableRef,
    pub filter: Option<Expr>,
    pub order_by: Vec<OrderBy>,
    pub limit: Option<u64>,
}

#[derive(Debug)]
pub struct OrderBy {
    pub expr: Expr,
    pub descending: bool,
}

#[derive(Debug)]
pub enum SelectItem {
    /// `*`, `t.*` or `db.t.*` with what stands before the star.
    Star(Vec<String>),
    Expr {
        expr: Box<Expr>,
        heading: String,
        alias: bool,
    },
}

#[derive(Debug)]
pub struct Select {
    /// Equal rows are shown once.
    pub distinct: bool,
    pub items: Vec<SelectItem>,
    pub from: Option<TableRef>,
    pub filter: Option<Expr>,
    pub group_by: Vec<Expr>,
    pub having: Option<Expr>,
    pub order_by: Vec<OrderBy>,
    pub limit: Option<u64>,
    pub offset: u64,
    pub lock: RowLock,
}

#[derive(Debug)]
pub enum Show {
    Databases {
        like: Option<String>,
    },
    Tables {
        db: Option<String>,
        like: Option<String>,
        /// With the kind of each.
        full: bool,
    },
    TableStatus {
        db: Option<String>,
        like: Option<String>,
    },
    CreateTable(TableName),
    CreateDatabase {
        name: String,
        if_not_exists: bool,
    },
    Columns {
        table: TableName,
        like: Option<String>,
        /// With character sets, privileges and comments.
        full: bool,
    },
    /// There are none.
    Triggers {
        db: Option<String>,
    },
    /// Nor these.
    Events {
        db: Option<String>,
    },
    /// Functions, procedures and packages: nor these.
    Routines,
    Engines,
    Variables {
        like: Option<String>,
    },
    Status {
        like: Option<String>,
    },
    Plugins,
    Warnings,
    /// None: the session's own account.
    Grants {
        account: Option<Account>,
    },
    Processlist {
        full: bool,
    },
    Index(TableName),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    Session,
    Global,
}

#[derive(Debug)]
pub enum SetItem {
    /// None as value: DEFAULT.
    Variable {
        scope: Scope,
        name: String,
        value: Option<Box<Expr>>,
    },
    /// `@name`
    User {
        name: String,
        value: Box<Expr>,
    },
    Names(String),
    Isolation {
        scope: IsolationScope,
        level: Option<Isolation>,
        read_only: Option<bool>,
    },
}

/// Where SET TRANSACTION applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IsolationScope {
    /// Without a word: only the next transaction.
    Next,
    Session,
    Global,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    pub user: String,
    pub host: String,
}

impl std::fmt::Display for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "'{}'@'{}'", self.user, self.host)
    }
}

/// What GRANT gives or REVOKE takes.
#[derive(Debug)]
pub struct Grant {
    /// Upper case, without ALL's word PRIVILEGES.
    pub privileges: Vec<String>,
    /// `*` for every database.
    pub db: Option<String>,
    /// `*` for every table.
    pub table: String,
    pub accounts: Vec<Account>,
    pub grant_option: bool,
}

/// The database that is made up from the catalog.
pub const INFORMATION_SCHEMA: &str = "information_schema";

impl TableName {
    /// Whether it names a view of [`INFORMATION_SCHEMA`].
    pub fn in_information_schema(&self) -> bool {
        self.db.as_ref().is_some_and(|db| db.eq_ignore_ascii_case(INFORMATION_SCHEMA))
    }
}
