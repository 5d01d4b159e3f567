//! A client of memcached's text protocol.

use super::{PATIENCE, patient};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

trait Stream: Read + Write + Send {}
impl<T: Read + Write + Send> Stream for T {}

/// What a client of the text protocol logs in with.
pub fn credentials(name: &str, password: &str) -> String {
    let token = format!("{name} {password}");
    format!("set login 0 0 {}\r\n{token}\r\n", token.len())
}

/// A memcached client that says and hears bytes; every read has a time-out.
pub struct Client {
    stream: BufReader<Box<dyn Stream>>,
}

impl Client {
    pub fn connect(port: u16) -> Self {
        Self::over(patient::connect(("127.0.0.1", port)))
    }

    /// Like [`Client::connect`] where nobody may listen any more.
    pub fn try_connect(port: u16) -> io::Result<Self> {
        patient::try_connect(("127.0.0.1", port)).map(Self::over)
    }

    pub fn connect_unix(path: &Path) -> Self {
        let stream = UnixStream::connect(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Self::over(stream)
    }

    /// A client over a stream whose time-outs the caller has set.
    pub fn over(stream: impl Read + Write + Send + 'static) -> Self {
        Self { stream: BufReader::new(Box::new(stream)) }
    }

    #[track_caller]
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.get_mut().write_all(bytes.as_ref()).unwrap_or_else(|e| panic!("send: {e}"));
    }

    /// Like [`Client::send`] for a connection that the daemon may close meanwhile.
    pub fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.get_mut().write_all(bytes.as_ref())
    }

    /// The next bytes are exactly these.
    #[track_caller]
    pub fn expect(&mut self, expected: impl AsRef<[u8]>) {
        let expected = expected.as_ref();
        let mut got = Vec::new();
        while got.len() < expected.len() && expected.starts_with(&got) {
            let mut byte = [0];
            match self.stream.read(&mut byte) {
                Ok(1) => got.push(byte[0]),
                // A machine that is paused interrupts a read with a time-out.
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                end => panic!("wanted \"{}\", got \"{}\", then {end:?}", expected.escape_ascii(), got.escape_ascii()),
            }
        }
        if got != expected {
            // What came with it makes the message readable.
            got.extend_from_slice(self.stream.buffer());
            panic!("wanted \"{}\", got \"{}\"", expected.escape_ascii(), got.escape_ascii());
        }
    }

    /// Logs in as a user of the text protocol.
    #[track_caller]
    pub fn log_in(&mut self, name: &str, password: &str) {
        self.ask(credentials(name, password), "STORED\r\n");
    }

    /// Sends and expects.
    #[track_caller]
    pub fn ask(&mut self, request: impl AsRef<[u8]>, reply: impl AsRef<[u8]>) {
        self.send(request);
        self.expect(reply);
    }

    /// Stores a value without flags, for ever.
    #[track_caller]
    pub fn store(&mut self, key: &str, value: &str) {
        self.ask(format!("set {key} 0 0 {}\r\n{value}\r\n", value.len()), "STORED\r\n");
    }

    /// Reads a key, which has this value, without flags.
    #[track_caller]
    pub fn ask_value(&mut self, key: &str, value: &str) {
        self.ask(format!("get {key}\r\n"), format!("VALUE {key} 0 {}\r\n{value}\r\nEND\r\n", value.len()));
    }

    /// One line without its end; `None` when the daemon closed.
    pub fn try_read_line(&mut self) -> io::Result<Option<String>> {
        let mut line = Vec::new();
        if self.stream.read_until(b'\n', &mut line)? == 0 {
            return Ok(None);
        }
        let line = line.strip_suffix(b"\n").unwrap_or(&line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        Ok(Some(String::from_utf8_lossy(line).into_owned()))
    }

    #[track_caller]
    pub fn read_line(&mut self) -> String {
        self.try_read_line().unwrap_or_else(|e| panic!("read: {e}")).expect("the daemon closed the connection")
    }

    #[track_caller]
    pub fn read_exact(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        self.stream.read_exact(&mut bytes).unwrap_or_else(|e| panic!("read: {e}"));
        bytes
    }

    /// One whole reply of the text protocol with its line ends: lines up to the first that is
    /// neither VALUE (taken with its data) nor STAT.
    #[track_caller]
    pub fn read_reply(&mut self) -> Vec<u8> {
        let mut reply = Vec::new();
        loop {
            let line = self.read_line();
            reply.extend_from_slice(line.as_bytes());
            reply.extend_from_slice(b"\r\n");
            if line.starts_with("VALUE ") {
                let length = line.split(' ').nth(3).and_then(|n| n.parse::<usize>().ok());
                let length = length.unwrap_or_else(|| panic!("no length in '{line}'"));
                reply.extend(self.read_exact(length + 2));
            } else if !line.starts_with("STAT ") {
                return reply;
            }
        }
    }

    /// `stats` or a sub-command of it, as (name, value).
    #[track_caller]
    pub fn stats(&mut self, what: &str) -> Vec<(String, String)> {
        self.send(format!("stats {what}").trim_end().to_owned() + "\r\n");
        let mut stats = Vec::new();
        loop {
            let line = self.read_line();
            let Some((name, value)) = line.strip_prefix("STAT ").and_then(|l| l.split_once(' ')) else {
                assert_eq!(line, "END");
                return stats;
            };
            stats.push((name.to_owned(), value.to_owned()));
        }
    }

    /// The daemon closes without another byte (a reset counts as a close).
    #[track_caller]
    pub fn expect_close(&mut self) {
        let mut byte = [0];
        match self.stream.read(&mut byte) {
            Ok(0) => {}
            Err(e) if e.kind() == io::ErrorKind::ConnectionReset => {}
            other => panic!("wanted a close, got {other:?} \"{}\"", self.stream.buffer().escape_ascii()),
        }
    }
}
