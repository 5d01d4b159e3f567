//! The C boundary: a plugin for servers that know INSTALL PLUGIN, and functions for C programs that do not.
//!
//! - [`descriptor`]: what a server finds in the shared library, [`mariadb`]: what MariaDB finds, [`exported`]: what they write there;
//! - [`lifecycle`]: init and deinit;
//! - `daemon`: the one daemon of this process;
//! - [`connections`]: what a host asks of the daemon's clients;
//! - `load`: fits the descriptor to the server that loads the library;
//! - [`variables`]: system and status variables;
//! - [`embed`]: the functions of `daemon_memcached.h`.
//!
//! Every function that C calls goes through `boundary::guard`: a panic becomes the function's error value. A process runs one
//! daemon at a time, whichever way it was started.

pub mod connections;
mod daemon;
pub mod descriptor;
pub mod embed;
pub mod exported;
pub mod lifecycle;
mod load;
pub mod mariadb;
mod variables;
