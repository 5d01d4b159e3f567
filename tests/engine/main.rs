//! The bundled engine: its Rust interface, its callback table, isolation, durability, damage.

#![cfg(feature = "refengine")]

#[path = "../common/mod.rs"]
mod common;
#[macro_use]
mod support;

mod api;
mod api_fields;
mod api_trx;
mod conformance;
mod damage;
mod disk_full;
mod durability;
mod faults;
mod isolation;
mod model;
mod script;
mod tables;
