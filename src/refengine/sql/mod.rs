//! SQL over the engine: the statements that its users, the bootstrap scripts and the host program need.
//!
//! ```text
//!   text ─► text (tokens, statements) ─► parse* (ast) ─► session ─┬─► select (group, query), change ─► rows, plan ─► Transaction
//!                 ▲                                     │         ├─► ddl, definition, alter, accounts, show ──► Engine
//!              prepared (parameters)           privileges,        ├─► set, variables
//!                                              table_locks        └─► host, processes
//!                         expressions: compile ─► eval ─► expr, function, loadable ─► datum, decimal, column
//! ```
//!
//! Called by `ffi` and by the room `sqlserver`. A [`Session`] runs on its caller's thread, one statement at a time; sessions
//! are independent of each other. Wording, numbers and rules are MySQL 8.0's, within these limits: collations compare bytes,
//! SQL mode is the strict default, one table per statement, a table needs a primary key, indexes are over whole columns,
//! the text of `/*!NNNNN ... */` always runs.

mod accounts;
mod alter;
mod ast;
mod change;
mod charset;
mod column;
mod compile;
mod datum;
mod ddl;
mod decimal;
mod definition;
mod error;
mod eval;
mod expr;
mod function;
mod group;
mod host;
mod identity;
mod info;
mod information_schema;
mod kind;
mod listing;
mod loadable;
mod maintain;
mod memory;
mod parse;
mod parse_accounts;
mod parse_admin;
mod parse_alter;
mod parse_rows;
mod parse_table;
mod password;
mod plan;
mod prepared;
mod privileges;
mod processes;
mod query;
mod reserved;
mod result;
mod rows;
mod select;
mod session;
mod set;
mod show;
mod show_table;
mod table_locks;
mod text;
mod variables;
mod warnings;

pub use accounts::{Credentials, find_account};
pub use datum::Datum;
pub use error::{Result, SqlError};
pub use function::VERSION;
pub use host::{Host, HostReply, HostStatement, name_value_rows};
pub use identity::{Identity, ROOT};
pub use kind::Kind;
pub use loadable::{Functions, fail_statement};
pub use memory::too_much;
pub use password::{NATIVE, Password, SHA2};
pub use processes::{Entered, Processes};
pub use result::{End, ResultColumn, Sink, Status};
pub use session::Session;
