//! What a MariaDB server of some version offers.

use crate::host::version::Version;

/// The first series that offers plugins SQL.
const FIRST_WITH_SQL: Version = Version { major: 10, minor: 7, patch: 0 };

/// Series on which the test suite has passed, with the last patch release it was run on.
const TESTED: [Version; 2] = [Version { major: 10, minor: 11, patch: 19 }, Version { major: 11, minor: 8, patch: 9 }];

/// Whether a server offers plugins SQL.
pub fn has_sql(server: Version) -> bool {
    server >= FIRST_WITH_SQL
}

/// Whether the test suite has passed on a server of this series.
pub fn is_tested(server: Version) -> bool {
    server.is_of_series(&TESTED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_tell_what_is_offered() {
        for (text, sql, tested) in [
            ("10.11.19-MariaDB-0+deb12u1", true, true),
            ("11.8.9-MariaDB-0+deb13u1-log", true, true),
            ("10.6.22-MariaDB", false, false),
            ("12.1.2-MariaDB", true, false),
        ] {
            let (_, version) = Version::parse(text).unwrap();
            assert_eq!((has_sql(version), is_tested(version)), (sql, tested), "{text}");
        }
    }
}
