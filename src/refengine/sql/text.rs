//! Text to statements: the tokenizer of `sqlparser` splits at semicolons, so quotes and comments need no second
//! set of rules here. Positions of tokens lead back to the text for error messages and column headings.

use std::borrow::Cow;

use sqlparser::dialect::MySqlDialect;
use sqlparser::tokenizer::{Location, Token, TokenWithSpan, Tokenizer};

use super::datum::Datum;
use super::error::SqlError;

/// The version whose comments are read: `/*!80011 ... */` is, `/*!80013 ... */` is not.
const COMMENT_VERSION: u32 = 80_011;

/// Statements without what they say to later versions, and to MariaDB's: such a comment becomes a plain one of the same length.
pub fn for_this_version(text: &str) -> Cow<'_, str> {
    let bytes = text.as_bytes();
    if memchr::memmem::find(bytes, b"/*!").is_none() {
        return Cow::Borrowed(text);
    }
    let mut out = bytes.to_vec();
    let mut at = 0;
    while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
        let until = |end: &[u8]| memchr::memmem::find(rest, end).map_or(rest.len(), |found| found + end.len());
        at += match rest {
            [quote @ (b'\'' | b'"' | b'`'), ..] => quoted(rest, *quote),
            [b'#', ..] => until(b"\n"),
            [b'-', b'-', next, ..] if next.is_ascii_whitespace() => until(b"\n"),
            [b'/', b'*', b'!', version @ ..] => {
                let digits = version.iter().take(6).take_while(|byte| byte.is_ascii_digit()).count();
                let number = version.get(..digits).and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
                if digits >= 5 && number.is_some_and(|number: u32| number > COMMENT_VERSION) {
                    out.get_mut(at + 2).into_iter().for_each(|mark| *mark = b' ');
                    until(b"*/")
                } else {
                    3
                }
            }
            [b'/', b'*', ..] => until(b"*/"),
            _ => 1,
        };
    }
    // One ASCII byte was put in the place of another.
    String::from_utf8(out).map_or(Cow::Borrowed(text), Cow::Owned)
}

/// The length of what begins with this quote.
fn quoted(text: &[u8], quote: u8) -> usize {
    let mut at = 1;
    while let Some(&byte) = text.get(at) {
        at += 1;
        if byte == quote {
            break;
        }
        if byte == b'\\' && quote != b'`' {
            at += 1;
        }
    }
    at
}

/// MySQL cuts the text it quotes in a syntax error to this many characters.
const NEAR_CHARS: usize = 80;

/// The executed text with the places its lines begin.
pub struct SourceText<'a> {
    text: &'a str,
    line_starts: Vec<usize>,
}

/// One statement: its tokens without the semicolon, and where it ends.
pub struct Unit {
    /// Tokens with their places, comments and white space among them.
    pub tokens: Vec<TokenWithSpan>,
    /// The line of the first real token, from 1.
    pub line: u64,
    /// Where the semicolon or the end of the text is.
    pub end: Location,
}

impl Unit {
    /// Where the first real token is.
    pub fn start(&self) -> Location {
        let first = self.tokens.iter().find(|t| !matches!(t.token, Token::Whitespace(_)));
        first.map_or(self.end, |token| token.span.start)
    }

    /// Whether the first word is one of these.
    pub fn begins_with(&self, words: &[&str]) -> bool {
        let first = self.tokens.iter().find(|t| !matches!(t.token, Token::Whitespace(_)));
        first.is_some_and(|first| match &first.token {
            Token::Word(word) => words.iter().any(|known| word.value.eq_ignore_ascii_case(known)),
            _ => false,
        })
    }

    /// Puts values in the places of `?` and returns how many such places there are. Places beyond the last value stay.
    pub fn bind(&mut self, values: &mut dyn Iterator<Item = &Datum>) -> usize {
        let mut places = 0;
        let mut bound = Vec::with_capacity(self.tokens.len());
        for token in self.tokens.drain(..) {
            if token.token != Token::Placeholder("?".to_owned()) {
                bound.push(token);
                continue;
            }
            places += 1;
            match values.next() {
                Some(value) => {
                    let literal = literal_tokens(value).into_iter();
                    bound.extend(literal.map(|literal| TokenWithSpan { token: literal, span: token.span }));
                }
                None => bound.push(token),
            }
        }
        self.tokens = bound;
        places
    }
}

/// A value as the tokens of a literal.
fn literal_tokens(value: &Datum) -> Vec<Token> {
    let number = |text: String| match text.strip_prefix('-') {
        Some(digits) => vec![Token::LParen, Token::Minus, Token::Number(digits.to_owned(), false), Token::RParen],
        None => vec![Token::Number(text, false)],
    };
    match value {
        Datum::Null => vec![Token::make_keyword("NULL")],
        Datum::Bytes(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => vec![Token::SingleQuotedString(text.to_owned())],
            Err(_) => vec![hex_token(bytes)],
        },
        Datum::Hex(bytes) => vec![hex_token(bytes)],
        Datum::Int(_) | Datum::UInt(_) | Datum::Decimal(_) | Datum::Double(_) => {
            let text = value.as_bytes().map(|text| String::from_utf8_lossy(&text).into_owned());
            number(text.unwrap_or_default())
        }
    }
}

fn hex_token(bytes: &[u8]) -> Token {
    Token::HexStringLiteral(bytes.iter().map(|byte| format!("{byte:02X}")).collect())
}

impl<'a> SourceText<'a> {
    /// Indexes `text`.
    pub fn new(text: &'a str) -> SourceText<'a> {
        let starts = memchr::memchr_iter(b'\n', text.as_bytes()).map(|at| at + 1);
        SourceText { text, line_starts: std::iter::once(0).chain(starts).collect() }
    }

    /// Splits into statements; empty ones are left out. With a text that stops being tokens (a string that
    /// never ends), the complete statements before that place come first and the error belongs after them.
    pub fn split(&self) -> (Vec<Unit>, Option<SqlError>) {
        let mut tokens = Vec::new();
        let outcome = Tokenizer::new(&MySqlDialect {}, self.text).tokenize_with_location_into_buf(&mut tokens);
        let mut units = Vec::new();
        let mut current = Vec::new();
        let mut last_end = Location { line: 1, column: 1 };
        for token in tokens {
            last_end = token.span.end;
            if token.token == Token::SemiColon {
                push_unit(&mut units, std::mem::take(&mut current), token.span.start);
            } else {
                current.push(token);
            }
        }
        let Err(error) = outcome else {
            push_unit(&mut units, current, last_end);
            return (units, None);
        };
        let line = first_line(&current).unwrap_or(error.location.line);
        let mut failure = SqlError::syntax(self.near(last_end), relative_line(error.location.line, line));
        failure.line = u32::try_from(line).unwrap_or(u32::MAX);
        (units, Some(failure))
    }

    /// The text between two places.
    pub fn slice(&self, from: Location, to: Location) -> &'a str {
        self.text.get(self.offset(from)..self.offset(to)).unwrap_or("").trim()
    }

    /// What a syntax error at `from` quotes, up to the end of the statement at `to`.
    pub fn near_until(&self, from: Location, to: Location) -> &'a str {
        cut(self.slice(from, to))
    }

    fn near(&self, from: Location) -> &'a str {
        cut(self.text.get(self.offset(from)..).unwrap_or("").trim())
    }

    fn offset(&self, at: Location) -> usize {
        let line = usize::try_from(at.line).unwrap_or(usize::MAX).saturating_sub(1);
        let Some(&start) = self.line_starts.get(line) else { return self.text.len() };
        let rest = self.text.get(start..).unwrap_or("");
        let column = usize::try_from(at.column).unwrap_or(usize::MAX).saturating_sub(1);
        rest.char_indices().nth(column).map_or(self.text.len(), |(at, _)| start + at)
    }
}

/// The line within a statement, from 1: MySQL counts from the statement's own first line.
pub fn relative_line(line: u64, first: u64) -> u64 {
    line.saturating_sub(first) + 1
}

fn cut(text: &str) -> &str {
    text.char_indices().nth(NEAR_CHARS).map_or(text, |(at, _)| text.get(..at).unwrap_or(text))
}

fn first_line(tokens: &[TokenWithSpan]) -> Option<u64> {
    tokens.iter().find(|t| !matches!(t.token, Token::Whitespace(_))).map(|t| t.span.start.line)
}

fn push_unit(units: &mut Vec<Unit>, tokens: Vec<TokenWithSpan>, end: Location) {
    if let Some(line) = first_line(&tokens) {
        units.push(Unit { tokens, line, end });
    }
}
