//! The load: one thread, one poll, closed loop. Each connection sends a batch of requests in one write, waits until every
//! reply is there and right, and sends the next one. A round trip is the time from that write to the last reply.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use crate::encoder::{Dialect, Encoder, Expect};
use crate::peers::Server;
use crate::workload::{Keys, Operation, Workload};

/// Requests that a writer beside the measured connections sends at once.
const WRITER_PIPELINE: usize = 32;

/// No server may be silent for longer: it is the time that a disk shared with others may take for a checkpoint.
pub const SILENCE: Duration = Duration::from_secs(60);

struct Connection {
    stream: TcpStream,
    encoder: Encoder,
    out: Vec<u8>,
    sent: usize,
    input: Vec<u8>,
    expect: VecDeque<Expect>,
    since: Instant,
}

/// The connections of one workload to one server; they live as long as the workload's rounds.
pub struct Client {
    poll: Poll,
    events: Events,
    connections: Vec<Connection>,
    workload: Workload,
    scratch: Vec<u8>,
}

/// What a measured stretch gave.
#[derive(Default)]
pub struct Sample {
    /// Operations with a right reply within the time.
    pub operations: u64,
    /// Nanoseconds of each round trip.
    pub round_trips: Vec<u32>,
    /// Seconds measured.
    pub seconds: f64,
}

impl Client {
    /// Connects everything.
    pub fn connect(server: &Server, dialect: Dialect, workload: Workload) -> Result<Client, String> {
        let poll = Poll::new().map_err(|e| format!("poll: {e}"))?;
        let all = workload.connections + workload.writers;
        let mut connections = Vec::with_capacity(all);
        for i in 0..all {
            // A blocking connect: the backlog of no server is overrun.
            let Link { stream, encoder } =
                server.open(dialect, workload.value).map_err(|e| format!("connection {i}: {e}"))?;
            stream.set_nonblocking(true).map_err(|e| format!("connection {i}: {e}"))?;
            let mut stream = TcpStream::from_std(stream);
            poll.registry()
                .register(&mut stream, Token(i), Interest::READABLE | Interest::WRITABLE)
                .map_err(|e| format!("epoll: {e}"))?;
            connections.push(Connection {
                stream,
                encoder,
                out: Vec::new(),
                sent: 0,
                input: Vec::new(),
                expect: VecDeque::new(),
                since: Instant::now(),
            });
        }
        let scratch = vec![0; 256 * 1024];
        // No client library of SQL sends a statement before the last one is answered.
        let workload = if dialect == Dialect::Sql { Workload { pipeline: 1, ..workload } } else { workload };
        Ok(Client { poll, events: Events::with_capacity(1024), connections, workload, scratch })
    }

    /// Runs for `warm` and then `measured` or until it is `enough`, which is told of the operations so far, then waits for the last
    /// replies. `mark` is called at the start and the end of the measured stretch. Returns the sample and the number of
    /// operations from first to last, unmeasured ones too.
    pub fn run(
        &mut self,
        keys: &mut Keys,
        (warm, measured): (Duration, Duration),
        enough: impl Fn(&Keys, u64) -> bool,
        mut mark: impl FnMut() -> Result<(), String>,
    ) -> Result<(Sample, u64), String> {
        let mut sample = Sample::default();
        let mut total = 0u64;
        let per_request = if let Operation::MultiGet(n) = self.workload.operation { n as u64 } else { 1 };
        let mut phase_end = Instant::now() + warm;
        let (mut measuring, mut ending) = (false, false);
        let mut started = Instant::now();
        for i in 0..self.connections.len() {
            self.send_batch(i, keys)?;
        }
        let mut busy = self.connections.len();
        let mut last_reply = Instant::now();
        while busy > 0 {
            self.poll
                .poll(&mut self.events, Some(Duration::from_millis(20)))
                .or_else(|e| if e.kind() == ErrorKind::Interrupted { Ok(()) } else { Err(format!("poll: {e}")) })?;
            let ready: Vec<usize> = self.events.iter().map(|e| e.token().0).collect();
            for i in ready {
                if !self.advance(i)? {
                    continue;
                }
                let now = Instant::now();
                last_reply = now;
                let done = self.workload.pipeline as u64 * per_request;
                let writer = i >= self.workload.connections;
                total += done;
                if measuring && !writer {
                    sample.operations += done;
                    let since = self.connections.get(i).map_or(now, |c| c.since);
                    let nanos = now.duration_since(since).as_nanos();
                    sample.round_trips.push(u32::try_from(nanos).unwrap_or(u32::MAX));
                }
                if ending {
                    busy -= 1;
                } else {
                    self.send_batch(i, keys)?;
                }
            }
            let now = Instant::now();
            if now.duration_since(last_reply) > SILENCE {
                return Err(format!("no reply within {} s", SILENCE.as_secs()));
            }
            // A stretch without any reply has no rate: it lasts until the first one, which `SILENCE` bounds.
            let over = now >= phase_end || measuring && enough(keys, total);
            if ending || !over || (measuring && sample.operations == 0) {
                continue;
            }
            mark()?;
            if measuring {
                sample.seconds = now.duration_since(started).as_secs_f64();
                (measuring, ending) = (false, true);
            } else {
                measuring = true;
                started = Instant::now();
                phase_end = started + measured;
            }
        }
        keys.acknowledged();
        Ok((sample, total))
    }

    fn send_batch(&mut self, at: usize, keys: &mut Keys) -> Result<(), String> {
        let Some(connection) = self.connections.get_mut(at) else { return Ok(()) };
        let Connection { encoder, out, expect, .. } = connection;
        out.clear();
        let Workload { operation, pipeline, connections, .. } = self.workload;
        let (operation, requests) = match operation {
            _ if at < connections => (operation, pipeline),
            Operation::Read => (Operation::Load, WRITER_PIPELINE),
            _ => (Operation::Set, WRITER_PIPELINE),
        };
        for _ in 0..requests {
            let reply = match operation {
                Operation::Get => encoder.get(out, &[keys.uniform()]),
                Operation::MultiGet(n) => {
                    // Each key once: SQL's IN answers a key that is named twice with one row.
                    let mut wanted = Vec::with_capacity(n);
                    while wanted.len() < n {
                        let key = keys.uniform();
                        if !wanted.contains(&key) {
                            wanted.push(key);
                        }
                    }
                    encoder.get(out, &wanted)
                }
                Operation::Set => encoder.set(out, keys.uniform()),
                Operation::Mix if keys.below(100) < 5 => encoder.set(out, keys.zipf()),
                Operation::Mix => encoder.get(out, &[keys.zipf()]),
                Operation::Incr => encoder.incr(out, 1),
                Operation::Load => encoder.set_version(out, keys.load()),
                Operation::Read => encoder.get_version(out, keys.read()),
                Operation::Change => encoder.set_version(out, keys.change(at, connections)),
            };
            expect.push_back(reply);
        }
        connection.sent = 0;
        connection.since = Instant::now();
        connection.flush()
    }

    /// True when the whole batch was answered.
    fn advance(&mut self, at: usize) -> Result<bool, String> {
        let Some(connection) = self.connections.get_mut(at) else { return Ok(false) };
        connection.flush()?;
        if connection.expect.is_empty() {
            return Ok(false);
        }
        connection.receive(&mut self.scratch)?;
        connection.check()
    }
}

impl Connection {
    fn flush(&mut self) -> Result<(), String> {
        while let Some(rest) = self.out.get(self.sent..).filter(|r| !r.is_empty()) {
            match self.stream.write(rest) {
                Ok(n) => self.sent += n,
                Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Err(format!("write: {e}")),
            }
        }
        Ok(())
    }

    fn receive(&mut self, scratch: &mut [u8]) -> Result<(), String> {
        loop {
            match self.stream.read(scratch) {
                Ok(0) => return Err("the server closed a connection".to_owned()),
                Ok(n) => {
                    self.input.extend_from_slice(scratch.get(..n).unwrap_or_default());
                    // A short read drained the socket; epoll tells of what comes later.
                    if n < scratch.len() {
                        return Ok(());
                    }
                }
                Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Err(format!("read: {e}")),
            }
        }
    }

    fn check(&mut self) -> Result<bool, String> {
        let mut used = 0;
        while let Some(expect) = self.expect.front() {
            let Some(len) = expect.check(self.input.get(used..).unwrap_or_default())? else { break };
            used += len;
            self.expect.pop_front();
        }
        self.input.drain(..used);
        if self.expect.is_empty() && !self.input.is_empty() {
            return Err(format!("{} bytes more than were asked for", self.input.len()));
        }
        Ok(self.expect.is_empty())
    }
}

/// A blocking connection and what renders its requests.
pub struct Link {
    /// Ready for requests.
    pub stream: std::net::TcpStream,
    /// Knows what the server calls things on this connection.
    pub encoder: Encoder,
}

impl Link {
    /// Sends requests, checks the replies and returns the last one.
    pub fn ask(&mut self, requests: impl FnOnce(&Encoder, &mut Vec<u8>) -> Vec<Expect>) -> Result<Vec<u8>, String> {
        let mut out = Vec::new();
        let expect = requests(&self.encoder, &mut out);
        self.stream.write_all(&out).map_err(|e| format!("write: {e}"))?;
        let (mut input, mut last) = (Vec::new(), Vec::new());
        for expect in expect {
            last = self.receive(&mut input, expect)?;
        }
        Ok(last)
    }

    /// Waits for one reply; `input` keeps what came behind it.
    fn receive(&mut self, input: &mut Vec<u8>, expect: Expect) -> Result<Vec<u8>, String> {
        let mut chunk = [0u8; 16384];
        loop {
            if let Some(len) = expect.check(input)? {
                return Ok(input.drain(..len).collect());
            }
            match self.stream.read(&mut chunk) {
                Ok(0) => return Err("the server closed a connection".to_owned()),
                Ok(n) => input.extend_from_slice(chunk.get(..n).unwrap_or_default()),
                Err(e) => return Err(format!("read: {e}")),
            }
        }
    }
}
