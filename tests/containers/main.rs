//! Containers over tables: mappings, policies, ranges, batches, and what is mended of the original.

#[path = "../common/mod.rs"]
mod common;

mod columns;
mod containers;
mod held;
mod listeners;
mod mended;
mod model;
mod policies;
mod recipe;
mod secondary;
mod standing;
mod transactions;
