//! The version of the server that this process is.

use super::mysql::symbols;
use std::ffi::{CStr, c_char};
use std::fmt;

/// Who made a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Maker {
    /// Oracle, Percona and others whose servers are MySQL.
    MySql,
    /// MariaDB, whose servers are different inside.
    MariaDb,
}

/// A server's version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// 9 of 9.7.4.
    pub major: u32,
    /// 7 of 9.7.4.
    pub minor: u32,
    /// 4 of 9.7.4.
    pub patch: u32,
}

impl Version {
    /// The version of the server that this process is; `None` in any other program.
    pub(super) fn of_server() -> Option<(Maker, Version)> {
        let text = symbols::find(c"server_version").cast::<c_char>();
        if text.is_null() {
            return None;
        }
        // SAFETY: servers export a NUL-terminated array under this name.
        Version::parse(&unsafe { CStr::from_ptr(text) }.to_string_lossy())
    }

    /// `9.7.4-2` or `10.11.6-MariaDB`; `None` for anything that does not begin with three numbers.
    pub(super) fn parse(text: &str) -> Option<(Maker, Version)> {
        let mut numbers = text.split(|c: char| !c.is_ascii_digit()).map_while(|part| part.parse().ok());
        let version = Version { major: numbers.next()?, minor: numbers.next()?, patch: numbers.next()? };
        Some((if text.contains("MariaDB") { Maker::MariaDb } else { Maker::MySql }, version))
    }

    /// `MYSQL_VERSION_ID`.
    pub fn id(self) -> i32 {
        (self.major * 10000 + self.minor * 100 + self.patch).cast_signed()
    }

    /// Whether it is of the same series as one of these.
    pub(super) fn is_of_series(self, versions: &[Version]) -> bool {
        versions.iter().any(|other| (other.major, other.minor) == (self.major, self.minor))
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
    fn a_version_tells_its_maker_and_three_numbers() {
        for (text, maker, id) in [
            ("5.7.44-log", Maker::MySql, 50744),
            ("8.0.36-0ubuntu0.22.04.1", Maker::MySql, 80036),
            ("9.7.4-2", Maker::MySql, 90704),
            ("10.11.19-MariaDB-0+deb12u1", Maker::MariaDb, 101_119),
            ("11.8.9-MariaDB-0+deb13u1-log", Maker::MariaDb, 110_809),
        ] {
            assert_eq!(Version::parse(text).map(|(maker, version)| (maker, version.id())), Some((maker, id)), "{text}");
        }
        for text in ["memcached", "MariaDB", "9.7", ""] {
            assert_eq!(Version::parse(text), None, "{text}");
        }
    }
}
