//! An outcome in the words of the request's protocol.

use super::outcome::Value;
use super::reply::{self, Out};
use super::{Fault, Operation, Outcome, Request, Style, ascii, binary, meta};
use std::borrow::Cow;

impl Request<'_> {
    /// Appends an outcome in the words of the request's protocol: nothing where the client does not want to hear of it.
    #[inline]
    pub fn answer(&self, outcome: &Outcome<'_>, out: &mut Out) {
        match &self.style {
            Style::Text { noreply } => ascii::reply::write(&self.operation, *noreply, outcome, out),
            Style::Meta(style) => meta::reply::write(&self.operation, style, outcome, out),
            Style::Packet(style) => binary::reply::write(&self.operation, *style, outcome, out),
        }
    }

    /// Appends an item that was read: the outcome that is told more often than all others together.
    #[inline]
    pub fn answer_value(&self, value: Value<'_>, out: &mut Out) {
        match (&self.style, &self.operation) {
            (Style::Text { .. }, Operation::Get(get)) => ascii::reply::hit(get, &value, out),
            _ => self.answer(&Outcome::Value(value), out),
        }
    }

    /// Appends the end of a read.
    #[inline]
    pub fn answer_end(&self, out: &mut Out) {
        match &self.style {
            Style::Text { .. } => out.extend_from_slice(reply::END),
            _ => self.answer(&Outcome::End, out),
        }
    }

    /// Appends that the request was given up and may be tried again.
    #[cold]
    pub fn give_up(&self, reason: impl Into<Cow<'static, str>>, out: &mut Out) {
        self.answer(&Outcome::Failed(&Fault::Temporary(reason.into())), out);
    }
}
