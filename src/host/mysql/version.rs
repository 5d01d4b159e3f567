//! Which server this is, and what its generation looks like.

use super::symbols;
use std::ffi::{CStr, c_char};
use std::fmt;

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

/// How a server offers its rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Generation {
    /// 5.6: hands over a table of another length and order, which nothing here may touch.
    V56,
    /// 5.7: hands over the table in its canonical layout.
    V57,
    /// 8.0 before 8.0.23: exports the functions, but its structures for SQL are shorter.
    Early80,
    /// 8.0.23 and later: exports the functions; whether it hands over a table as well makes no difference.
    V80,
}

/// Series on which the test suite has passed, with the last patch release it was run on.
const TESTED: [(u32, u32, u32); 2] = [(8, 4, 3), (9, 7, 4)];

impl Version {
    /// The version of the server that this process is; `None` in any other program.
    pub fn of_server() -> Option<Version> {
        let text = symbols::find(c"server_version").cast::<c_char>();
        if text.is_null() {
            return None;
        }
        // SAFETY: servers export a NUL-terminated array under this name.
        Version::parse(&unsafe { CStr::from_ptr(text) }.to_string_lossy())
    }

    /// `9.7.4-2`; `None` for anything that does not begin with three numbers, and for MariaDB.
    fn parse(text: &str) -> Option<Version> {
        if text.contains("MariaDB") {
            return None;
        }
        let mut numbers = text.split(|c: char| !c.is_ascii_digit()).map_while(|part| part.parse().ok());
        Some(Version { major: numbers.next()?, minor: numbers.next()?, patch: numbers.next()? })
    }

    /// `MYSQL_VERSION_ID`.
    pub fn id(self) -> i32 {
        (self.major * 10000 + self.minor * 100 + self.patch).cast_signed()
    }

    /// The generation; `None` before 5.6.
    pub fn generation(self) -> Option<Generation> {
        match (self.major, self.minor, self.patch) {
            (5, 6, _) => Some(Generation::V56),
            (5, 7, _) => Some(Generation::V57),
            (8, 0, ..=22) => Some(Generation::Early80),
            (8.., ..) => Some(Generation::V80),
            _ => None,
        }
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
    fn versions_choose_the_generation() {
        for (text, id, generation) in [
            ("5.7.44-log", Some(50744), Some(Generation::V57)),
            ("5.6.24", Some(50624), Some(Generation::V56)),
            ("5.5.62", Some(50562), None),
            ("8.0.36-0ubuntu0.22.04.1", Some(80036), Some(Generation::V80)),
            ("8.0.22", Some(80022), Some(Generation::Early80)),
            ("8.2.0", Some(80200), Some(Generation::V80)),
            ("8.4.5", Some(80405), Some(Generation::V80)),
            ("9.7.4-2", Some(90704), Some(Generation::V80)),
            ("10.11.6-MariaDB-0+deb12u1", None, None),
            ("memcached", None, None),
            ("9.7", None, None),
        ] {
            let version = Version::parse(text);
            assert_eq!(version.map(Version::id), id, "{text}");
            assert_eq!(version.and_then(Version::generation), generation, "{text}");
        }
    }
}
