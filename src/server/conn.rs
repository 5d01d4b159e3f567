//! A client's connection: its socket, what it sent and was not yet consumed, what could not yet be sent.

use super::admission::{Access, Pending};
use super::outcome::Resume;
use super::peers::Peer;
use super::socket::Filled;
use super::tls::Session;
use crate::protocol::Parser;
use crate::store::ContainerId;
use std::io::{Error, ErrorKind, Result};
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;

/// Size of a pooled input buffer in bytes; one read per tick takes at most what is free in it.
const INPUT_SIZE: usize = 16 << 10;

/// Buffers that a worker keeps for its next ticks: as many as one poll reports connections.
const POOLED: usize = 1024;

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

/// One client.
pub struct Conn {
    socket: OwnedFd,
    /// Where the client speaks TLS.
    tls: Option<Box<Session>>,
    input: Input,
    /// Bytes that the request at the head of the input is known to need, 0 when unknown.
    wanted: usize,
    /// Replies that wait, from `sent` on unsent.
    output: Vec<u8>,
    sent: usize,
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
    /// Container that keys without a mapping belong to.
    pub container: ContainerId,
    /// Wrote into a batch that may still be open.
    pub wrote: bool,
    /// In the worker's list of connections to look at in the next tick.
    pub queued: bool,
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
    pub fn new(socket: OwnedFd, parser: Parser) -> Conn {
        Conn {
            socket,
            tls: None,
            input: Input::default(),
            wanted: 0,
            output: Vec::new(),
            sent: 0,
            parser,
            resume: Resume::Start,
            access: Access::Open,
            login: None,
            failures: 0,
            container: ContainerId::DEFAULT,
            wrote: false,
            queued: false,
            readable: true,
            end_announced: false,
            half_closed: false,
            peer: Arc::default(),
            awaits_writable: false,
            closing: false,
        }
    }

    /// The socket's descriptor.
    pub fn fd(&self) -> i32 {
        self.socket.as_raw_fd()
    }

    /// Unconsumed input.
    pub fn input(&self) -> &[u8] {
        &self.input.buffer[self.input.start..self.input.end]
    }

    /// Whether anything waits for the client to read.
    pub fn has_output(&self) -> bool {
        !self.output.is_empty() || self.tls.as_ref().is_some_and(|tls| tls.waits())
    }

    /// Whether client and server have not agreed on TLS yet.
    pub fn is_handshaking(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.is_handshaking())
    }

    /// Says goodbye where the protocol has a word for it.
    pub fn say_goodbye(&mut self) {
        if let Some(tls) = &mut self.tls {
            tls.close(self.socket.as_raw_fd());
        }
    }

    /// Reads once. The buffer grows with what has arrived, never with what a client announces.
    pub fn fill(&mut self, pool: &mut BufferPool, received: &mut u64) -> Result<Filled> {
        self.make_room(pool);
        let free = &mut self.input.buffer[self.input.end..];
        let asked = free.len();
        if let Some(tls) = &mut self.tls {
            let (n, filled) = tls.fill(self.socket.as_raw_fd(), free)?;
            self.input.end += n;
            *received += n as u64;
            return Ok(filled);
        }
        // SAFETY: the descriptor is open and `free` is writable for `asked` bytes.
        let n = unsafe { libc::recv(self.socket.as_raw_fd(), free.as_mut_ptr().cast(), asked, 0) };
        match usize::try_from(n) {
            Ok(0) => Ok(Filled::Closed),
            Ok(n) => {
                self.input.end += n;
                *received += n as u64;
                // The poller is edge-triggered: a short read means that the next bytes bring a new event.
                Ok(if n < asked { Filled::Drained } else { Filled::More })
            }
            Err(_) => match Error::last_os_error() {
                error if error.kind() == ErrorKind::WouldBlock => Ok(Filled::Drained),
                error if error.kind() == ErrorKind::Interrupted => Ok(Filled::More),
                error => Err(error),
            },
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
        self.wanted = wanted;
        self.input.start += consumed;
        if self.input.start >= self.input.end {
            (self.input.start, self.input.end) = (0, 0);
            pool.give(std::mem::take(&mut self.input.buffer));
        }
    }

    /// Sends without blocking and without SIGPIPE; tells how much went.
    pub fn send(&self, bytes: &[u8]) -> Result<usize> {
        if let Some(tls) = &self.tls {
            return tls.send(self.socket.as_raw_fd(), bytes);
        }
        // SAFETY: the descriptor is open and `bytes` is readable.
        let n = unsafe { libc::send(self.socket.as_raw_fd(), bytes.as_ptr().cast(), bytes.len(), libc::MSG_NOSIGNAL) };
        match usize::try_from(n) {
            Ok(n) => Ok(n),
            Err(_) => match Error::last_os_error() {
                error if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => Ok(0),
                error => Err(error),
            },
        }
    }

    /// Keeps replies that could not be sent yet.
    pub fn keep(&mut self, unsent: &[u8]) {
        self.output.extend_from_slice(unsent);
    }

    /// Sends what was kept; `true` when nothing is left.
    pub fn flush(&mut self) -> Result<bool> {
        self.sent += self.send(&self.output[self.sent..])?;
        if self.sent < self.output.len() {
            return Ok(false);
        }
        (self.output, self.sent) = (Vec::new(), 0);
        Ok(!self.has_output())
    }
}
