//! `daemon_memcached`: memcached's protocol in front of durable table rows.
//!
//! ```text
//!     bytes ─► server ─► protocol ─► store ─► rows ─► callback table ─► refengine | InnoDB
//!                │                     │
//!                └ replies             └ cache
//! ```
//!
//! | room | knows | must not know |
//! |---|---|---|
//! | `boundary` | the guard against panics that C would meet, typed handles, C text; all rooms may use it | all rooms |
//! | [`plugin`] | what C calls: descriptors, init and deinit, variables | protocol, rows |
//! | [`host`] | one file per kind of host: tables, threads, log, messages, shutdown | memcached |
//! | [`rows`] | reading and writing rows, transactions; every raw call of the table | containers, protocol |
//! | [`store`] | containers, mapping, values, expiry, cas, counters on rows | sockets, bytes on the wire |
//! | [`cache`] | the memory store behind cache_only and caching | tables |
//! | [`auth`] | users, their passwords' hashes and their rights | everything else |
//! | [`protocol`] | bytes to requests, replies to bytes; pure | store, sockets |
//! | [`server`] | listeners, workers, connections, ticks, limits, statistics | columns, tables |
//! | [`udf`] | the memc_* functions for SQL: a client of memcached in the server | everything else |
//! | `refengine` | the bundled engine: the same table from the other side, and SQL | everything left of the table |
//! | `sqlserver` | the MySQL client protocol in front of the bundled engine's SQL | everything left of the table |
//!
//! A test (`tests/house/rooms.rs`) fails when a room imports one it must not know.

pub mod auth;
mod boundary;
#[rustfmt::skip]
pub mod bindings;
pub mod cache;
pub mod host;
mod places;
pub mod plugin;
pub mod protocol;
mod recycle;
#[cfg(feature = "refengine")]
pub mod refengine;
pub mod rows;
pub mod server;
mod signals;
#[cfg(feature = "sqlserver")]
pub mod sqlserver;
pub mod store;
pub mod udf;
