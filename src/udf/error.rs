//! Why a function refuses its arguments.

use std::fmt;

/// An argument is wrong. Behaviours are named as users name them.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ArgumentError {
    /// There are too few or too many; how the function is called.
    Count(&'static str),
    /// There is no such behaviour.
    NoBehavior(String),
    /// This behaviour is on or off.
    NotAFlag(&'static str),
    /// This behaviour can only be off.
    NotZero(&'static str),
    /// This behaviour is a number up to the second.
    NotANumber(&'static str, u64),
    /// This behaviour is a hash function.
    NoHash(&'static str),
    /// This behaviour is a distribution.
    NoDistribution(&'static str),
    /// This element of a list names no server.
    NoServer(String),
    /// A list names so many servers, and may name so many.
    TooManyServers(usize, usize),
}

impl fmt::Display for ArgumentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ArgumentError::Count(usage) => write!(f, "Usage: {usage}"),
            ArgumentError::NoBehavior(name) => {
                write!(f, "there is no behavior {name:.64}, memc_list_behaviors() names them")
            }
            ArgumentError::NotAFlag(name) => write!(f, "{name} must be 0 or 1"),
            ArgumentError::NotZero(name) => write!(f, "{name} must be 0, these functions do no such thing"),
            ArgumentError::NotANumber(name, most) => write!(f, "{name} must be a number from 0 to {most}"),
            ArgumentError::NoHash(name) => {
                write!(f, "{name} must be a hash function, memc_list_hash_types() names them")
            }
            ArgumentError::NoDistribution(name) => {
                write!(f, "{name} must be a distribution, memc_list_distribution_types() names them")
            }
            ArgumentError::NoServer(element) => write!(
                f,
                "'{element}' names no server: write host, host:port, host:port:weight, [IPv6]:port or /path/of/a/socket"
            ),
            ArgumentError::TooManyServers(count, most) => {
                write!(f, "{count} servers are too many, {most} is the limit")
            }
        }
    }
}

impl std::error::Error for ArgumentError {}
