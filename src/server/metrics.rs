//! `-o metrics=ADDRESS`: what `stats` counts, for Prometheus, over HTTP.
//!
//! A thread of its own takes one request after the other, so that nobody who scrapes costs a client anything: `GET /metrics`, nothing
//! else, answered and closed. A request has [`HEAD_MAX`] bytes and [`PATIENCE`] from its first byte to the last one of the answer.

mod families;

use super::listen::ListenError;
use super::shared::Shared;
use mio::net::TcpListener;
use mio::{Events, Interest, Poll, Token, Waker};
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// Bytes of a request line and its headers.
const HEAD_MAX: usize = 4096;

/// How long a client has for its request and the answer together.
const PATIENCE: Duration = Duration::from_secs(1);

/// Pause before what the system refused is tried again.
const PAUSE: Duration = Duration::from_millis(100);

const LISTENER: Token = Token(0);
const WAKE: Token = Token(1);

/// The listener and its poller.
pub struct Seed {
    poll: Poll,
    listener: TcpListener,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Seed {
    /// Listens; the waker is for the end.
    ///
    /// # Errors
    /// [`ListenError::Metrics`].
    pub fn bind(address: SocketAddr) -> Result<(Seed, Waker), ListenError> {
        let bind = || {
            let poll = Poll::new()?;
            let mut listener = TcpListener::bind(address)?;
            poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
            let waker = Waker::new(poll.registry(), WAKE)?;
            let address = listener.local_addr()?;
            Ok((Seed { poll, listener, address }, waker))
        };
        bind().map_err(|e: std::io::Error| ListenError::Metrics { address, reason: e.to_string() })
    }
}

/// The body of the thread: serves until the daemon stops.
pub fn run(seed: Seed, shared: &Shared) {
    let Seed { mut poll, listener, .. } = seed;
    let mut events = Events::with_capacity(8);
    let mut retry = None;
    while !shared.stopping() {
        if poll.poll(&mut events, retry).is_err() {
            std::thread::sleep(PAUSE);
        }
        retry = None;
        while !shared.stopping() {
            match listener.accept() {
                // Who goes away in the middle of it is nobody's fault here.
                Ok((stream, _)) => drop(serve(stream.into(), shared)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => {
                    shared.complain(|| format!("DM1416: cannot accept a connection for metrics: {error}"));
                    retry = Some(PAUSE);
                    break;
                }
            }
        }
    }
}

fn serve(mut stream: TcpStream, shared: &Shared) -> std::io::Result<()> {
    let until = Instant::now() + PATIENCE;
    stream.set_nonblocking(false)?;
    let head = read_head(&mut stream, until)?;
    let answer = answer(&head, || families::text(shared));
    let mut rest = answer.as_bytes();
    while !rest.is_empty() {
        stream.set_write_timeout(Some(left(until)?))?;
        match stream.write(rest)? {
            0 => return Err(ErrorKind::WriteZero.into()),
            n => rest = &rest[n..],
        }
    }
    stream.shutdown(std::net::Shutdown::Write)
}

/// The time that is left; an error if it is over.
fn left(until: Instant) -> std::io::Result<Duration> {
    let left = until.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(ErrorKind::TimedOut.into()) } else { Ok(left) }
}

/// The request up to the empty line, or as much of it as is allowed.
fn read_head(stream: &mut TcpStream, until: Instant) -> std::io::Result<Vec<u8>> {
    let mut head = Vec::new();
    let mut some = [0; 1024];
    while !head.windows(4).any(|end| end == b"\r\n\r\n") && head.len() < HEAD_MAX {
        stream.set_read_timeout(Some(left(until)?))?;
        match stream.read(&mut some)? {
            0 => return Err(ErrorKind::UnexpectedEof.into()),
            n => head.extend_from_slice(&some[..n]),
        }
    }
    Ok(head)
}

/// The answer to a request.
fn answer(head: &[u8], metrics: impl FnOnce() -> String) -> String {
    let reply = |status: &str, more: &str, body: &str| {
        format!(
            "HTTP/1.1 {status}\r\n{more}Content-Type: text/plain; version=0.0.4; charset=utf-8\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        )
    };
    if !head.windows(4).any(|end| end == b"\r\n\r\n") {
        return reply("431 Request Header Fields Too Large", "", "the request is too long\n");
    }
    let line = head.split(|byte| *byte == b'\r').next().and_then(|line| std::str::from_utf8(line).ok());
    let words: Vec<&str> = line.unwrap_or_default().split(' ').collect();
    match words[..] {
        [method, target, "HTTP/1.1" | "HTTP/1.0"] => match (method, target.split('?').next().unwrap_or_default()) {
            ("GET", "/metrics") => reply("200 OK", "", &metrics()),
            ("HEAD", "/metrics") => {
                let whole = reply("200 OK", "", &metrics());
                whole.split_inclusive("\r\n\r\n").next().unwrap_or_default().to_owned()
            }
            ("GET" | "HEAD", _) => reply("404 Not Found", "", "metrics are at /metrics\n"),
            _ => reply("405 Method Not Allowed", "Allow: GET, HEAD\r\n", "only GET and HEAD\n"),
        },
        _ => reply("400 Bad Request", "", "this is no HTTP/1.1\n"),
    }
}
