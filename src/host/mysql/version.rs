//! What the generation of a MySQL server looks like.

use crate::host::version::Version;

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
const TESTED: [Version; 2] = [Version { major: 8, minor: 4, patch: 3 }, Version { major: 9, minor: 7, patch: 4 }];

/// The generation of a server; `None` before 5.6.
pub fn generation(server: Version) -> Option<Generation> {
    match (server.major, server.minor, server.patch) {
        (5, 6, _) => Some(Generation::V56),
        (5, 7, _) => Some(Generation::V57),
        (8, 0, ..=22) => Some(Generation::Early80),
        (8.., ..) => Some(Generation::V80),
        _ => None,
    }
}

/// Whether the test suite has passed on a server of this series.
pub fn is_tested(server: Version) -> bool {
    server.is_of_series(&TESTED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_choose_the_generation() {
        for (text, expected, tested) in [
            ("5.7.44-log", Some(Generation::V57), false),
            ("5.6.24", Some(Generation::V56), false),
            ("5.5.62", None, false),
            ("8.0.36-0ubuntu0.22.04.1", Some(Generation::V80), false),
            ("8.0.22", Some(Generation::Early80), false),
            ("8.2.0", Some(Generation::V80), false),
            ("8.4.5", Some(Generation::V80), true),
            ("9.7.4-2", Some(Generation::V80), true),
        ] {
            let (_, version) = Version::parse(text).unwrap();
            assert_eq!((generation(version), is_tested(version)), (expected, tested), "{text}");
        }
    }
}
