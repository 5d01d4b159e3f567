//! A client's connection: its socket, what it sent and was not yet consumed, what could not yet be sent.

use super::admission::{Access, Pending};
use super::outcome::Resume;
use super::peers::Peer;
use super::scope::Scope;
use super::socket::Filled;
use super::tls::Session;
use super::watch::Watcher;
use crate::protocol::Parser;
use crate::store::ContainerId;
use bytes::{Buf, Bytes, BytesMut};
use socket2::Socket;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{ErrorKind, IoSlice, Read, Result};
use std::ops::Range;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Size of a pooled input buffer in bytes; one read per tick takes at most what is free in it.
const INPUT_SIZE: usize = 16 << 10;

/// Buffers that a worker keeps for its next ticks: as many as one poll reports connections.
const POOLED: usize = 1024;

/// Pieces of replies that one call of the system takes; it may refuse more.
const PIECES_MAX: usize = 1024;

/// Of what waits, pieces that one call of the system is offered.
const PIECES_PER_FLUSH: usize = 16;

/// Input buffers of idle connections, lent to whoever has something to read.
#[derive(Default)]
pub struct BufferPool(Vec<Vec<u8>>);

impl BufferPool {
    fn take(&mut self) -> Vec<u8> {
        self.0.pop().unwrap_or_else(|| vec![0; INPUT_SIZE])
    }

    fn give(&mut self, buffer: Vec<u8>) {
        // Larger ones belonged to a large value: back to the allocator.
        if buffer.len() == INPUT_SIZE && self.0.len() < POOLED {
            self.0.push(buffer);
        }
    }
}

/// Bytes that arrived. The vector is always initialised to its full length; `start..end` is unconsumed.
#[derive(Default)]
struct Input {
    buffer: Vec<u8>,
    start: usize,
    end: usize,
}

/// Replies that the client has yet to take, in pieces that share memory with the buffers they were written into.
#[derive(Default)]
struct Unsent {
    pieces: VecDeque<Bytes>,
    /// Bytes in all of them.
    length: usize,
}

impl Unsent {
    fn push(&mut self, piece: Bytes) {
        if !piece.is_empty() {
            self.length += piece.len();
            self.pieces.push_back(piece);
        }
    }

    /// Drops what was sent.
    fn advance(&mut self, mut sent: usize) {
        self.length -= sent;
        while let Some(piece) = self.pieces.front_mut() {
            if sent < piece.len() {
                return piece.advance(sent);
            }
            sent -= piece.len();
            self.pieces.pop_front();
        }
    }
}

/// One client.
pub struct Conn {
    socket: Arc<Socket>,
    /// Where the client speaks TLS.
    tls: Option<Box<Session>>,
    input: Input,
    /// Bytes that the request at the head of the input is known to need, 0 when unknown.
    wanted: usize,
    /// In a cell, because replies go out while requests borrow the input.
    output: RefCell<Unsent>,
    /// State of the parser at the head of the input.
    pub parser: Parser,
    /// How much of the request at the head of the input is answered.
    pub resume: Resume,
    /// Whether it may ask, and for what.
    pub access: Access,
    /// Credentials whose verdict is awaited; until then nothing is read and nothing runs.
    pub login: Option<Box<Pending>>,
    /// Wrong passwords so far.
    pub failures: u8,
    /// Where it watches: it is told what others do, and what it sends means nothing any more.
    pub watcher: Option<Arc<Watcher>>,
    /// It is one of those that are counted, until it is dropped.
    pub counted: Option<Arc<()>>,
    /// Container that keys without a mapping belong to.
    pub container: ContainerId,
    /// Where its keys may lead.
    pub scope: Scope,
    /// Wrote into a batch that may still be open.
    pub wrote: bool,
    /// In the worker's list of connections to look at in the next tick.
    pub queued: bool,
    /// Requests that arrived are yet to be planned: nothing more is read, so that input does not grow while it waits.
    pub behind: bool,
    /// The kernel may hold more input.
    pub readable: bool,
    /// The poller saw the end of the client's input; it is yet to be read.
    pub end_announced: bool,
    /// The client sends no more.
    pub half_closed: bool,
    /// What the list of connections tells of it.
    pub peer: Arc<Peer>,
    /// The poller tells when output can go on.
    pub awaits_writable: bool,
    /// To be closed once the output is sent.
    pub closing: bool,
}

impl Conn {
    /// Makes the connection speak TLS, before anything is read.
    pub fn encrypt(&mut self, session: Session) {
        self.tls = Some(Box::new(session));
    }

    /// A fresh connection.
    pub fn new(socket: Socket, parser: Parser) -> Conn {
        let socket = Arc::new(socket);
        Conn {
            peer: Arc::new(Peer::new(Arc::clone(&socket))),
            socket,
            tls: None,
            input: Input::default(),
            wanted: 0,
            output: RefCell::default(),
            parser,
            resume: Resume::Start,
            access: Access::Open,
            login: None,
            failures: 0,
            watcher: None,
            counted: None,
            container: ContainerId::DEFAULT,
            scope: Scope::default(),
            wrote: false,
            queued: false,
            behind: false,
            readable: true,
            end_announced: false,
            half_closed: false,
            awaits_writable: false,
            closing: false,
        }
    }

    /// The socket's descriptor.
    pub fn fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }

    /// Unconsumed input.
    pub fn input(&self) -> &[u8] {
        &self.input.buffer[self.input.start..self.input.end]
    }

    /// Whether anything waits for the client to read.
    pub fn has_output(&self) -> bool {
        self.unsent() > 0 || self.tls.as_ref().is_some_and(|tls| tls.waits())
    }

    /// Bytes that wait for the client to read.
    pub fn unsent(&self) -> usize {
        self.output.borrow().length
    }

    /// Bytes of memory that what it sent takes.
    pub fn unconsumed(&self) -> usize {
        self.input.buffer.len()
    }

    /// Whether client and server have not agreed on TLS yet.
    pub fn is_handshaking(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.is_handshaking())
    }

    /// Says goodbye where the protocol has a word for it.
    pub fn say_goodbye(&mut self) {
        if let Some(tls) = &mut self.tls {
            tls.close(&self.socket);
        }
    }

    /// Reads once. The buffer grows with what has arrived, never with what a client announces.
    pub fn fill(&mut self, pool: &mut BufferPool, received: &mut u64) -> Result<Filled> {
        self.make_room(pool);
        let free = &mut self.input.buffer[self.input.end..];
        let asked = free.len();
        if let Some(tls) = &mut self.tls {
            let (n, filled) = tls.fill(&self.socket, free)?;
            self.input.end += n;
            *received += n as u64;
            return Ok(filled);
        }
        match (&*self.socket).read(free) {
            Ok(0) => Ok(Filled::Closed),
            Ok(n) => {
                self.input.end += n;
                *received += n as u64;
                // The poller is edge-triggered: a short read means that the next bytes bring a new event.
                Ok(if n < asked { Filled::Drained } else { Filled::More })
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(Filled::Drained),
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(Filled::More),
            Err(error) => Err(error),
        }
    }

    fn make_room(&mut self, pool: &mut BufferPool) {
        let input = &mut self.input;
        if input.buffer.is_empty() {
            input.buffer = pool.take();
        }
        if input.end < input.buffer.len() {
            return;
        }
        if input.start > 0 {
            input.buffer.copy_within(input.start..input.end, 0);
            input.end -= input.start;
            input.start = 0;
            if input.end < input.buffer.len() {
                return;
            }
        }
        let doubled = input.buffer.len() * 2;
        let size = if self.wanted > input.buffer.len() { doubled.min(self.wanted) } else { doubled };
        input.buffer.resize(size, 0);
    }

    /// Drops `consumed` bytes of input; `wanted` is what the next request is known to need, 0 when unknown.
    pub fn consume(&mut self, consumed: usize, wanted: usize, pool: &mut BufferPool) {
        if (wanted > 0) != (self.wanted > 0) {
            self.peer.partial.store(wanted > 0, Ordering::Relaxed);
        }
        self.wanted = wanted;
        self.input.start += consumed;
        if self.input.start >= self.input.end {
            (self.input.start, self.input.end) = (0, 0);
            pool.give(std::mem::take(&mut self.input.buffer));
        }
    }

    /// Sends what was written, and keeps what the socket does not take. The buffer is empty afterwards.
    ///
    /// # Errors
    /// The socket is broken.
    pub fn reply(&self, written: &mut BytesMut) -> Result<()> {
        let whole = 0..written.len();
        let pieces = std::slice::from_ref(&whole);
        let sent = self.reply_with(written, pieces)?;
        if sent == whole.len() {
            written.clear();
        } else {
            self.keep(&written.split().freeze(), pieces, sent);
        }
        Ok(())
    }

    /// Sends these pieces of `all`, of which there is one at least, unless something waits already. Tells how many bytes went:
    /// the caller has the others [kept](Conn::keep).
    ///
    /// # Errors
    /// The socket is broken.
    pub fn reply_with(&self, all: &[u8], pieces: &[Range<usize>]) -> Result<usize> {
        match pieces {
            _ if self.unsent() > 0 => Ok(0),
            [only] => self.send(&mut [IoSlice::new(&all[only.clone()])]),
            _ => self.send(&mut pieces.iter().map(|piece| IoSlice::new(&all[piece.clone()])).collect::<Vec<_>>()),
        }
    }

    /// Keeps these pieces of `all` without the first `sent` bytes of them. Where they are less than what they would hold on to they are
    /// copied.
    pub fn keep(&self, all: &Bytes, pieces: &[Range<usize>], mut sent: usize) {
        let length = pieces.iter().map(Range::len).sum::<usize>() - sent;
        let rest = pieces.iter().map(|piece| {
            let skipped = sent.min(piece.len());
            sent -= skipped;
            piece.start + skipped..piece.end
        });
        let mut queue = self.output.borrow_mut();
        if length < all.len() / 2 {
            let mut copy = BytesMut::with_capacity(length);
            rest.for_each(|piece| copy.extend_from_slice(&all[piece]));
            queue.push(copy.freeze());
        } else {
            rest.for_each(|piece| queue.push(all.slice(piece)));
        }
    }

    /// Sends what was kept; `true` when nothing is left.
    ///
    /// # Errors
    /// The socket is broken.
    pub fn flush(&self) -> Result<bool> {
        loop {
            let mut queue = self.output.borrow_mut();
            let mut pieces = [IoSlice::new(&[]); PIECES_PER_FLUSH];
            let offered = pieces.iter_mut().zip(&queue.pieces).map(|(piece, kept)| *piece = IoSlice::new(kept)).count();
            let length: usize = pieces.iter().map(|piece| piece.len()).sum();
            let sent = self.send(&mut pieces[..offered])?;
            queue.advance(sent);
            if sent < length || queue.pieces.is_empty() {
                break;
            }
        }
        Ok(!self.has_output())
    }

    /// Sends without blocking and without SIGPIPE; tells how much went.
    fn send(&self, pieces: &mut [IoSlice<'_>]) -> Result<usize> {
        if let Some(tls) = &self.tls {
            return tls.send(&self.socket, pieces);
        }
        let mut total = 0;
        for some in pieces.chunks(PIECES_MAX) {
            let length: usize = some.iter().map(|piece| piece.len()).sum();
            // One piece goes without a list, which the system would have to copy.
            let result = match some {
                [only] => self.socket.send_with_flags(only, libc::MSG_NOSIGNAL),
                some => self.socket.send_vectored_with_flags(some, libc::MSG_NOSIGNAL),
            };
            let sent = match result {
                Ok(sent) => sent,
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => 0,
                Err(error) => return Err(error),
            };
            total += sent;
            if sent < length {
                break;
            }
        }
        Ok(total)
    }
}
