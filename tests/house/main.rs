//! The project about itself: rooms, exports, headers, bindings, packages, figures.

#[path = "../common/mod.rs"]
mod common;

mod bench;
mod bindings;
mod cmake;
mod documents;
mod exports;
mod headers;
mod imports;
mod instructions;
mod messages;
mod ports;
mod rooms;
mod size;
mod source;
