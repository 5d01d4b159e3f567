//! Between a column's stored value and a statement's: strict conversion on the way in, text on the way out.

use super::datum::{Datum, Number, Rest, parse_prefix};
use super::error::{Result, SqlError};
use super::warnings::Warnings;
use crate::refengine::codes::{self, Code};
use crate::refengine::types::{ColumnDef, ColumnType, Value};

/// Where a value goes, for messages and for what happens to one that does not fit.
pub struct Target<'a> {
    pub column: &'a ColumnDef,
    /// Row of the statement, from 1.
    pub row: usize,
    /// INSERT IGNORE and UPDATE IGNORE: adjust the value and warn. Otherwise, as in strict mode, fail.
    pub ignore: bool,
}

impl Target<'_> {
    /// Reports a value that does not fit: the error, or a warning about the adjustment.
    fn misfit(&self, code: Code, text: String, warnings: &mut Warnings) -> Result<()> {
        let error = SqlError::new(code, format!("{text} for column '{}' at row {}", self.column.name, self.row));
        if !self.ignore {
            return Err(error);
        }
        warnings.add("Warning", &error);
        Ok(())
    }

    /// The value the column stores for `datum`.
    pub fn store(&self, datum: Datum, warnings: &mut Warnings) -> Result<Value> {
        if datum.is_null() {
            return self.store_null(warnings);
        }
        match &self.column.ty {
            ColumnType::Int { bytes, unsigned } => self.store_int(&datum, *bytes, *unsigned, warnings),
            ColumnType::Char { chars } | ColumnType::VarChar { chars } => {
                let limit = usize::try_from(*chars).unwrap_or(usize::MAX);
                let text = self.text(datum, warnings)?;
                let kept = self.fit(text, |text| char_boundary(text, limit), warnings)?;
                let is_char = matches!(self.column.ty, ColumnType::Char { .. });
                self.encode(if is_char { kept.trim_end_matches(' ').to_owned() } else { kept }, warnings)
            }
            ColumnType::Text { max_bytes, .. } => {
                let limit = usize::try_from(*max_bytes).unwrap_or(usize::MAX);
                let text = self.text(datum, warnings)?;
                let kept = self.fit(text, |text| text.floor_char_boundary(limit), warnings)?;
                self.encode(kept, warnings)
            }
            ColumnType::Binary { bytes } => {
                let width = usize::try_from(*bytes).unwrap_or(usize::MAX);
                let mut kept = self.fit_bytes(datum, width, warnings)?;
                kept.resize(width, 0);
                Ok(Value::Bytes(kept))
            }
            ColumnType::VarBinary { bytes } => {
                let limit = usize::try_from(*bytes).unwrap_or(usize::MAX);
                Ok(Value::Bytes(self.fit_bytes(datum, limit, warnings)?))
            }
            ColumnType::Blob { max_bytes, .. } => {
                let limit = usize::try_from(*max_bytes).unwrap_or(usize::MAX);
                Ok(Value::Bytes(self.fit_bytes(datum, limit, warnings)?))
            }
            ColumnType::Enum { values } => self.store_enum(&datum, values, warnings),
        }
    }

    fn store_null(&self, warnings: &mut Warnings) -> Result<Value> {
        if !self.column.not_null {
            return Ok(Value::Null);
        }
        let error = SqlError::new(codes::ER_BAD_NULL_ERROR, format!("Column '{}' cannot be null", self.column.name));
        if !self.ignore {
            return Err(error);
        }
        warnings.add("Warning", &error);
        Ok(implicit_default(self.column))
    }

    fn store_int(&self, datum: &Datum, bytes: u8, unsigned: bool, warnings: &mut Warnings) -> Result<Value> {
        let number = match datum {
            Datum::Bytes(text) => {
                let parsed = parse_prefix(text);
                let shown = String::from_utf8_lossy(text);
                match parsed.rest {
                    Rest::None => {}
                    Rest::NotANumber => {
                        self.misfit(
                            codes::ER_TRUNCATED_WRONG_VALUE_FOR_FIELD,
                            format!("Incorrect integer value: '{shown}'"),
                            warnings,
                        )?;
                    }
                    Rest::Garbage => {
                        self.misfit(codes::ER_WARN_DATA_TRUNCATED, "Data truncated".to_owned(), warnings)?
                    }
                }
                parsed.number
            }
            other => other.as_number().unwrap_or(Number::Int(0)),
        };
        let bits = 8 * u32::from(bytes.clamp(1, 8));
        let (low, high) =
            if unsigned { (0, (1i128 << bits) - 1) } else { (-(1i128 << (bits - 1)), (1i128 << (bits - 1)) - 1) };
        let wanted = number.round();
        let kept = wanted.clamp(low, high);
        if kept != wanted {
            self.misfit(codes::ER_WARN_DATA_OUT_OF_RANGE, "Out of range value".to_owned(), warnings)?;
        }
        // Within 64 bits after the clamp.
        Ok(if unsigned { Value::UInt(kept as u64) } else { Value::Int(kept as i64) })
    }

    fn store_enum(&self, datum: &Datum, labels: &[String], warnings: &mut Warnings) -> Result<Value> {
        let by_number = |n: i128| usize::try_from(n).ok().and_then(|n| n.checked_sub(1)).and_then(|at| labels.get(at));
        let found = match datum {
            Datum::Bytes(text) | Datum::Hex(text) => labels.iter().find(|label| label.as_bytes() == text.as_slice()),
            other => other.as_number().and_then(|n| by_number(n.round())),
        };
        match found {
            Some(label) => Ok(Value::Bytes(label.clone().into_bytes())),
            None => {
                self.misfit(codes::ER_WARN_DATA_TRUNCATED, "Data truncated".to_owned(), warnings)?;
                Ok(implicit_default(self.column))
            }
        }
    }

    /// The value as UTF-8 text.
    fn text(&self, datum: Datum, warnings: &mut Warnings) -> Result<String> {
        match String::from_utf8(datum.into_bytes().unwrap_or_default()) {
            Ok(text) => Ok(text),
            Err(error) => {
                let valid = error.utf8_error().valid_up_to();
                let mut bytes = error.into_bytes();
                self.incorrect_string(bytes.get(valid..).unwrap_or_default(), warnings)?;
                bytes.truncate(valid);
                Ok(String::from_utf8(bytes).unwrap_or_default())
            }
        }
    }

    fn incorrect_string(&self, from: &[u8], warnings: &mut Warnings) -> Result<()> {
        let shown: String = from
            .iter()
            .take(6)
            .map(|b| if b.is_ascii_graphic() { char::from(*b).to_string() } else { format!("\\x{b:02X}") })
            .collect();
        let dots = if from.len() > 6 { "..." } else { "" };
        self.misfit(
            codes::ER_TRUNCATED_WRONG_VALUE_FOR_FIELD,
            format!("Incorrect string value: '{shown}{dots}'"),
            warnings,
        )
    }

    /// Refuses characters that the column's character set lacks.
    fn encode(&self, text: String, warnings: &mut Warnings) -> Result<Value> {
        let fits = |c: char| self.column.charset.has(c);
        let Some(at) = text.find(|c| !fits(c)) else { return Ok(Value::Bytes(text.into_bytes())) };
        self.incorrect_string(text.as_bytes().get(at..).unwrap_or_default(), warnings)?;
        let replaced: String = text.chars().map(|c| if fits(c) { c } else { '?' }).collect();
        Ok(Value::Bytes(replaced.into_bytes()))
    }

    /// Cuts the text at `boundary`. Spaces at its end may go without a complaint, as in MySQL.
    fn fit(&self, mut text: String, boundary: impl Fn(&str) -> usize, warnings: &mut Warnings) -> Result<String> {
        let end = boundary(&text);
        if end < text.len() {
            if !text.get(end..).unwrap_or("").bytes().all(|b| b == b' ') {
                self.misfit(codes::ER_DATA_TOO_LONG, "Data too long".to_owned(), warnings)?;
            }
            text.truncate(end);
        }
        Ok(text)
    }

    fn fit_bytes(&self, datum: Datum, limit: usize, warnings: &mut Warnings) -> Result<Vec<u8>> {
        let mut bytes = datum.into_bytes().unwrap_or_default();
        if bytes.len() > limit {
            self.misfit(codes::ER_DATA_TOO_LONG, "Data too long".to_owned(), warnings)?;
            bytes.truncate(limit);
        }
        Ok(bytes)
    }
}

/// The offset behind the `limit`-th character.
fn char_boundary(text: &str, limit: usize) -> usize {
    if text.len() <= limit {
        return text.len();
    }
    text.char_indices().nth(limit).map_or(text.len(), |(at, _)| at)
}

/// What IGNORE puts where NOT NULL forbids NULL.
pub fn implicit_default(column: &ColumnDef) -> Value {
    match &column.ty {
        ColumnType::Int { unsigned: true, .. } => Value::UInt(0),
        ColumnType::Int { .. } => Value::Int(0),
        ColumnType::Enum { values } => Value::Bytes(values.first().cloned().unwrap_or_default().into_bytes()),
        ColumnType::Binary { bytes } => Value::Bytes(vec![0; usize::try_from(*bytes).unwrap_or(0)]),
        _ => Value::Bytes(Vec::new()),
    }
}

/// A row's value as an expression sees it. The engine hands text out as UTF-8, and CHAR without its padding.
pub fn load(value: &Value) -> Datum {
    match value {
        Value::Null => Datum::Null,
        Value::Int(n) => Datum::Int(*n),
        Value::UInt(n) => Datum::UInt(*n),
        Value::Bytes(bytes) => Datum::Bytes(bytes.clone()),
    }
}

/// A literal as a column's DEFAULT; 1067 if the column could not store it.
pub fn default_value(column: &ColumnDef, value: Datum) -> Result<Value> {
    let target = Target { column, row: 1, ignore: false };
    let invalid = |_| SqlError::new(codes::ER_INVALID_DEFAULT, format!("Invalid default value for '{}'", column.name));
    target.store(value, &mut Warnings::default()).map_err(invalid)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::refengine::types::Charset;

    fn column(ty: ColumnType, charset: Charset) -> ColumnDef {
        ColumnDef { name: "c".to_owned(), ty, charset, not_null: true, default: None }
    }

    #[test]
    fn what_fits_and_what_does_not() {
        let tiny = column(ColumnType::Int { bytes: 1, unsigned: false }, Charset::Binary);
        let big = column(ColumnType::Int { bytes: 8, unsigned: true }, Charset::Binary);
        let short = column(ColumnType::VarChar { chars: 2 }, Charset::Utf8mb4);
        let latin = column(ColumnType::VarChar { chars: 2 }, Charset::Latin1);
        let fixed = column(ColumnType::Binary { bytes: 3 }, Charset::Binary);
        let pick = column(ColumnType::Enum { values: vec!["a".to_owned(), "b".to_owned()] }, Charset::Utf8mb4);
        let text = |s: &str| Datum::text(s);
        let bytes = |s: &[u8]| Ok(Value::Bytes(s.to_vec()));
        let cases: Vec<(&ColumnDef, Datum, std::result::Result<Value, u32>)> = vec![
            (&tiny, text("127"), Ok(Value::Int(127))),
            (&tiny, text("128"), Err(1264)),
            (&tiny, text("1x"), Err(1265)),
            (&tiny, text("x"), Err(1366)),
            (&tiny, Datum::Double(1.5), Ok(Value::Int(2))),
            (&tiny, Datum::Hex(vec![0x41]), Ok(Value::Int(0x41))),
            (&tiny, Datum::Null, Err(1048)),
            (&big, Datum::UInt(u64::MAX), Ok(Value::UInt(u64::MAX))),
            (&big, Datum::Int(-1), Err(1264)),
            (&short, text("\u{e4}\u{f6}"), bytes("\u{e4}\u{f6}".as_bytes())),
            (&short, text("abc"), Err(1406)),
            (&short, text("ab  "), bytes(b"ab")),
            (&short, Datum::Bytes(vec![b'a', 0xff]), Err(1366)),
            (&latin, text("\u{e4}\u{ff}"), bytes("\u{e4}\u{ff}".as_bytes())),
            (&latin, text("\u{20ac}"), Err(1366)),
            (&fixed, text("a"), bytes(b"a\0\0")),
            (&fixed, text("abcd"), Err(1406)),
            (&pick, text("b"), bytes(b"b")),
            (&pick, Datum::Int(1), bytes(b"a")),
            (&pick, text("c"), Err(1265)),
        ];
        for (column, datum, expected) in cases {
            let target = Target { column, row: 1, ignore: false };
            let stored = target.store(datum.clone(), &mut Warnings::default()).map_err(|e| e.errno);
            assert_eq!(stored, expected, "{datum:?} into {:?}", column.ty);
        }
    }

    #[test]
    fn ignore_adjusts_and_warns() {
        let tiny = column(ColumnType::Int { bytes: 1, unsigned: true }, Charset::Binary);
        let mut warnings = Warnings::default();
        let target = Target { column: &tiny, row: 3, ignore: true };
        assert_eq!(target.store(Datum::Int(-5), &mut warnings).unwrap(), Value::UInt(0));
        assert_eq!(target.store(Datum::Null, &mut warnings).unwrap(), Value::UInt(0));
        assert_eq!(warnings.list().iter().map(|w| w.errno).collect::<Vec<_>>(), [1264, 1048]);
    }
}
