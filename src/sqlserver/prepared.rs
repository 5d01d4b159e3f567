//! Prepared statements of a connection, and the parameters of their executions.

use std::collections::HashMap;

use super::protocol::{MAX_PACKET, Reader, field};
use crate::refengine::codes;
use crate::refengine::sql::{Datum, SqlError, too_much};

/// MySQL's max_prepared_stmt_count, for one connection.
const MOST: usize = 16_382;

/// Bytes that a connection's statements and the values sent in pieces for them may take.
const KEPT_MAX: usize = 4 * MAX_PACKET;

/// A statement waiting for parameters.
pub struct Prepared {
    pub text: String,
    pub parameters: usize,
    /// Types of the parameters as last bound: type and whether it has no sign.
    types: Vec<(u8, bool)>,
    /// Values that were sent in pieces, by parameter.
    pieces: HashMap<usize, Vec<u8>>,
    /// A piece could not be kept.
    incomplete: bool,
}

/// A connection's statements by number.
#[derive(Default)]
pub struct Statements {
    known: HashMap<u32, Prepared>,
    last: u32,
}

fn unknown(id: u32) -> SqlError {
    SqlError::new(
        codes::ER_UNKNOWN_STMT_HANDLER,
        format!("Unknown prepared statement handler ({id}) given to mysqld_stmt_execute"),
    )
}

fn malformed() -> SqlError {
    SqlError::new(codes::ER_MALFORMED_PACKET, "Malformed communication packet")
}

impl Statements {
    /// Keeps a statement and returns its number.
    pub fn add(&mut self, text: String, parameters: usize) -> Result<u32, SqlError> {
        if self.known.len() >= MOST {
            let text = format!("Can't create more than max_prepared_stmt_count statements (current value: {MOST})");
            return Err(SqlError::new(codes::ER_MAX_PREPARED_STMT_COUNT_REACHED, text));
        }
        if self.size() + text.len() > KEPT_MAX {
            return Err(too_much(KEPT_MAX));
        }
        self.last = self.last.wrapping_add(1);
        let (types, pieces) = (Vec::new(), HashMap::new());
        self.known.insert(self.last, Prepared { text, parameters, types, pieces, incomplete: false });
        Ok(self.last)
    }

    pub fn close(&mut self, id: u32) {
        self.known.remove(&id);
    }

    pub fn clear(&mut self) {
        self.known.clear();
    }

    /// Bytes that are kept.
    fn size(&self) -> usize {
        let size = |kept: &Prepared| kept.text.len() + kept.pieces.values().map(Vec::len).sum::<usize>();
        self.known.values().map(size).sum()
    }

    /// Forgets values that were sent in pieces.
    pub fn reset(&mut self, id: u32) -> Result<(), SqlError> {
        let statement = self.known.get_mut(&id).ok_or_else(|| unknown(id))?;
        statement.pieces.clear();
        statement.incomplete = false;
        Ok(())
    }

    /// A piece of a value. There is no answer to it, so what cannot be kept makes the execution fail.
    pub fn piece(&mut self, packet: &[u8]) {
        let mut reader = Reader(packet);
        let (Some(id), Some(parameter)) = (reader.u32(), reader.u16()) else { return };
        let full = self.size() + reader.0.len() > KEPT_MAX;
        let Some(statement) = self.known.get_mut(&id) else { return };
        if usize::from(parameter) < statement.parameters {
            let value = statement.pieces.entry(usize::from(parameter)).or_default();
            if full {
                statement.incomplete = true;
            } else if value.len() <= MAX_PACKET {
                value.extend_from_slice(reader.0);
            }
        }
    }

    /// What COM_STMT_EXECUTE asks for: the statement and its parameters.
    pub fn execution(&mut self, packet: &[u8]) -> Result<(&str, Vec<Datum>), SqlError> {
        let mut reader = Reader(packet);
        let id = reader.u32().ok_or_else(malformed)?;
        let statement = self.known.get_mut(&id).ok_or_else(|| unknown(id))?;
        // Flags ask for a cursor, which need not be given; the iteration count is always 1.
        reader.take(1 + 4).ok_or_else(malformed)?;
        let values = statement.bound(&mut reader)?;
        statement.pieces.clear();
        if std::mem::take(&mut statement.incomplete) {
            return Err(too_much(KEPT_MAX));
        }
        Ok((&statement.text, values))
    }
}

impl Prepared {
    fn bound(&mut self, reader: &mut Reader<'_>) -> Result<Vec<Datum>, SqlError> {
        if self.parameters == 0 {
            return Ok(Vec::new());
        }
        let nulls = reader.take(self.parameters.div_ceil(8)).ok_or_else(malformed)?;
        if reader.u8().ok_or_else(malformed)? != 0 {
            let mut types = Vec::with_capacity(self.parameters);
            for _ in 0..self.parameters {
                let ty = reader.u8().zip(reader.u8()).ok_or_else(malformed)?;
                types.push((ty.0, ty.1 & 0x80 != 0));
            }
            self.types = types;
        }
        let mut values = Vec::with_capacity(self.parameters);
        for at in 0..self.parameters {
            let (ty, unsigned) = *self.types.get(at).ok_or_else(malformed)?;
            let null = nulls.get(at / 8).is_some_and(|byte| byte & (1 << (at % 8)) != 0);
            values.push(match self.pieces.remove(&at) {
                Some(bytes) if bytes.len() > MAX_PACKET => {
                    let text = "Parameter of prepared statement which is set through mysql_send_long_data() is longer than \
                                'max_allowed_packet' bytes";
                    return Err(SqlError::new(codes::ER_UNKNOWN_ERROR, text));
                }
                Some(bytes) => Datum::Bytes(bytes),
                None if null => Datum::Null,
                None => value(reader, ty, unsigned)?,
            });
        }
        Ok(values)
    }
}

fn value(reader: &mut Reader<'_>, ty: u8, unsigned: bool) -> Result<Datum, SqlError> {
    let int = |signed: i64, plain: u64| {
        if unsigned { i64::try_from(plain).map_or(Datum::UInt(plain), Datum::Int) } else { Datum::Int(signed) }
    };
    let read = match ty {
        field::NULL => Some(Datum::Null),
        field::TINY => reader.u8().map(|n| int(i64::from(n.cast_signed()), u64::from(n))),
        field::SHORT | field::YEAR => reader.u16().map(|n| int(i64::from(n.cast_signed()), u64::from(n))),
        field::LONG | field::INT24 => reader.u32().map(|n| int(i64::from(n.cast_signed()), u64::from(n))),
        field::LONGLONG => reader.u64().map(|n| int(n.cast_signed(), n)),
        field::FLOAT => reader.u32().map(|bits| Datum::Double(f64::from(f32::from_bits(bits)))),
        field::DOUBLE => reader.u64().map(|bits| Datum::Double(f64::from_bits(bits))),
        field::DATE | field::DATETIME | field::TIMESTAMP => reader.bytes().and_then(date),
        field::TIME => reader.bytes().and_then(time),
        field::DECIMAL | field::NEWDECIMAL | field::VARCHAR | field::BIT | field::TINY_BLOB..=field::STRING => {
            reader.bytes().map(|bytes| Datum::Bytes(bytes.to_vec()))
        }
        _ => return Err(SqlError::unsupported(format_args!("a parameter of type {ty}"))),
    };
    match read {
        Some(Datum::Double(number)) if !number.is_finite() => {
            Err(SqlError::new(codes::ER_ILLEGAL_VALUE_FOR_TYPE, "Illegal double value found during parsing"))
        }
        other => other.ok_or_else(malformed),
    }
}

/// `YYYY-MM-DD[ hh:mm:ss[.ffffff]]`
fn date(bytes: &[u8]) -> Option<Datum> {
    if bytes.is_empty() {
        return Some(Datum::text("0000-00-00"));
    }
    let mut reader = Reader(bytes);
    let (year, month, day) = (reader.u16()?, reader.u8()?, reader.u8()?);
    let day = format!("{year:04}-{month:02}-{day:02}");
    Some(Datum::text(if reader.0.is_empty() { day } else { format!("{day} {}", clock(&mut reader, 0)?) }))
}

/// `[-]hh:mm:ss[.ffffff]`
fn time(bytes: &[u8]) -> Option<Datum> {
    if bytes.is_empty() {
        return Some(Datum::text("00:00:00"));
    }
    let mut reader = Reader(bytes);
    let (negative, days) = (reader.u8()? != 0, reader.u32()?);
    let clock = clock(&mut reader, u64::from(days) * 24)?;
    Some(Datum::text(if negative { format!("-{clock}") } else { clock }))
}

fn clock(reader: &mut Reader<'_>, more_hours: u64) -> Option<String> {
    let (hour, minute, second) = (reader.u8()?, reader.u8()?, reader.u8()?);
    let text = format!("{:02}:{minute:02}:{second:02}", u64::from(hour) + more_hours);
    Some(if reader.0.is_empty() { text } else { format!("{text}.{:06}", reader.u32()?) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_connection_keeps_is_bounded() {
        let mut statements = Statements::default();
        let id = statements.add("SELECT ?, ?, ?, ?, ?".to_owned(), 5).unwrap();
        let piece = vec![b'x'; MAX_PACKET - 100];
        for parameter in 0..5_u16 {
            statements.piece(&[&id.to_le_bytes()[..], &parameter.to_le_bytes(), &piece].concat());
        }
        assert!(statements.size() <= KEPT_MAX);
        assert!(statements.add("x".repeat(1 << 20), 0).is_err());
        let execution = [&id.to_le_bytes()[..], &[0, 1, 0, 0, 0, 0, 1], &[field::BLOB, 0].repeat(5)].concat();
        assert_eq!(statements.execution(&execution).map(|_| ()).unwrap_err(), too_much(KEPT_MAX));
        // What could not be kept is gone, and the statement is as good as before.
        let values = [&execution[..], &[1, b'a'].repeat(5)].concat();
        assert_eq!(statements.execution(&values).unwrap().1, vec![Datum::text("a"); 5]);
        (0..MOST - 1).for_each(|_| _ = statements.add(String::new(), 0).unwrap());
        assert!(statements.add(String::new(), 0).is_err());
    }

    #[test]
    fn parameters_of_every_type() {
        let cases: &[(u8, bool, &[u8], Datum)] = &[
            (field::TINY, false, &[0xff], Datum::Int(-1)),
            (field::TINY, true, &[0xff], Datum::Int(255)),
            (field::SHORT, false, &[0, 0x80], Datum::Int(-32768)),
            (field::LONG, true, &[0xff; 4], Datum::Int(0xffff_ffff)),
            (field::LONGLONG, false, &[0xff; 8], Datum::Int(-1)),
            (field::LONGLONG, true, &[0xff; 8], Datum::UInt(u64::MAX)),
            (field::DOUBLE, false, &1.5f64.to_le_bytes(), Datum::Double(1.5)),
            (field::FLOAT, false, &1.5f32.to_le_bytes(), Datum::Double(1.5)),
            (field::VAR_STRING, false, b"\x02ab", Datum::text("ab")),
            (field::BLOB, false, b"\x00", Datum::text("")),
            (field::DATE, false, &[4, 0xea, 7, 11, 21], Datum::text("2026-11-21")),
            (field::DATETIME, false, &[7, 0xea, 7, 11, 21, 1, 2, 3], Datum::text("2026-11-21 01:02:03")),
            (field::TIME, false, &[8, 1, 1, 0, 0, 0, 2, 3, 4], Datum::text("-26:03:04")),
        ];
        for (ty, unsigned, bytes, expected) in cases {
            let mut reader = Reader(bytes);
            assert_eq!(value(&mut reader, *ty, *unsigned).as_ref(), Ok(expected), "type {ty}");
            assert!(reader.0.is_empty());
            assert!(value(&mut Reader(&bytes[..bytes.len() - 1]), *ty, *unsigned).is_err(), "type {ty}, cut");
        }
        assert!(value(&mut Reader(&f64::NAN.to_le_bytes()), field::DOUBLE, false).is_err());
        assert!(value(&mut Reader(b"\x00"), 200, false).is_err());
    }

    #[test]
    fn executions_bind_and_keep_types() {
        let mut statements = Statements::default();
        let id = statements.add("SELECT ?, ?".to_owned(), 2).unwrap();
        let head = [&id.to_le_bytes()[..], &[0, 1, 0, 0, 0]].concat();
        let first = [&head[..], &[0b10, 1, field::LONG, 0, field::STRING, 0, 7, 0, 0, 0]].concat();
        let (text, values) = statements.execution(&first).unwrap();
        assert_eq!((text, values), ("SELECT ?, ?", vec![Datum::Int(7), Datum::Null]));
        statements.piece(&[&id.to_le_bytes()[..], &[1, 0], b"ab"].concat());
        statements.piece(&[&id.to_le_bytes()[..], &[1, 0], b"cd"].concat());
        let again = [&head[..], &[0, 0, 8, 0, 0, 0]].concat();
        assert_eq!(statements.execution(&again).unwrap().1, [Datum::Int(8), Datum::text("abcd")]);
        assert_eq!(statements.execution(&again).unwrap_err().errno, 1835);
        statements.close(id);
        assert_eq!(statements.execution(&again).unwrap_err().errno, 1243);
    }
}
