//! Why a users file, a line of it or a hash is refused. No message repeats what may be a password.

use super::limits::{FILE_MAX, NAME_MAX, PASSWORD_MAX};
use std::error::Error;
use std::fmt;
use std::path::PathBuf;

/// A users file cannot be used.
#[derive(Debug)]
pub struct FileError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub problem: FileProblem,
}

/// What is wrong with a users file.
#[derive(Debug)]
#[non_exhaustive]
pub enum FileProblem {
    /// The system does not let us read it.
    Unreadable(std::io::Error),
    /// It is a folder, a pipe or the like.
    NotRegular,
    /// Others may read or write it; its mode.
    Mode(u32),
    /// It is larger than any users file.
    TooLarge,
    /// Its text.
    Users(UsersError),
}

/// The text of a users file is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum UsersError {
    /// A line, counted from 1.
    Line(usize, LineError),
    /// A line, counted from 1, names a user that has one already.
    Twice(usize),
    /// There is no user.
    Empty,
}

/// A user's line cannot be read or made.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum LineError {
    /// It does not consist of name, hash and rights.
    Form,
    /// Such a name is not allowed.
    Name(String),
    /// The hash.
    Hash(HashError),
    /// This is no right.
    Right(String),
    /// A container has two rights.
    TwoRights(String),
    /// The rights contain control characters.
    RightsText,
    /// The password is empty or too long.
    PasswordLength,
    /// The password contains NUL.
    PasswordNul,
}

/// A hash cannot be read or made.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum HashError {
    /// It is none that can be checked.
    Form,
    /// Checking it takes more than is allowed: KiB of memory, and passes.
    Costs(u32, u32),
    /// The system gives no random bytes.
    NoRandom(String),
    /// The password cannot be hashed.
    Failed(String),
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "users file {}: {}", self.path.display(), self.problem)
    }
}

impl fmt::Display for FileProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FileProblem::Unreadable(error) => write!(f, "cannot be read: {error}"),
            FileProblem::NotRegular => f.write_str("is not a regular file"),
            FileProblem::Mode(mode) => {
                write!(f, "its mode {mode:04o} lets everybody read or write it; chmod 0600 it")
            }
            FileProblem::TooLarge => write!(f, "is larger than {FILE_MAX} bytes"),
            FileProblem::Users(error) => error.fmt(f),
        }
    }
}

impl fmt::Display for UsersError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            UsersError::Line(line, error) => write!(f, "line {line}: {error}"),
            UsersError::Twice(line) => write!(f, "line {line}: this user stands in the file twice"),
            UsersError::Empty => f.write_str("names no user; `memcached-host passwd NAME` prints a line for it"),
        }
    }
}

impl fmt::Display for LineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LineError::Form => f.write_str("expected name:hash:rights"),
            LineError::Name(name) => write!(
                f,
                "{name:?} is no user's name; expected 1 to {NAME_MAX} bytes without white space, colon or number sign"
            ),
            LineError::Hash(error) => error.fmt(f),
            LineError::Right(entry) => {
                write!(f, "{entry:?} is no right; expected container=r, container=rw or *=rw")
            }
            LineError::TwoRights(container) => write!(f, "container {container} has two rights"),
            LineError::RightsText => f.write_str("rights must stand on one line"),
            LineError::PasswordLength => write!(f, "a password has 1 to {PASSWORD_MAX} bytes"),
            LineError::PasswordNul => f.write_str("a password must not contain NUL: SASL could not say it"),
        }
    }
}

impl fmt::Display for HashError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HashError::Form => {
                f.write_str("the hash is not one of argon2id; `memcached-host passwd NAME` prints a line with one")
            }
            HashError::Costs(memory, passes) => {
                write!(f, "the hash costs more than m={memory} KiB and t={passes} passes")
            }
            HashError::NoRandom(reason) => write!(f, "the system gives no random bytes for a salt: {reason}"),
            HashError::Failed(reason) => write!(f, "cannot hash the password: {reason}"),
        }
    }
}

impl Error for FileError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.problem {
            FileProblem::Unreadable(error) => Some(error),
            FileProblem::Users(error) => Some(error),
            _ => None,
        }
    }
}

impl Error for UsersError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            UsersError::Line(_, error) => Some(error),
            _ => None,
        }
    }
}

impl Error for LineError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            LineError::Hash(error) => Some(error),
            _ => None,
        }
    }
}

impl Error for HashError {}
