//! memcached's wire protocol: bytes to [`Request`]s, their [`Outcome`]s to bytes.
//!
//! Pure: no I/O, no clock, no allocation per request; requests borrow from the bytes they were parsed from. The server owns the
//! sockets and buffers and calls [`Parser::parse`] on a connection's unconsumed input until it is told to wait;
//! [`Request::answer`] appends outcomes to a buffer of the server's. Nothing here has a thread or a lock.
//!
//! [`Parser`] decides between text and `binary` packets and cuts text into lines and data blocks; `ascii` understands the text
//! commands and `meta` the meta commands between them. All three make one [`Operation`] of it, and each has a `reply` that words an
//! [`Outcome`].

#![forbid(unsafe_code)]

mod answer;
mod ascii;
mod base64;
mod binary;
mod keys;
mod kind;
mod limits;
mod line;
mod meta;
pub mod operation;
pub mod outcome;
mod parser;
pub mod reply;
mod request;
mod search;
mod style;

pub use keys::{KeyBuffer, KeyIter, Keys};
pub use limits::{GET_LINE_MAX, KEY_MAX, KEYS_MAX, LINE_MAX};
pub use operation::Operation;
pub use outcome::{Denial, Fault, Outcome};
pub use parser::{Dialect, Parsed, Parser};
pub use request::Request;
pub use style::{MetaStyle, PacketStyle, Status, Style};
