//! What SHOW WARNINGS shows: the notes and warnings of the last statement, the error that ended it among them.

use super::error::SqlError;

/// MySQL's max_error_count.
const LIMIT: usize = 1024;

/// One line of SHOW WARNINGS.
#[derive(Debug, Clone)]
pub struct Warning {
    /// Note, Warning or Error.
    pub level: &'static str,
    pub errno: u32,
    pub message: String,
}

/// The last statement's warnings, at most 1024.
#[derive(Debug, Default, Clone)]
pub struct Warnings(Vec<Warning>);

impl Warnings {
    /// Records what happened instead of failing with it.
    pub fn add(&mut self, level: &'static str, error: &SqlError) {
        if self.0.len() < LIMIT {
            self.0.push(Warning { level, errno: error.errno, message: error.message.clone() });
        }
    }

    /// A note.
    pub fn note(&mut self, error: &SqlError) {
        self.add("Note", error);
    }

    /// In the order they happened.
    pub fn list(&self) -> &[Warning] {
        &self.0
    }
}
