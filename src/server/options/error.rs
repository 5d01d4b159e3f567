//! Why an option string is refused.

use std::fmt;

/// What is wrong with an option string. Options are named as they stand in it, with their dashes.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum OptionError {
    /// This word is neither an option nor an argument of one.
    NotAFlag(String),
    /// The option is not known.
    Unknown(String),
    /// The option has no argument.
    ArgumentMissing(String),
    /// The option has an argument and takes none.
    ArgumentSurplus(String),
    /// The argument is no number in the option's range.
    Number {
        /// The option.
        option: String,
        /// Its argument.
        text: String,
        /// The least number.
        min: u64,
        /// The greatest.
        max: u64,
    },
    /// The argument of `-a` is no access mask.
    Mode(String),
    /// The argument of `-I` is no size of items.
    ItemSize(String),
    /// The argument of `-D` is not one character.
    Delimiter(String),
    /// The argument of `-B` is no protocol.
    Dialect(String),
    /// `-U` wants a port of UDP.
    Udp(String),
    /// `-S` without `-Y` or accounts.
    NoUsers,
    /// `-Y` and accounts.
    TwoKindsOfUsers,
    /// `daemon_memcached_auth` is none of what it can be.
    Auth(String),
    /// Options of TLS without `-Z`.
    NoTls,
    /// `-Z` without a certificate.
    NoCertificate,
    /// Clients' certificates are to be verified, at this level, and nobody vouches for them.
    NoAuthorities(u8),
    /// This name in the list of `-o` has no value.
    ValueMissing(String),
    /// The value of this name in the list of `-o` is neither yes nor no.
    NeitherYesNorNo {
        /// The name.
        name: &'static str,
        /// Its value.
        text: String,
    },
    /// Metrics cannot be served there.
    MetricsAddress(String),
    /// The oldest version of TLS is none that is offered.
    TlsVersion(String),
    /// The files of TLS are not in PEM.
    KeyFormat,
    /// The cipher suites of TLS cannot be chosen.
    CipherSuites,
    /// This name in the list of `-o` is not known.
    UnknownEntry(String),
}

impl fmt::Display for OptionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OptionError::NotAFlag(word) => {
                write!(f, "option string: {word:?} is not a flag; expected memcached's options, e.g. -p 11211 -t 4")
            }
            OptionError::Unknown(option) => {
                write!(f, "option {option} is unknown; remove it from daemon_memcached_option")
            }
            OptionError::ArgumentMissing(option) => write!(f, "option {option} needs an argument"),
            OptionError::ArgumentSurplus(option) => write!(f, "option {option} takes no argument"),
            OptionError::Number { option, text, min, max } => {
                write!(f, "option {option}: {text:?} is not a number from {min} to {max}")
            }
            OptionError::Mode(text) => write!(f, "option -a: {text:?} is not an access mask in octal, e.g. 0700"),
            OptionError::ItemSize(text) => write!(f, "option -I: {text:?} is not an item size from 1k to 1024m"),
            OptionError::Delimiter(text) => write!(f, "option -D: {text:?} is not one character, e.g. -D :"),
            OptionError::Dialect(text) => write!(f, "option -B: {text:?} is not auto, ascii or binary"),
            OptionError::Udp(port) => write!(f, "option -U {port}: UDP is not supported; use -U 0 or leave it out"),
            OptionError::NoUsers => {
                f.write_str("option -S needs to know who may log in: add -Y FILE, or set daemon_memcached_auth")
            }
            OptionError::TwoKindsOfUsers => {
                f.write_str("daemon_memcached_auth=mysql and a users file, option -Y, exclude each other")
            }
            OptionError::Auth(value) => write!(f, "daemon_memcached_auth is {value:?}; it can be off or mysql"),
            OptionError::NoTls => f.write_str("the ssl_ options of -o need -Z"),
            OptionError::NoCertificate => {
                f.write_str("option -Z needs a certificate: add -o ssl_chain_cert=FILE,ssl_key=FILE")
            }
            OptionError::NoAuthorities(level) => {
                write!(f, "option -o ssl_verify_mode={level} needs ssl_ca_cert=FILE to verify with")
            }
            OptionError::ValueMissing(name) => write!(f, "option -o {name} needs a value"),
            OptionError::NeitherYesNorNo { name, text } => write!(f, "option -o {name}={text}: yes or no"),
            OptionError::MetricsAddress(text) => write!(f, "option -o metrics={text}: a port, or IP:PORT"),
            OptionError::TlsVersion(text) => {
                write!(f, "option -o ssl_min_version={text}: 2 (TLS 1.2) and 3 (TLS 1.3) are offered, nothing older")
            }
            OptionError::KeyFormat => f.write_str("option -o ssl_keyformat: only PEM is supported"),
            OptionError::CipherSuites => {
                f.write_str("option -o ssl_ciphers: the cipher suites cannot be chosen; all of them are strong")
            }
            OptionError::UnknownEntry(name) => {
                write!(f, "option -o {name} is unknown or not supported; remove it from daemon_memcached_option")
            }
        }
    }
}

impl std::error::Error for OptionError {}
