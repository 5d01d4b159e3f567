//! Character sets of columns.

use std::fmt::Write;

/// How bytes become a value of a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Charset {
    /// The column has none: numbers and bytes.
    None,
    /// The connection's own, utf8mb4.
    Utf8,
    /// Another one: bytes are taken as they are in it.
    Other {
        /// Name of the character set.
        charset: String,
        /// Name of the collation.
        collation: String,
    },
}

impl Charset {
    /// From the dictionary's two columns.
    pub fn new(charset: &str, collation: &str) -> Charset {
        match charset {
            "" | "binary" => Charset::None,
            "utf8mb4" => Charset::Utf8,
            _ => Charset::Other { charset: charset.into(), collation: collation.into() },
        }
    }

    /// A placeholder for a value that is compared with the column. One that is stored needs none of this: the server takes bytes without a
    /// character set for the column's, and refuses by the column's name those that are none of it.
    pub fn placeholder(&self, sql: &mut String) {
        match self {
            Charset::None | Charset::Utf8 => sql.push('?'),
            Charset::Other { charset, collation } => {
                let _ = write!(sql, "CONVERT(? USING {charset}) COLLATE {collation}");
            }
        }
    }
}
