//! From a connection's input to requests: which protocol it is, and where lines, data blocks and packets end.

use super::limits::{GET_LINE_MAX, LINE_MAX};
use super::line::Line;
use super::search::{NearLine, find, near_line};
use super::{Operation, Request, ascii, binary, reply};

/// Which protocol a connection speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Dialect {
    /// Binary if its first byte is 0x80, otherwise text.
    #[default]
    Auto,
    /// Text: classic and meta commands.
    Ascii,
    /// Binary packets.
    Binary,
}

/// What [`Parser::parse`] found at the start of the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parsed {
    /// The request is not all there; nothing was consumed.
    Incomplete {
        /// Bytes from the start of the input that this request needs in all, as far as known; 0 while its line has no end.
        wanted: usize,
    },
    /// One request, in the place that was given for it.
    Request {
        /// Bytes of the input that it took.
        consumed: usize,
    },
    /// Data that belongs to a request refused before. No reply.
    Swallowed {
        /// Bytes of the input that were passed over, at least one.
        consumed: usize,
    },
    /// The input cannot be this protocol, or its line is too long: close the connection without a reply.
    Close,
}

/// A connection's place in the protocol.
///
/// The parser belongs to its input: every call gets the bytes from the first unconsumed one on, and input only grows at its end. Whoever
/// goes back to an earlier place of the input goes back to the copy of the parser that was taken there.
#[derive(Debug, Clone, Copy)]
pub struct Parser {
    item_size_max: usize,
    dialect: Dialect,
    /// Bytes still to pass over, the data block of a refused storage command.
    swallow: u64,
    /// Bytes at the start of the input that are known to hold no newline; counted for lines over [`LINE_MAX`] only, so that a long
    /// line that comes in small pieces is not searched from its start each time.
    searched: usize,
    /// The client has to log in before anything else.
    stranger: bool,
    /// A conversation of SASL was begun, and its next step may come.
    sasl_begun: bool,
    /// A line of keys of which a part was taken; the input goes on in it.
    line: Option<LineLeft>,
}

/// What is left of a line of keys.
#[derive(Debug, Clone, Copy)]
struct LineLeft {
    with_cas: bool,
    /// Its bytes, newline included.
    length: usize,
}

enum LineEnd {
    At(usize),
    NotYet,
    TooLong,
}

impl Parser {
    /// A parser at the start of a connection that speaks `dialect`. Values of up to `item_size_max` bytes are accepted; the key and what memcached adds for
    /// its own bookkeeping do not count.
    pub fn new(item_size_max: usize, dialect: Dialect) -> Self {
        Parser { item_size_max, dialect, swallow: 0, searched: 0, stranger: false, sasl_begun: false, line: None }
    }

    /// From the next request on, the client has to log in first, with values of up to `bytes`: as in memcached the `set` that carries
    /// name and password may have anything for its key, flags and exptime.
    pub fn await_login(&mut self, bytes: usize) {
        (self.item_size_max, self.stranger) = (bytes, true);
    }

    /// From the next request on, the client has logged in, and values of up to `bytes` are accepted.
    pub fn logged_in(&mut self, bytes: usize) {
        (self.item_size_max, self.stranger) = (bytes, false);
    }

    /// Takes the next request from the start of `input`, which is everything that was received and not consumed, into `request`, which
    /// means something only with [`Parsed::Request`]: a request is large, and made in its place it is not moved.
    ///
    /// Call it again behind the consumed bytes until it returns [`Parsed::Incomplete`] or [`Parsed::Close`].
    #[inline]
    pub fn parse<'a>(&mut self, input: &'a [u8], request: &mut Request<'a>) -> Parsed {
        if self.swallow > 0 {
            return self.swallow(input);
        }
        if let Some(left) = self.line {
            return self.some_keys(input, left, false, request);
        }
        if self.dialect == Dialect::Auto {
            self.dialect = match input.first() {
                Some(&binary::MAGIC) => Dialect::Binary,
                Some(_) => Dialect::Ascii,
                None => return Parsed::Incomplete { wanted: 0 },
            };
        }
        if self.dialect == Dialect::Binary {
            return self.packet(input, request);
        }
        if let Some(NearLine { end, blanks }) = near_line(input) {
            self.searched = 0;
            let line = input.get(..end).unwrap_or_default();
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            let read = ascii::near_line(line, blanks, self.stranger, request);
            return self.complete(input, read, end + 1, request);
        }
        match self.line_end(input) {
            LineEnd::At(newline) => {
                self.searched = 0;
                self.line(input, newline, request)
            }
            LineEnd::NotYet => Parsed::Incomplete { wanted: 0 },
            LineEnd::TooLong => Parsed::Close,
        }
    }

    /// What is left of a line of keys of which a part was taken is passed over.
    pub fn abandon_line(&mut self) {
        if let Some(left) = self.line.take() {
            self.swallow = left.length as u64;
        }
    }

    fn packet<'a>(&mut self, input: &'a [u8], request: &mut Request<'a>) -> Parsed {
        match binary::packet(input, self.item_size_max) {
            binary::Packet::Incomplete { wanted } => Parsed::Incomplete { wanted },
            binary::Packet::Foreign => Parsed::Close,
            binary::Packet::Request { request: found, consumed, swallow } => {
                self.swallow = swallow;
                *request = found;
                if let Operation::Login { data, step, .. } = &mut request.operation {
                    // A step goes on with what was begun, or with nothing.
                    let begun = std::mem::replace(&mut self.sasl_begun, !*step && data.is_empty());
                    *step = *step && !begun;
                }
                Parsed::Request { consumed }
            }
        }
    }

    fn swallow(&mut self, input: &[u8]) -> Parsed {
        let consumed = usize::try_from(self.swallow).unwrap_or(usize::MAX).min(input.len());
        if consumed == 0 {
            return Parsed::Incomplete { wanted: 0 };
        }
        self.swallow -= consumed as u64;
        Parsed::Swallowed { consumed }
    }

    #[inline]
    fn line_end(&mut self, input: &[u8]) -> LineEnd {
        let head = input.get(..LINE_MAX + 1).unwrap_or(input);
        match find(b'\n', head) {
            Some(newline) => LineEnd::At(newline),
            None if input.len() <= LINE_MAX => LineEnd::NotYet,
            None => self.long_line_end(input),
        }
    }

    #[cold]
    fn long_line_end(&mut self, input: &[u8]) -> LineEnd {
        if !input.starts_with(b"get ") && !input.starts_with(b"gets ") {
            return LineEnd::TooLong;
        }
        let line = input.get(..GET_LINE_MAX + 1).unwrap_or(input);
        let from = self.searched.clamp(LINE_MAX + 1, line.len());
        let unsearched = line.get(from..).unwrap_or_default();
        match memchr::memchr(b'\n', unsearched) {
            Some(newline) => LineEnd::At(from + newline),
            None if line.len() > GET_LINE_MAX => LineEnd::TooLong,
            None => {
                self.searched = line.len();
                LineEnd::NotYet
            }
        }
    }

    /// A `get` or `gets` that is too long for anything else.
    #[cold]
    fn long_line<'a>(&mut self, input: &'a [u8], newline: usize, request: &mut Request<'a>) -> Parsed {
        let with_cas = input.starts_with(b"gets");
        let verb = if with_cas { 4 } else { 3 };
        let left = LineLeft { with_cas, length: newline + 1 - verb };
        match self.some_keys(input.get(verb..).unwrap_or_default(), left, true, request) {
            Parsed::Request { consumed } => Parsed::Request { consumed: verb + consumed },
            other => other,
        }
    }

    /// The next part of a line of keys.
    #[cold]
    fn some_keys<'a>(&mut self, input: &'a [u8], left: LineLeft, begins: bool, request: &mut Request<'a>) -> Parsed {
        let Some(line) = input.get(..left.length) else { return Parsed::Incomplete { wanted: left.length } };
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let taken;
        (*request, taken) = ascii::some_keys(line, left.with_cas, begins);
        self.line = taken.map(|taken| LineLeft { length: left.length - taken, ..left });
        Parsed::Request { consumed: taken.unwrap_or(left.length) }
    }

    #[inline]
    fn line<'a>(&mut self, input: &'a [u8], newline: usize, request: &mut Request<'a>) -> Parsed {
        if newline > LINE_MAX {
            return self.long_line(input, newline, request);
        }
        let line = input.get(..newline).unwrap_or_default();
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let read = ascii::line(line, self.stranger, request);
        self.complete(input, read, newline + 1, request)
    }

    /// What becomes of a line that was read and took `consumed` bytes with its end.
    #[inline]
    fn complete<'a>(&mut self, input: &'a [u8], read: Line, consumed: usize, request: &mut Request<'a>) -> Parsed {
        match read {
            Line::Complete => Parsed::Request { consumed },
            Line::Block { length } if length > self.item_size_max => self.refuse_large_block(request, length, consumed),
            Line::Block { length } => block(input, consumed, length, request),
            Line::RefusedBlock { length } => self.pass_over_block(length, consumed),
            Line::Foreign => Parsed::Close,
        }
    }

    /// Refuses a value that is over the limit. A `set` of it is told apart: a cache must not go on showing the value before it.
    #[cold]
    fn refuse_large_block(&mut self, request: &mut Request<'_>, length: usize, consumed: usize) -> Parsed {
        match request.operation.plain_set() {
            Some(store) => request.operation = Operation::Oversized { key: store.key },
            None => request.refuse(reply::TOO_LARGE),
        }
        self.pass_over_block(length, consumed)
    }

    /// A storage command was answered at its line: the data block behind it must not be taken for commands.
    #[cold]
    fn pass_over_block(&mut self, length: usize, consumed: usize) -> Parsed {
        self.swallow = length as u64 + 2;
        Parsed::Request { consumed }
    }
}

/// Completes a storage command whose line took `line` bytes with its data block: `length` bytes and the line end.
#[inline]
fn block<'a>(input: &'a [u8], line: usize, length: usize, request: &mut Request<'a>) -> Parsed {
    let consumed = line + length + 2;
    let Some(block) = input.get(line..consumed) else {
        return Parsed::Incomplete { wanted: consumed };
    };
    match (block.strip_suffix(b"\r\n"), &mut request.operation) {
        (Some(value), Operation::Store(store)) => store.value = value,
        _ => request.refuse(reply::BAD_DATA_CHUNK),
    }
    Parsed::Request { consumed }
}
