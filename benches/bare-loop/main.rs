//! The least that a server of memcached's protocol can do, as a floor for `memcached-bench`: `bare-loop PORT KEYS`.
//!
//! One mio loop that receives, splits lines, looks `v00100:00000001` up in a fixed table by the number in it, and answers with
//! one write per connection and wake-up. No hash table, no expiry, no other command than `get` and `set`, values of up to 100 bytes.

use std::io::{ErrorKind, Read, Write};

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};

const LISTENER: Token = Token(usize::MAX);
/// Bytes before the number in a key.
const PREFIX: usize = 7;
/// The longest value.
const VALUE: usize = 100;
/// Bytes of a place in the table: a byte for the length, then what a get answers.
const SLOT: usize = 160;

/// What is answered for each number; length 0: nothing.
struct Table(Vec<[u8; SLOT]>);

impl Table {
    fn slot(&mut self, key: &[u8]) -> Option<&mut [u8; SLOT]> {
        let digits = key.get(PREFIX..)?;
        let number = digits.iter().try_fold(0usize, |sum, digit| {
            digit.is_ascii_digit().then(|| sum.wrapping_mul(10).wrapping_add(usize::from(digit - b'0')))
        })?;
        self.0.get_mut(number)
    }

    fn get(&mut self, keys: &[u8], output: &mut Vec<u8>) {
        for key in keys.split(|&b| b == b' ') {
            let Some(slot) = self.slot(key) else { continue };
            let [length, reply @ ..] = &*slot;
            let Some(reply) = reply.get(..usize::from(*length)) else { continue };
            // Two keys with the same number are not the same key.
            if reply.get(6..).is_some_and(|rest| rest.starts_with(key)) {
                output.extend_from_slice(reply);
            }
        }
        output.extend_from_slice(b"END\r\n");
    }

    /// Flags and expiry are taken for 0.
    fn set(&mut self, key: &[u8], value: &[u8]) -> &'static [u8] {
        let Some([length, reply @ ..]) = self.slot(key).filter(|_| value.len() <= VALUE) else {
            return b"SERVER_ERROR object too large for cache\r\n";
        };
        let mut rest = &mut reply[..];
        let written = write!(rest, "VALUE {} 0 {}\r\n", key.escape_ascii(), value.len())
            .and_then(|()| rest.write_all(value))
            .and_then(|()| rest.write_all(b"\r\n"));
        let left = rest.len();
        *length = if written.is_ok() { (SLOT - 1 - left) as u8 } else { 0 };
        if written.is_ok() { b"STORED\r\n" } else { b"SERVER_ERROR object too large for cache\r\n" }
    }
}

struct Connection {
    stream: TcpStream,
    /// What was received and is not answered: the beginning of a request.
    input: Vec<u8>,
    /// What the client did not take yet.
    output: Vec<u8>,
}

impl Connection {
    /// Reads what is there, answers it, and writes once; an error ends the connection.
    fn turn(&mut self, table: &mut Table, scratch: &mut [u8]) -> std::io::Result<()> {
        loop {
            match self.stream.read(scratch) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(n) => {
                    self.input.extend_from_slice(&scratch[..n]);
                    if n < scratch.len() {
                        break;
                    }
                }
                Err(e) if e.kind() == ErrorKind::WouldBlock => break,
                Err(e) => return Err(e),
            }
        }
        let mut used = 0;
        while let Some(length) = answer(&self.input[used..], table, &mut self.output)? {
            used += length;
        }
        self.input.drain(..used);
        while !self.output.is_empty() {
            match self.stream.write(&self.output) {
                Ok(n) => drop(self.output.drain(..n)),
                Err(e) if e.kind() == ErrorKind::WouldBlock => break,
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }
}

/// Answers the request at the start of `input`. Returns its length; `None` when it is not whole yet.
fn answer(input: &[u8], table: &mut Table, output: &mut Vec<u8>) -> std::io::Result<Option<usize>> {
    let Some(end) = memchr::memchr(b'\n', input) else { return Ok(None) };
    let line = input[..end].strip_suffix(b"\r").unwrap_or(&input[..end]);
    if let Some(keys) = line.strip_prefix(b"get ") {
        table.get(keys, output);
        return Ok(Some(end + 1));
    }
    let words: Vec<&[u8]> = line.split(|&b| b == b' ').collect();
    let length = words.get(4).and_then(|word| std::str::from_utf8(word).ok()?.parse::<usize>().ok());
    let (Some(&b"set"), Some(length)) = (words.first(), length.filter(|&length| length <= 1 << 20)) else {
        return Err(ErrorKind::InvalidData.into());
    };
    let Some(value) = input.get(end + 1..end + 1 + length + 2) else { return Ok(None) };
    output.extend_from_slice(table.set(words[1], &value[..length]));
    Ok(Some(end + 1 + length + 2))
}

fn main() -> std::io::Result<()> {
    let mut numbers = std::env::args().skip(1).map_while(|text| text.parse::<u32>().ok());
    let (Some(port), Some(keys)) = (numbers.next().and_then(|port| u16::try_from(port).ok()), numbers.next()) else {
        return Err(std::io::Error::other("usage: bare-loop PORT KEYS"));
    };
    let mut table = Table(vec![[0; SLOT]; keys as usize]);
    let mut poll = Poll::new()?;
    let mut listener = TcpListener::bind(([127, 0, 0, 1], port).into())?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut connections: Vec<Option<Connection>> = Vec::new();
    let (mut events, mut scratch) = (Events::with_capacity(1024), vec![0; 256 * 1024]);
    loop {
        match poll.poll(&mut events, None) {
            Err(e) if e.kind() == ErrorKind::Interrupted => continue,
            result => result?,
        }
        for event in &events {
            if event.token() == LISTENER {
                while let Ok((mut stream, _)) = listener.accept() {
                    let _ = stream.set_nodelay(true);
                    let both = Interest::READABLE | Interest::WRITABLE;
                    poll.registry().register(&mut stream, Token(connections.len()), both)?;
                    connections.push(Some(Connection { stream, input: Vec::new(), output: Vec::new() }));
                }
            } else if let Some(place) = connections.get_mut(event.token().0) {
                // A client that left, or that asked for something else.
                if place.as_mut().is_some_and(|one| one.turn(&mut table, &mut scratch).is_err()) {
                    *place = None;
                }
            }
        }
    }
}
