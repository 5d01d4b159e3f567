//! The bundled SQL: statements and their answers, sessions side by side, and stock clients of the SQL end.

#![cfg(feature = "refengine")]

#[path = "../common/mod.rs"]
mod common;
mod support;

mod definitions;
mod expressions;
mod moving;
mod rows;
mod scripts;
mod server;
mod sessions;
mod sqlend;
mod statements;
mod texts;
