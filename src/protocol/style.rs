//! The protocol of a request, and what its replies repeat of it or leave out.

use super::line::Args;

/// The protocol of a request, with what its replies repeat or leave out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style<'a> {
    /// Classic text.
    Text {
        /// Whether the client wants no answer.
        noreply: bool,
    },
    /// Meta commands.
    Meta(MetaStyle<'a>),
    /// Binary packets.
    Packet(PacketStyle),
}

/// What a reply repeats of its command, and what it leaves out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MetaStyle<'a> {
    /// The key as the client wrote it; empty for `mn`.
    pub(super) key: &'a [u8],
    pub(super) flags: Flags<'a>,
}

impl<'a> MetaStyle<'a> {
    /// Whether the flag of that letter is there.
    #[inline]
    pub fn has(&self, flag: u8) -> bool {
        self.flags.set & bit(flag) != 0
    }

    /// The flags with their tokens, in the client's order.
    pub(super) fn flags(&self) -> impl Iterator<Item = (u8, &'a [u8])> + use<'a> {
        Args(self.flags.text).filter_map(|word| word.split_first().map(|(letter, token)| (*letter, token)))
    }
}

/// The flags of a line: their text, and a bit for each letter from `A` on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Flags<'a> {
    pub(super) text: &'a [u8],
    pub(super) set: u64,
}

/// The bit of a letter; none for what is no letter.
#[inline]
pub(super) fn bit(letter: u8) -> u64 {
    match letter {
        b'A'..=b'z' => 1 << (letter - b'A'),
        _ => 0,
    }
}

/// What an answer repeats of its packet, and what it leaves out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PacketStyle {
    /// The opcode of the request.
    pub opcode: u8,
    /// Whether the client wants to hear only of errors or, where it reads, only of hits.
    pub quiet: bool,
    /// Whether the answer to a read carries the key.
    pub with_key: bool,
    /// Four bytes that mean something to the client alone.
    pub opaque: [u8; 4],
}

impl PacketStyle {
    /// Whether the packet belongs to logging in, which a client may do before it has: as in memcached the version is told, too,
    /// and nothing else is answered, whatever is wrong with it.
    pub fn is_of_login(&self) -> bool {
        matches!(self.opcode, 0x0b | 0x20..=0x22)
    }
}

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u16)]
pub enum Status {
    /// It was done.
    Success = 0x00,
    /// No such key.
    NotFound = 0x01,
    /// The key is there already, or has another cas number.
    Exists = 0x02,
    /// The value is over the item size, or does not fit its column.
    TooLarge = 0x03,
    /// The packet is malformed, or the table cannot take what it says.
    InvalidArguments = 0x04,
    /// There is nothing to append to.
    NotStored = 0x05,
    /// increment or decrement met a value that is not a number.
    NonNumeric = 0x06,
    /// The client has to log in, or has not the right.
    AuthError = 0x20,
    /// The mechanism has more to say.
    AuthContinue = 0x21,
    /// No such opcode.
    UnknownCommand = 0x81,
    /// No memory for the value.
    OutOfMemory = 0x82,
    /// The request is right, and failed.
    Internal = 0x84,
    /// The request is right, and may be done if it is tried again.
    Temporary = 0x86,
}

impl Status {
    /// What memcached says with it; empty with a success.
    pub fn text(self) -> &'static str {
        match self {
            Status::Success | Status::AuthContinue => "",
            Status::NotFound => "Not found",
            Status::Exists => "Data exists for key.",
            Status::TooLarge => "Too large.",
            Status::InvalidArguments => "Invalid arguments",
            Status::NotStored => "Not stored.",
            Status::NonNumeric => "Non-numeric server-side value for incr or decr",
            Status::AuthError => "Auth failure.",
            Status::UnknownCommand => "Unknown command",
            Status::OutOfMemory => "Out of memory",
            Status::Internal => "Internal error",
            Status::Temporary => "Temporary failure",
        }
    }
}
