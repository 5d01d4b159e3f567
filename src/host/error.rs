//! Why a host cannot be used, or not now.

use crate::rows::table::ApiError;
use std::error::Error;
use std::ffi::c_int;
use std::fmt;

/// What a host lacks or refuses. `Display` is one sentence for the DBA.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum HostError {
    /// The table that it hands over.
    Table(ApiError),
    /// It hands over none; its release.
    NoTable(String),
    /// Its release is none that the daemon knows how to use.
    Unsupported {
        /// Kind and version.
        server: String,
        /// What to do about it, behind the sentence's beginning.
        hint: &'static str,
    },
    /// Nobody has tried the daemon on its series.
    Untested(String),
    /// A setting of it makes it one that the daemon cannot use; the sentence says what to change.
    Setting(&'static str),
    /// It does not export a symbol.
    NoSymbol(String),
    /// It has another name for one of InnoDB's errors.
    OtherCode {
        /// The error's number.
        number: c_int,
        /// Its name there.
        name: String,
        /// What the daemon expects in the name.
        word: &'static str,
    },
    /// It offers plugins nothing of this kind.
    NoService(&'static str),
    /// A release of MariaDB offers no SQL that can be used.
    NoSql(String),
    /// Its inside is not what the daemon knows.
    Layout(&'static str),
    /// It refused a thread, with its code. Who refused stands first.
    Thread(&'static str, c_int),
    /// It opened no session; its own words, if it has any.
    NoSession(Option<String>),
    /// It has no memory for a session.
    NoMemory,
    /// It did not attach a session to its thread.
    NotAttached(c_int),
    /// It tells nothing of the rights of a session.
    NoRights,
    /// A statement that every session begins with failed.
    Statement {
        /// The statement, or what it is about.
        text: String,
        /// The server's words.
        message: String,
    },
}

impl fmt::Display for HostError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HostError::Table(error) => error.fmt(f),
            HostError::NoTable(server) => {
                write!(f, "{server} handed over no InnoDB API table; is InnoDB disabled?")
            }
            HostError::Unsupported { server, hint } => write!(f, "daemon_memcached does not support {server}{hint}"),
            HostError::Untested(series) => write!(
                f,
                "daemon_memcached was not tested on {series}; to try it, start the server with \
                 loose_daemon_memcached_allow_untested_server=ON"
            ),
            HostError::Setting(sentence) => f.write_str(sentence),
            HostError::NoSymbol(name) => write!(
                f,
                "this server does not export {name}, which daemon_memcached needs; it was built in a way the plugin does not \
                 support"
            ),
            HostError::OtherCode { number, name, word } => write!(
                f,
                "this server calls InnoDB's error {number} {name:?}, where daemon_memcached knows {word:?}; this release is not \
                 supported"
            ),
            HostError::NoService(what) => {
                write!(f, "this server offers plugins no {what}, which daemon_memcached needs")
            }
            HostError::NoSql(server) => {
                write!(f, "{server} offers plugins no SQL that daemon_memcached knows how to use")
            }
            HostError::Layout(sentence) => f.write_str(sentence),
            HostError::Thread(who, code) => write!(f, "{who} refused a thread of the daemon with code {code}"),
            HostError::NoSession(None) => f.write_str("the server opened no session for the daemon"),
            HostError::NoSession(Some(words)) => write!(f, "the server opened no session for the daemon: {words}"),
            HostError::NoMemory => f.write_str("the server has no memory for a session of the daemon"),
            HostError::NotAttached(code) => write!(f, "the server did not attach the daemon's session, code {code}"),
            HostError::NoRights => f.write_str("the server tells nothing of the rights of the daemon's session"),
            HostError::Statement { text, message } => write!(f, "{text}: {message}"),
        }
    }
}

impl Error for HostError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            HostError::Table(error) => Some(error),
            _ => None,
        }
    }
}

impl From<ApiError> for HostError {
    fn from(error: ApiError) -> HostError {
        HostError::Table(error)
    }
}
