//! What a server is to others that replicate with it.

use crate::rows::sql::{SqlSession, cells};

/// State and role in a replication group, the channels that it follows by itself, and whether it is read-only.
const MYSQL: &str =
    "SELECT IFNULL((SELECT CONCAT(MEMBER_STATE, ' ', MEMBER_ROLE) FROM performance_schema.replication_group_members
       WHERE MEMBER_ID = @@GLOBAL.server_uuid), ''),
     (SELECT CONVERT(COUNT(*), CHAR) FROM performance_schema.replication_connection_configuration
       WHERE CHANNEL_NAME NOT LIKE 'group\\_replication\\_%' AND HOST <> ''),
     CONVERT(@@GLOBAL.read_only, CHAR)";

/// The same; threads that apply what a primary sends are what can be asked for.
const MARIADB: &str =
    "SELECT '', VARIABLE_VALUE, CONVERT(@@GLOBAL.read_only, CHAR) FROM information_schema.GLOBAL_STATUS
     WHERE VARIABLE_NAME = 'SLAVES_RUNNING'";

/// The role, as [`Host::replication_role`](super::Host::replication_role) names it; `None`: the server did not answer.
pub(super) fn of_mysql(session: &mut impl SqlSession) -> Option<&'static str> {
    judge(&cells(session, MYSQL, 3).ok()?)
}

/// The same for MariaDB.
pub(super) fn of_mariadb(session: &mut impl SqlSession) -> Option<&'static str> {
    judge(&cells(session, MARIADB, 3).ok()?)
}

fn judge(cells: &[String]) -> Option<&'static str> {
    let [member, channels, read_only] = cells else { return None };
    Some(match member.split_once(' ') {
        Some(("ONLINE", "PRIMARY")) => "group_primary",
        Some(("ONLINE", _)) => "group_secondary",
        // A server that has left its group is a member that is offline, without a role.
        Some((state, role)) if state != "OFFLINE" || !role.is_empty() => "group_offline",
        _ if channels != "0" => "replica",
        _ if matches!(read_only.as_str(), "0" | "OFF") => "primary",
        _ => "read_only",
    })
}

#[cfg(test)]
mod tests {
    use super::judge;

    #[test]
    fn a_server_is_one_thing() {
        for (member, channels, read_only, role) in [
            ("", "0", "0", Some("primary")),
            ("", "0", "1", Some("read_only")),
            ("", "0", "OFF", Some("primary")),
            ("", "1", "1", Some("replica")),
            ("", "1", "0", Some("replica")),
            ("ONLINE PRIMARY", "0", "0", Some("group_primary")),
            ("ONLINE SECONDARY", "0", "1", Some("group_secondary")),
            ("RECOVERING SECONDARY", "0", "1", Some("group_offline")),
            ("ERROR ", "0", "1", Some("group_offline")),
            ("OFFLINE ", "0", "0", Some("primary")),
        ] {
            assert_eq!(
                judge(&[member, channels, read_only].map(str::to_owned)),
                role,
                "{member} {channels} {read_only}"
            );
        }
        assert_eq!(judge(&[]), None);
    }
}
