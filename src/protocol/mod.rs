//! memcached's wire protocol: bytes to [`Request`]s, their [`Outcome`]s to bytes.
//!
//! Pure: no I/O, no clock, no allocation per request; requests borrow from the bytes they were parsed from. The server owns the
//! sockets and buffers and calls [`Parser::parse`] on a connection's unconsumed input until it is told to wait;
//! [`Request::answer`] appends outcomes to a buffer of the server's. Nothing here has a thread or a lock.
//!
//! [`Parser`] decides between text and [`binary`] packets and cuts text into lines and data blocks; `ascii` understands the text
//! commands and [`meta`] the meta commands between them. All three make one [`Operation`] of it, and each has a `reply` that words an
//! [`Outcome`].

#![forbid(unsafe_code)]

pub mod ascii;
pub mod binary;
pub mod meta;
pub mod operation;
pub mod outcome;
pub mod reply;

pub use ascii::KeyIter;
pub use operation::{Keys, Operation, Request, Style};
pub use outcome::{Denial, Fault, Outcome};

/// Longest key in bytes. A key is at least one byte, any but space and newline.
pub const KEY_MAX: usize = 250;

/// Longest command line in bytes, its newline not counted. `get ` and `gets ` may be longer, see [`GET_LINE_MAX`].
///
/// The limit holds however the bytes arrive, where memcached lets a longer line pass that happened to come in one read.
pub const LINE_MAX: usize = 2048;

/// Longest `get` or `gets` line in bytes, its newline not counted: 33 thousand keys of the greatest length.
pub const GET_LINE_MAX: usize = 8 << 20;

/// Keys that one read has at most: a longer line of keys is several reads, see [`operation::Part`].
pub const KEYS_MAX: usize = 1024;

/// Greatest length of a data block that a line can announce; a greater one is a malformed line and has no data block.
const BLOCK_MAX: u64 = i32::MAX as u64 - 2;

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
pub enum Parsed<'a> {
    /// The request is not all there; nothing was consumed.
    Incomplete {
        /// Bytes from the start of the input that this request needs in all, as far as known; 0 while its line has no end.
        wanted: usize,
    },
    /// One request.
    Request {
        /// The request.
        request: Request<'a>,
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
        Parser { item_size_max, dialect, swallow: 0, searched: 0, line: None }
    }

    /// From the next request on, values of up to `bytes` are accepted.
    pub fn set_item_size_max(&mut self, bytes: usize) {
        self.item_size_max = bytes;
    }

    /// Takes the next request from the start of `input`, which is everything that was received and not consumed.
    ///
    /// Call it again behind the consumed bytes until it returns [`Parsed::Incomplete`] or [`Parsed::Close`].
    #[inline]
    pub fn parse<'a>(&mut self, input: &'a [u8]) -> Parsed<'a> {
        if self.swallow > 0 {
            return self.swallow(input);
        }
        if let Some(left) = self.line {
            return self.some_keys(input, left, false);
        }
        if self.dialect == Dialect::Auto {
            self.dialect = match input.first() {
                Some(&binary::MAGIC) => Dialect::Binary,
                Some(_) => Dialect::Ascii,
                None => return Parsed::Incomplete { wanted: 0 },
            };
        }
        if self.dialect == Dialect::Binary {
            return self.packet(input);
        }
        match self.line_end(input) {
            LineEnd::At(newline) => {
                self.searched = 0;
                self.line(input, newline)
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

    fn packet<'a>(&mut self, input: &'a [u8]) -> Parsed<'a> {
        match binary::packet(input, self.item_size_max) {
            binary::Packet::Incomplete { wanted } => Parsed::Incomplete { wanted },
            binary::Packet::Foreign => Parsed::Close,
            binary::Packet::Request { request, consumed, swallow } => {
                self.swallow = swallow;
                Parsed::Request { request, consumed }
            }
        }
    }

    fn swallow<'a>(&mut self, input: &'a [u8]) -> Parsed<'a> {
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
        match memchr::memchr(b'\n', head) {
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
    fn long_line<'a>(&mut self, input: &'a [u8], newline: usize) -> Parsed<'a> {
        let with_cas = input.starts_with(b"gets");
        let verb = if with_cas { 4 } else { 3 };
        let left = LineLeft { with_cas, length: newline + 1 - verb };
        match self.some_keys(input.get(verb..).unwrap_or_default(), left, true) {
            Parsed::Request { request, consumed } => Parsed::Request { request, consumed: verb + consumed },
            other => other,
        }
    }

    /// The next part of a line of keys.
    #[cold]
    fn some_keys<'a>(&mut self, input: &'a [u8], left: LineLeft, begins: bool) -> Parsed<'a> {
        let Some(line) = input.get(..left.length) else { return Parsed::Incomplete { wanted: left.length } };
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let (request, taken) = ascii::some_keys(line, left.with_cas, begins);
        self.line = taken.map(|taken| LineLeft { length: left.length - taken, ..left });
        Parsed::Request { request, consumed: taken.unwrap_or(left.length) }
    }

    #[inline]
    fn line<'a>(&mut self, input: &'a [u8], newline: usize) -> Parsed<'a> {
        if newline > LINE_MAX {
            return self.long_line(input, newline);
        }
        let line = input.get(..newline).unwrap_or_default();
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let consumed = newline + 1;
        match ascii::line(line) {
            ascii::Line::Complete(request) => Parsed::Request { request, consumed },
            ascii::Line::Block { request, length } => {
                let quiet = matches!(request.style, Style::Text { noreply: true });
                if length > self.item_size_max {
                    return self.refuse_block(if quiet { b"" } else { reply::TOO_LARGE }, length, consumed);
                }
                block(input, consumed, length, if quiet { b"" } else { reply::BAD_DATA_CHUNK }, request)
            }
            ascii::Line::RefusedBlock { reply, length } => self.refuse_block(reply, length, consumed),
            ascii::Line::Foreign => Parsed::Close,
        }
    }

    /// Answers a storage command at its line and passes over the data block behind it, so that the data is not taken for commands.
    #[cold]
    fn refuse_block<'a>(&mut self, reply: &'static [u8], length: usize, consumed: usize) -> Parsed<'a> {
        self.swallow = length as u64 + 2;
        Parsed::Request { request: Request::refused(reply), consumed }
    }
}

/// Completes a storage command whose line took `line` bytes with its data block: `length` bytes and the line end.
#[inline]
fn block<'a>(input: &'a [u8], line: usize, length: usize, refusal: &'static [u8], request: Request<'a>) -> Parsed<'a> {
    let consumed = line + length + 2;
    let Some(block) = input.get(line..consumed) else {
        return Parsed::Incomplete { wanted: consumed };
    };
    let request = match block.strip_suffix(b"\r\n") {
        Some(value) => request.with_value(value),
        None => Request::refused(refusal),
    };
    Parsed::Request { request, consumed }
}
