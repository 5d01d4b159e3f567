//! A request: an operation, and the style in which its outcome is told.

use super::keys::KeyBuffer;
use super::operation::Refused;
use super::{Operation, Style, base64};

/// What a client asked for, borrowed from its input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request<'a> {
    /// What to do.
    pub operation: Operation<'a>,
    /// How the outcome is told.
    pub style: Style<'a>,
}

impl Default for Request<'_> {
    /// Nothing to do.
    fn default() -> Self {
        Request { operation: Operation::Noop, style: Style::Text { noreply: false } }
    }
}

impl<'a> Request<'a> {
    /// Whether the operation's key is base64 and stands for another.
    #[inline]
    pub fn is_encoded(&self) -> bool {
        matches!(&self.style, Style::Meta(style) if style.has(b'b'))
    }

    /// The same with the key that an encoded one stands for.
    pub fn decoded<'b>(&self, buffer: &'b mut KeyBuffer) -> Request<'b>
    where
        'a: 'b,
    {
        // The parser has tried it.
        let key = self.operation.key().and_then(|key| base64::decode(key, buffer)).unwrap_or_default();
        Request { operation: self.operation.with_key(key), style: self.style }
    }

    /// Whether the connection ends behind the reply.
    #[inline]
    pub fn closes(&self) -> bool {
        matches!(self.operation, Operation::Quit | Operation::Refused(Refused::Packet { close: true, .. }))
    }

    /// A text command that is wrong in itself.
    pub(super) fn refused(reply: &'static [u8]) -> Request<'a> {
        Request { operation: Operation::Refused(Refused::Line(reply)), style: Style::Text { noreply: false } }
    }

    /// Makes it one that is wrong in itself, and told so unless the client wants no answer.
    pub(super) fn refuse(&mut self, reply: &'static [u8]) {
        let quiet = matches!(self.style, Style::Text { noreply: true });
        self.operation = Operation::Refused(Refused::Line(if quiet { b"" } else { reply }));
        self.style = Style::Text { noreply: quiet };
    }
}
