//! Lines for those who `watch`, kept until the tick that they tell of is committed.

use crate::protocol::operation::Streams;

/// A line, and who wants it.
struct Line {
    stream: Streams,
    /// It stays when the tick runs again: what it tells of is not undone.
    settled: bool,
    text: Vec<u8>,
}

/// See the module.
#[derive(Default)]
pub struct Journal(Vec<Line>);

impl Journal {
    /// Keeps a line for those who watch `stream`.
    pub fn note(&mut self, stream: Streams, text: Vec<u8>) {
        self.0.push(Line { stream, settled: false, text });
    }

    /// How many lines there are.
    #[inline]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Forgets what was noted behind the first `kept` lines, for it is undone.
    pub fn undo(&mut self, kept: usize) {
        let mut i = 0;
        self.0.retain(|line| {
            i += 1;
            i <= kept || line.settled
        });
    }

    /// What was noted behind the first `from` lines is not undone any more.
    pub fn settle(&mut self, from: usize) {
        self.0.iter_mut().skip(from).for_each(|line| line.settled = true);
    }

    /// Takes the lines out, in the order in which they were noted.
    pub fn take(&mut self) -> impl Iterator<Item = (Streams, Vec<u8>)> + '_ {
        self.0.drain(..).map(|line| (line.stream, line.text))
    }
}
