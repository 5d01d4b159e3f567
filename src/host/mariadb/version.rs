//! Which MariaDB this is.

use crate::host::mysql::symbols;
use std::ffi::{CStr, c_char};
use std::fmt;

/// A server's version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// 10 of 10.11.19.
    pub major: u32,
    /// 11 of 10.11.19.
    pub minor: u32,
    /// 19 of 10.11.19.
    pub patch: u32,
}

/// The first series that offers plugins SQL.
const FIRST_WITH_SQL: (u32, u32) = (10, 7);

/// Series on which the test suite has passed, with the last patch release it was run on.
const TESTED: [(u32, u32, u32); 2] = [(10, 11, 19), (11, 8, 9)];

impl Version {
    /// The version of the server that this process is; `None` in any other program, MySQL's among them.
    pub fn of_server() -> Option<Version> {
        let text = symbols::find(c"server_version").cast::<c_char>();
        if text.is_null() {
            return None;
        }
        // SAFETY: servers export a NUL-terminated array under this name.
        Version::parse(&unsafe { CStr::from_ptr(text) }.to_string_lossy())
    }

    fn parse(text: &str) -> Option<Version> {
        if !text.contains("MariaDB") {
            return None;
        }
        let mut numbers = text.split(|c: char| !c.is_ascii_digit()).map_while(|part| part.parse().ok());
        Some(Version { major: numbers.next()?, minor: numbers.next()?, patch: numbers.next()? })
    }

    /// `MYSQL_VERSION_ID` of the server.
    pub fn id(self) -> i32 {
        (self.major * 10000 + self.minor * 100 + self.patch).cast_signed()
    }

    /// Whether the server offers plugins SQL.
    pub fn has_sql(self) -> bool {
        (self.major, self.minor) >= FIRST_WITH_SQL
    }

    /// Whether the test suite has passed on a server of this series.
    pub fn tested(self) -> bool {
        TESTED.iter().any(|(major, minor, _)| (*major, *minor) == (self.major, self.minor))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_those_of_mariadb_only() {
        for (text, id, sql, tested) in [
            ("10.11.19-MariaDB-0+deb12u1", Some(101119), true, true),
            ("11.8.9-MariaDB-0+deb13u1-log", Some(110809), true, true),
            ("10.6.22-MariaDB", Some(100622), false, false),
            ("12.1.2-MariaDB", Some(120102), true, false),
            ("9.7.4-2", None, false, false),
            ("MariaDB", None, false, false),
        ] {
            let version = Version::parse(text);
            assert_eq!(version.map(Version::id), id, "{text}");
            assert_eq!(version.is_some_and(Version::has_sql), sql, "{text}");
            assert_eq!(version.is_some_and(Version::tested), tested, "{text}");
        }
    }
}
