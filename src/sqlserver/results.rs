//! Result sets as packets, in text or in the binary form of prepared statements.
//!
//! Whether another result follows stands in the packet that ends one, so that packet waits until the next begins or
//! the last was said.

use std::borrow::Cow;
use std::io;

use super::channel::{Channel, status_bits};
use super::protocol::{CHARSET_BINARY, CHARSET_UTF8MB4, field, put_bytes, put_int, status};
use crate::refengine::codes;
use crate::refengine::sql::{End, Kind, Result, ResultColumn, Sink, SqlError, Status, too_much};

/// Bytes of the values of a row that is sent: a stored one always fits.
const ROW_MAX: usize = (1 << 30) + (1 << 20);

/// Receives the results of one command.
pub struct Results<'a> {
    channel: &'a mut Channel,
    /// Of the session before the command.
    status: Status,
    binary: bool,
    kinds: Vec<Kind>,
    pending: Option<End>,
    row: Vec<u8>,
    /// The command is comments alone, which MySQL answers with OK.
    says_nothing: bool,
    /// Writing to the client failed: its connection is over.
    broken: Option<io::Error>,
}

impl<'a> Results<'a> {
    pub fn new(channel: &'a mut Channel, status: Status, binary: bool) -> Results<'a> {
        Results {
            channel,
            status,
            binary,
            kinds: Vec::new(),
            pending: None,
            row: Vec::new(),
            says_nothing: false,
            broken: None,
        }
    }

    /// Of a command in text. One without a statement is an error only where there is nothing at all.
    pub fn of_text(mut self, text: &[u8]) -> Results<'a> {
        self.says_nothing = text.iter().any(|byte| !byte.is_ascii_whitespace() && *byte != b';');
        self
    }

    /// The command ended with this.
    pub fn finish(mut self, result: Result<()>) -> io::Result<()> {
        if let Some(error) = self.broken {
            return Err(error);
        }
        match result {
            Ok(()) if self.pending.is_none() && self.says_nothing => {
                self.channel.ok(0, 0, status_bits(self.status))?;
            }
            Ok(()) if self.pending.is_none() => self.channel.error(&SqlError::empty_query())?,
            Ok(()) => self.end_pending(0)?,
            Err(error) => {
                self.end_pending(status::MORE_RESULTS)?;
                self.channel.error(&error)?;
            }
        }
        self.channel.flush()
    }

    fn end_pending(&mut self, more: u16) -> io::Result<()> {
        match self.pending.take() {
            None => Ok(()),
            Some(end) if end.columns > 0 => self.channel.eof(end.warnings, status_bits(end.status) | more),
            Some(end) => self.channel.ok(end.affected, end.warnings, status_bits(end.status) | more),
        }
    }

    fn columns_inner(&mut self, columns: &[ResultColumn]) -> io::Result<()> {
        self.end_pending(status::MORE_RESULTS)?;
        let mut count = Vec::new();
        put_int(&mut count, columns.len() as u64);
        self.channel.write(&count)?;
        definitions(self.channel, columns, self.status)
    }

    /// A failed write ends the statement; what failed is told to the connection by `finish`.
    fn sent(&mut self, result: io::Result<()>) -> Result<()> {
        result.map_err(|error| {
            self.broken = Some(error);
            SqlError::interrupted()
        })
    }
}

/// Sends definitions of columns and the packet behind them.
pub fn definitions(channel: &mut Channel, columns: &[ResultColumn], status: Status) -> io::Result<()> {
    for column in columns {
        channel.write(&definition(column))?;
    }
    channel.eof(0, status_bits(status))
}

/// A column's definition.
pub fn definition(column: &ResultColumn) -> Vec<u8> {
    const UNSIGNED: u16 = 32;
    const BLOB: u16 = 16;
    const BINARY: u16 = 128;
    let (ty, charset, length, flags): (u8, u16, u32, u16) = match column.kind {
        Kind::Null => (field::NULL, CHARSET_BINARY, 0, BINARY),
        Kind::Int { bytes, unsigned } => {
            let (ty, digits) = match bytes {
                1 => (field::TINY, 4),
                2 => (field::SHORT, 6),
                3 => (field::INT24, 9),
                4 => (field::LONG, 11),
                _ => (field::LONGLONG, 20),
            };
            (ty, CHARSET_BINARY, digits, BINARY | if unsigned { UNSIGNED } else { 0 })
        }
        Kind::Decimal => (field::NEWDECIMAL, CHARSET_BINARY, 67, BINARY),
        Kind::Double => (field::DOUBLE, CHARSET_BINARY, 23, BINARY),
        Kind::Text { long: false } => (field::VAR_STRING, CHARSET_UTF8MB4, 0xffff, 0),
        Kind::Text { long: true } => (field::BLOB, CHARSET_UTF8MB4, u32::MAX, BLOB),
        Kind::Bytes { long: false } => (field::VAR_STRING, CHARSET_BINARY, 0xffff, BINARY),
        Kind::Bytes { long: true } => (field::BLOB, CHARSET_BINARY, u32::MAX, BLOB | BINARY),
    };
    let decimals = match column.kind {
        Kind::Decimal | Kind::Double => 31,
        _ => 0,
    };
    let (db, table) = column.table.as_ref().map_or(("", ""), |(db, table)| (db, table));
    let of_table = if column.table.is_some() { column.name.as_str() } else { "" };
    let mut packet = Vec::new();
    for text in ["def", db, table, table, &column.name, of_table] {
        put_bytes(&mut packet, text.as_bytes());
    }
    packet.push(0x0c);
    packet.extend(charset.to_le_bytes());
    packet.extend(length.to_le_bytes());
    packet.push(ty);
    packet.extend(flags.to_le_bytes());
    packet.extend([decimals, 0, 0]);
    packet
}

/// Appends a value in its binary form. A text that is not what its column's type says cannot be sent.
fn put_binary(out: &mut Vec<u8>, kind: Kind, text: &[u8]) -> Result<()> {
    let parsed = std::str::from_utf8(text).ok();
    let wrong = || SqlError::new(codes::ER_UNKNOWN_ERROR, "A value is not of its column's type");
    match kind {
        Kind::Int { bytes, .. } => {
            let n: i128 = parsed.and_then(|text| text.parse().ok()).ok_or_else(wrong)?;
            // A MEDIUMINT travels in four bytes.
            let width = if bytes == 3 { 4 } else { usize::from(bytes) };
            out.extend(n.to_le_bytes().iter().take(width));
        }
        Kind::Double => {
            let number: f64 = parsed.and_then(|text| text.parse().ok()).ok_or_else(wrong)?;
            out.extend(number.to_le_bytes());
        }
        Kind::Null | Kind::Decimal | Kind::Text { .. } | Kind::Bytes { .. } => put_bytes(out, text),
    }
    Ok(())
}

impl Sink for Results<'_> {
    fn columns(&mut self, columns: &[ResultColumn]) -> Result<()> {
        self.kinds = columns.iter().map(|column| column.kind).collect();
        let written = self.columns_inner(columns);
        self.sent(written)
    }

    fn row(&mut self, values: &[Option<Cow<'_, [u8]>>]) -> Result<()> {
        if values.iter().flatten().map(|value| value.len()).sum::<usize>() > ROW_MAX {
            return Err(too_much(ROW_MAX));
        }
        let row = &mut self.row;
        row.clear();
        if self.binary {
            // The header, then a bit for each NULL, counted from the third.
            row.resize(1 + (values.len() + 2).div_ceil(8), 0);
            for (at, _) in values.iter().enumerate().filter(|(_, value)| value.is_none()) {
                if let Some(byte) = row.get_mut(1 + (at + 2) / 8) {
                    *byte |= 1 << ((at + 2) % 8);
                }
            }
            for (value, kind) in values.iter().zip(&self.kinds) {
                if let Some(value) = value {
                    put_binary(row, *kind, value)?;
                }
            }
        } else {
            for value in values {
                match value {
                    Some(value) => put_bytes(row, value),
                    None => row.push(0xfb),
                }
            }
        }
        let written = self.channel.write(&self.row);
        self.sent(written)
    }

    fn done(&mut self, end: End) -> Result<()> {
        if end.columns == 0 {
            let written = self.end_pending(status::MORE_RESULTS);
            self.sent(written)?;
        }
        self.pending = Some(end);
        Ok(())
    }
}
