//! The server's error numbers in this room's words.

use super::session::SqlError;
use crate::rows::{Error, Table};

/// The error of a statement on `table`.
pub(super) fn error_on(table: &Table, sql: SqlError) -> Error {
    match sql.code {
        // Unknown column, wrong number of columns.
        1054 | 1136 => Error::Changed(table.display().into_owned()),
        1146 | 1049 => Error::NotFound(table.display().into_owned()),
        _ => error(sql),
    }
}

/// The error of any other statement.
pub(super) fn error(sql: SqlError) -> Error {
    match sql.code {
        1062 | 1586 => Error::Duplicate,
        // MariaDB's 1020: the row has changed since the transaction's view was opened. 3101: undone by a replication group's
        // certification; 1180 with InnoDB's number 149: undone while it waited for that.
        1213 | 3058 | 1020 | 3101 => Error::Deadlock,
        1180 if sql.message.contains(" 149 ") => Error::Deadlock,
        1205 | 3572 => Error::LockTimeout,
        // Read-only transaction, --read-only, super_read_only, innodb_read_only, a table opened read only.
        1792 | 1290 | 1836 | 1874 | 1036 => Error::ReadOnly,
        // A node that takes no part in its Galera cluster.
        1047 => Error::Refused(sql.message),
        // Wrong bytes for the character set.
        1366 | 1300 | 3854 | 1977 => Error::BadText(column_of(&sql.message, "(which the server did not name)")),
        // Data too long, out of range, row too large.
        1406 | 1264 | 1118 | 1301 => Error::TooLong(column_of(&sql.message, "(the whole row)")),
        1048 | 1364 | 1216 | 1217 | 1451 | 1452 | 3819 | 4025 | 1644 | 1701 => Error::Constraint(sql.message),
        1021 | 1114 | 3 => Error::DiskFull,
        1053 | 1317 | 1927 | 1969 | 3169 | 3024 => Error::Interrupted,
        1146 => Error::NotFound(sql.message),
        // The session itself refused, and said what.
        0 => Error::Engine(sql.message),
        code => Error::Engine(format!("{} (SQL error {code})", sql.message)),
    }
}

/// `Data too long for column 'v' at row 1` names the column between quotes; MariaDB sometimes with its table, as `` `d`.`t`.`v` ``. `otherwise` if the
/// message names none.
pub(super) fn column_of(message: &str, otherwise: &str) -> String {
    let Some((_, rest)) = message.split_once("column ") else { return otherwise.into() };
    let (named, _) = rest.split_once(" at row").unwrap_or((rest, ""));
    let last = named.rsplit_once("`.`").map_or(named, |(_, column)| column);
    last.trim_matches(|c| matches!(c, '\'' | '`')).into()
}
