//! Who may use the daemon, and for what: the users file.
//!
//! ```text
//! # name:hash:rights
//! alice:$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA:*=rw
//! shop:$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA:carts=rw,prices=r
//! ```
//!
//! The server loads it at its start and whenever the file changes, checks passwords against it on a thread of its own, and asks a
//! [`User`] before each request. Pure but for reading the file; no thread and no lock here.

#![forbid(unsafe_code)]

mod error;
mod hash;
mod limits;

pub use error::{FileError, FileProblem, HashError, LineError, UsersError};
use hash::Hash;
use limits::FILE_MAX;
pub use limits::{NAME_MAX, PASSWORD_MAX};
use std::collections::HashMap;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

/// What a user may do with a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Right {
    /// Commands that change nothing.
    Read,
    /// All commands.
    Write,
}

impl Right {
    fn parse(text: &str) -> Option<Right> {
        match text {
            "r" => Some(Right::Read),
            "rw" => Some(Right::Write),
            _ => None,
        }
    }
}

/// Containers and what may be done with each; what is not named follows `*`, and without a `*` it is forbidden.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Rights {
    others: Option<Right>,
    /// Sorted by name.
    named: Vec<(String, Right)>,
    /// Whether it may do what concerns the whole daemon.
    administers: bool,
}

impl Rights {
    fn parse(text: &str) -> Result<Rights, LineError> {
        let mut rights = Rights::default();
        for entry in text.split(',') {
            let (container, right) = entry
                .rsplit_once('=')
                .and_then(|(container, right)| Some((container.trim(), Right::parse(right.trim())?)))
                .filter(|(container, _)| !container.is_empty())
                .ok_or_else(|| LineError::Right(entry.into()))?;
            let twice = match container {
                "*" => rights.others.replace(right).is_some(),
                _ => {
                    let known = rights.named.iter().any(|(name, _)| name == container);
                    rights.named.push((container.to_owned(), right));
                    known
                }
            };
            if twice {
                return Err(LineError::TwoRights(container.into()));
            }
        }
        rights.named.sort();
        rights.administers = rights.others == Some(Right::Write);
        Ok(rights)
    }
}

/// Somebody who may log in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    name: String,
    rights: Rights,
}

impl User {
    /// An account of the host: what it may do with each container, and whether with the whole daemon. Containers that are not named are
    /// forbidden.
    pub fn of_account(name: String, containers: Vec<(String, Right)>, administers: bool) -> User {
        let mut named = containers;
        named.sort();
        User { name, rights: Rights { others: None, named, administers } }
    }

    /// The name, for the log.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether the user may do that with the container.
    pub fn may(&self, right: Right, container: &str) -> bool {
        let Rights { named, .. } = &self.rights;
        let found = named.binary_search_by(|(name, _)| name.as_str().cmp(container)).ok();
        let named = found.and_then(|at| named.get(at)).map(|(_, right)| *right);
        named.or(self.rights.others).is_some_and(|has| has >= right)
    }

    /// Whether the user may do what concerns the whole daemon: with `*=rw`, or as an account that may change the configuration tables.
    pub fn may_administer(&self) -> bool {
        self.rights.administers
    }
}

/// A users file.
#[derive(Debug)]
pub struct Users {
    users: HashMap<String, (Hash, Arc<User>)>,
    /// What an unknown name is checked against, so that it takes as long as a known one.
    decoy: Hash,
}

impl Users {
    /// Reads a users file.
    ///
    /// # Errors
    /// The file and what is wrong with it. One that others may read or write is refused.
    pub fn load(path: &Path) -> Result<Users, FileError> {
        let refuse = |problem| FileError { path: path.into(), problem };
        let cannot = |error| refuse(FileProblem::Unreadable(error));
        let mut file = std::fs::File::open(path).map_err(cannot)?;
        let metadata = file.metadata().map_err(cannot)?;
        if !metadata.is_file() {
            return Err(refuse(FileProblem::NotRegular));
        }
        if metadata.mode() & 0o006 != 0 {
            return Err(refuse(FileProblem::Mode(metadata.mode() & 0o7777)));
        }
        if metadata.len() > FILE_MAX {
            return Err(refuse(FileProblem::TooLarge));
        }
        let mut text = String::new();
        file.read_to_string(&mut text).map_err(cannot)?;
        Users::parse(&text).map_err(|error| refuse(FileProblem::Users(error)))
    }

    /// Reads the text of a users file.
    ///
    /// # Errors
    /// The line and what is wrong with it; also a text without any user.
    pub fn parse(text: &str) -> Result<Users, UsersError> {
        let mut users = HashMap::new();
        for (i, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (hash, user) = user(line).map_err(|error| UsersError::Line(i + 1, error))?;
            let name = user.name.clone();
            if users.insert(name, (hash, Arc::new(user))).is_some() {
                return Err(UsersError::Twice(i + 1));
            }
        }
        // As costly as the costliest of them: a shorter answer would tell that a name is unknown.
        let decoy = users.values().map(|(hash, _)| hash).max_by_key(|hash| hash.cost()).cloned();
        decoy.map(|decoy| Users { users, decoy: decoy.never() }).ok_or(UsersError::Empty)
    }

    /// The user, if the password is right. Takes tens of milliseconds and as much memory as the hash asks for, by design, whether the
    /// name is known or not.
    pub fn check(&self, name: &[u8], password: &[u8]) -> Option<Arc<User>> {
        let known = std::str::from_utf8(name).ok().and_then(|name| self.users.get(name));
        let (hash, user) = match known {
            Some((hash, user)) => (hash, Some(user)),
            None => (&self.decoy, None),
        };
        let right = password.len() <= PASSWORD_MAX && hash.matches(password);
        user.filter(|_| right).cloned()
    }
}

/// Reads a line that is no comment.
fn user(line: &str) -> Result<(Hash, User), LineError> {
    // Neither a name nor a hash has a colon; a container's name may.
    let mut parts = line.splitn(3, ':');
    let (Some(name), Some(hash), Some(rights)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(LineError::Form);
    };
    check_name(name)?;
    let hash = Hash::parse(hash).map_err(LineError::Hash)?;
    Ok((hash, User { name: name.to_owned(), rights: Rights::parse(rights)? }))
}

fn check_name(name: &str) -> Result<(), LineError> {
    let bad = |c: char| c == ':' || c == '#' || c.is_whitespace() || c.is_control();
    if name.is_empty() || name.len() > NAME_MAX || name.contains(bad) {
        return Err(LineError::Name(name.into()));
    }
    Ok(())
}

/// A line for the users file, without its end; the password's salt is new each time.
///
/// # Errors
/// The name, the password or the rights are not allowed, or the system gives no random bytes.
pub fn line(name: &str, password: &[u8], rights: &str) -> Result<String, LineError> {
    check_name(name)?;
    Rights::parse(rights)?;
    if rights.contains(char::is_control) {
        return Err(LineError::RightsText);
    }
    if password.is_empty() || password.len() > PASSWORD_MAX {
        return Err(LineError::PasswordLength);
    }
    if password.contains(&0) {
        return Err(LineError::PasswordNul);
    }
    Ok(format!("{name}:{}:{rights}", Hash::new(password).map_err(LineError::Hash)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The password of [`ALICE`], hashed by the reference implementation (`argon2 somesalt -id -t 2 -m 8 -p 1`).
    const PASSWORD: &[u8] = b"password";
    const HASH: &str = "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";

    fn file(rights: &str) -> Users {
        Users::parse(&format!("# staff\n\nalice:{HASH}:{rights}\n")).unwrap()
    }

    #[test]
    fn a_hash_of_the_reference_implementation_is_checked() {
        let users = file("*=rw");
        assert_eq!(users.check(b"alice", PASSWORD).unwrap().name(), "alice");
        for (name, password) in
            [(&b"alice"[..], &b"passwor"[..]), (b"alice", b""), (b"bob", PASSWORD), (b"\xff", PASSWORD), (b"", b"")]
        {
            assert!(users.check(name, password).is_none(), "{name:?} {password:?}");
        }
    }

    #[test]
    fn lines_that_are_made_here_are_read_here() {
        let made = line("bob", b"pa:ss,w=rd", "carts=rw,*=r").unwrap();
        assert_ne!(made, line("bob", b"pa:ss,w=rd", "carts=rw,*=r").unwrap(), "the salt is new each time");
        let users = Users::parse(&made).unwrap();
        let bob = users.check(b"bob", b"pa:ss,w=rd").unwrap();
        assert!(bob.may(Right::Write, "carts") && !bob.may(Right::Write, "prices") && bob.may(Right::Read, "prices"));
        for (name, password, rights) in [
            ("", "x", "*=rw"),
            ("a b", "x", "*=rw"),
            ("a:b", "x", "*=rw"),
            ("#a", "x", "*=rw"),
            ("a", "", "*=rw"),
            ("a", "x\0", "*=rw"),
            ("a", "x", "*=w"),
            ("a", "x", ""),
            ("a", "x", "*=rw\nb"),
        ] {
            assert!(line(name, password.as_bytes(), rights).is_err(), "{name:?} {password:?} {rights:?}");
        }
    }

    #[test]
    fn rights() {
        use Right::{Read, Write};
        for (rights, container, read, write, administer) in [
            ("*=rw", "any", true, true, true),
            ("*=r", "any", true, false, false),
            ("carts=rw", "carts", true, true, false),
            ("carts=rw", "cart", false, false, false),
            ("carts=r, prices=rw", "carts", true, false, false),
            ("carts=r, prices=rw", "prices", true, true, false),
            ("*=rw,carts=r", "carts", true, false, true),
            ("a:b=rw", "a:b", true, true, false),
            ("a=b=r", "a=b", true, false, false),
        ] {
            let user = file(rights).check(b"alice", PASSWORD).unwrap();
            let has = (user.may(Read, container), user.may(Write, container), user.may_administer());
            assert_eq!(has, (read, write, administer), "{rights} {container}");
        }
    }

    #[test]
    fn refusals_name_the_line() {
        for (text, parts) in [
            ("", &["names no user"][..]),
            ("# nobody\n", &["names no user"]),
            ("alice", &["line 1", "name:hash:rights"]),
            ("\nalice:secret", &["line 2", "name:hash:rights"]),
            ("alice:secret:*=rw", &["line 1", "argon2id"]),
            ("alice:$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ:*=rw", &["line 1", "argon2id"]),
            (
                "alice:$argon2i$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4:*=rw",
                &["argon2id"],
            ),
            (
                "alice:$argon2id$v=19$m=4194304,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4:*=rw",
                &["1048576"],
            ),
            ("alice:HASH:", &["line 1", "container=rw"]),
            ("alice:HASH:carts", &["line 1", "container=rw"]),
            ("alice:HASH:=r", &["line 1", "container=rw"]),
            ("alice:HASH:a=r,a=rw", &["line 1", "two rights"]),
            ("alice:HASH:*=r\nalice:HASH:*=r", &["line 2", "twice"]),
            ("al ice:HASH:*=r", &["line 1", "user's name"]),
        ] {
            let error = Users::parse(&text.replace("HASH", HASH)).unwrap_err().to_string();
            for part in parts {
                assert!(error.contains(part), "{text}: {error} does not say {part}");
            }
            assert!(!error.contains("secret"), "a message shows what may be a password: {error}");
        }
    }

    #[test]
    fn a_file_that_others_may_read_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("users");
        std::fs::write(&path, format!("alice:{HASH}:*=rw\n")).unwrap();
        for (mode, allowed) in [(0o600, true), (0o640, true), (0o644, false), (0o602, false)] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            match Users::load(&path) {
                Ok(_) => assert!(allowed, "{mode:o}"),
                Err(error) => {
                    let error = error.to_string();
                    assert!(!allowed && error.contains(path.to_str().unwrap()) && error.contains("0600"));
                }
            }
        }
        let refused = |path: &Path| Users::load(path).unwrap_err().to_string();
        assert!(refused(folder.path()).contains("regular file"));
        assert!(refused(&folder.path().join("none")).contains("cannot be read"));
    }
}
