//! The types of results' columns.

use super::datum::Datum;
use crate::refengine::types::ColumnType;

/// The type of a result's column. Values are text whatever it says; a protocol with typed values parses them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Nothing but NULL.
    Null,
    /// An integer of 1, 2, 3, 4 or 8 bytes.
    Int {
        /// Its width.
        bytes: u8,
        /// Whether it has no sign.
        unsigned: bool,
    },
    /// An exact number with a fraction.
    Decimal,
    /// A floating-point number.
    Double,
    /// UTF-8.
    Text {
        /// TEXT and its like, not CHAR or VARCHAR.
        long: bool,
    },
    /// Any bytes.
    Bytes {
        /// BLOB and its like, not BINARY or VARBINARY.
        long: bool,
    },
}

impl Kind {
    /// What conditions, counts and lengths are.
    pub const BIGINT: Kind = Kind::Int { bytes: 8, unsigned: false };
    /// What most functions give.
    pub const TEXT: Kind = Kind::Text { long: false };

    pub(super) fn of_column(ty: &ColumnType) -> Kind {
        match ty {
            ColumnType::Int { bytes, unsigned } => Kind::Int { bytes: *bytes, unsigned: *unsigned },
            ColumnType::Char { .. } | ColumnType::VarChar { .. } | ColumnType::Enum { .. } => Kind::TEXT,
            ColumnType::Text { .. } => Kind::Text { long: true },
            ColumnType::Binary { .. } | ColumnType::VarBinary { .. } => Kind::Bytes { long: false },
            ColumnType::Blob { .. } => Kind::Bytes { long: true },
        }
    }

    pub(super) fn of_value(value: &Datum) -> Kind {
        match value {
            Datum::Null => Kind::Null,
            Datum::Int(_) => Kind::BIGINT,
            Datum::UInt(_) => Kind::Int { bytes: 8, unsigned: true },
            Datum::Decimal(_) => Kind::Decimal,
            Datum::Double(_) => Kind::Double,
            Datum::Bytes(_) => Kind::TEXT,
            Datum::Hex(_) => Kind::Bytes { long: false },
        }
    }

    /// What arithmetic on this gives: strings count as floating point.
    pub(super) fn number(self) -> Kind {
        match self {
            Kind::Int { unsigned, .. } => Kind::Int { bytes: 8, unsigned },
            Kind::Null => Kind::BIGINT,
            Kind::Decimal => Kind::Decimal,
            Kind::Double | Kind::Text { .. } | Kind::Bytes { .. } => Kind::Double,
        }
    }

    /// The narrowest that holds values of both.
    pub(super) fn either(self, other: Kind) -> Kind {
        match (self, other) {
            (a, b) if a == b => a,
            (Kind::Null, kind) | (kind, Kind::Null) => kind,
            (Kind::Int { unsigned: a, .. }, Kind::Int { unsigned: b, .. }) if a == b => {
                Kind::Int { bytes: 8, unsigned: a }
            }
            (Kind::Bytes { long }, _) | (_, Kind::Bytes { long }) => Kind::Bytes { long },
            (Kind::Text { long }, _) | (_, Kind::Text { long }) => Kind::Text { long },
            (Kind::Double, _) | (_, Kind::Double) => Kind::Double,
            _ => Kind::Decimal,
        }
    }
}
