//! A client of the server's own protocol, over the server's own UNIX socket: as much of it as it takes to log in and to ask what the account
//! may do. Every wait ends with the time that was given for all, or when the daemon stops.

use super::LoginError;
use super::proof::Method;
use socket2::{Domain, SockAddr, Socket, Type};
use std::io::{ErrorKind, Read};
use std::path::Path;
use std::time::{Duration, Instant};

// LONG_PASSWORD, PROTOCOL_41, TRANSACTIONS, SECURE_CONNECTION, PLUGIN_AUTH. Not that expired passwords can be handled: such accounts are refused.
const CAPABILITIES: u32 = 1 | 0x200 | 0x2000 | 0x8000 | 0x8_0000;

const UTF8MB4: u8 = 45;
const COM_QUIT: u8 = 1;
const COM_QUERY: u8 = 3;
const COM_STMT_PREPARE: u8 = 22;
const COM_STMT_CLOSE: u8 = 25;

/// How long one call of the system waits before the clock and the daemon's end are looked at.
const SLICE: Duration = Duration::from_millis(50);

/// Longer packets are none of a login or of a statement's description.
const PACKET_MAX: usize = 1 << 20;

/// A session of an account.
pub(super) struct Client<'s> {
    socket: Socket,
    sequence: u8,
    until: Instant,
    stopping: &'s dyn Fn() -> bool,
    inside: bool,
}

/// An error that the server sent.
pub(super) struct ServerError {
    pub(super) code: u16,
    pub(super) message: String,
}

/// How asking a server ends that is not served.
pub(super) enum Failure {
    Server(ServerError),
    Other(LoginError),
}

impl From<LoginError> for Failure {
    fn from(error: LoginError) -> Failure {
        Failure::Other(error)
    }
}

fn broken(what: &str) -> LoginError {
    LoginError::Unavailable(format!("the server's socket: {what}"))
}

/// Connects to the socket, if it is one of this process: whoever else has it must not see a password.
///
/// # Errors
/// Nobody listens there, the server is too busy to take another connection, or it is another process.
pub(super) fn connect(path: &Path) -> Result<Socket, LoginError> {
    let failed = |error: std::io::Error| LoginError::Unavailable(format!("{}: {error}", path.display()));
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None).map_err(failed)?;
    // Without that a full queue of the server would keep us waiting.
    socket.set_nonblocking(true).map_err(failed)?;
    socket.connect(&SockAddr::unix(path).map_err(failed)?).map_err(failed)?;
    socket.set_nonblocking(false).map_err(failed)?;
    socket.set_read_timeout(Some(SLICE)).map_err(failed)?;
    socket.set_write_timeout(Some(SLICE)).map_err(failed)?;
    match listener_of(&socket) {
        Some(pid) if pid.cast_unsigned() == std::process::id() => Ok(socket),
        _ => Err(LoginError::Unavailable(format!(
            "{} was opened by another process than this server; let the server open it itself",
            path.display()
        ))),
    }
}

/// The process that listens at the other end.
fn listener_of(socket: &Socket) -> Option<libc::pid_t> {
    use std::os::fd::AsRawFd;
    let mut credentials = libc::ucred { pid: 0, uid: 0, gid: 0 };
    let mut length = size_of::<libc::ucred>() as libc::socklen_t;
    // SAFETY: an open socket, and room for what the option returns.
    let told = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERCRED,
            (&raw mut credentials).cast(),
            &mut length,
        )
    };
    (told == 0).then_some(credentials.pid)
}

impl<'s> Client<'s> {
    /// Over a fresh connection; all that it ever waits for ends at `until`.
    pub(super) fn new(socket: Socket, until: Instant, stopping: &'s dyn Fn() -> bool) -> Client<'s> {
        Client { socket, sequence: 0, until, stopping, inside: false }
    }

    /// Logs in.
    ///
    /// # Errors
    /// The server's, or the account has a method that cannot be used here.
    pub(super) fn log_in(&mut self, name: &[u8], password: &[u8]) -> Result<(), Failure> {
        let greeting = Greeting::parse(&self.answer()?).ok_or_else(|| broken("an unknown greeting"))?;
        let mut method = Method::of(&greeting.method).unwrap_or(Method::Native);
        let proof = method.answer(password, &greeting.salt);
        let mut hello = CAPABILITIES.to_le_bytes().to_vec();
        hello.extend_from_slice(&(PACKET_MAX as u32).to_le_bytes());
        hello.push(UTF8MB4);
        hello.extend_from_slice(&[0; 23]);
        hello.extend_from_slice(name);
        hello.push(0);
        hello.push(proof.len() as u8);
        hello.extend_from_slice(&proof);
        hello.extend_from_slice(method.name().as_bytes());
        hello.push(0);
        self.send(&hello)?;
        loop {
            let packet = self.answer()?;
            match packet.as_slice() {
                [0, ..] => {
                    self.inside = true;
                    return Ok(());
                }
                // The account has another method.
                [0xfe, rest @ ..] => {
                    let (wanted, salt) = cut(rest).unwrap_or((rest, &[]));
                    method = Method::of(wanted).ok_or_else(|| {
                        let wanted = wanted.escape_ascii();
                        LoginError::Refused(format!("the account's method {wanted} is none that can be used here"))
                    })?;
                    let salt = salt.strip_suffix(&[0]).unwrap_or(salt);
                    self.send(&method.answer(password, salt))?;
                }
                // The server knows the password from before.
                [1, 3] if method == Method::CachingSha2 => {}
                // It does not: over its own socket it takes the password itself.
                [1, 4] if method == Method::CachingSha2 => self.send(&[password, b"\0"].concat())?,
                _ => return Err(LoginError::Refused("the account asks for more than a password".into()).into()),
            }
        }
    }

    /// Runs a statement without rows.
    pub(super) fn run(&mut self, sql: &str) -> Result<(), Failure> {
        self.command(COM_QUERY, sql.as_bytes())?;
        match self.answer()?.first() {
            Some(0) => Ok(()),
            _ => Err(broken("rows are not expected").into()),
        }
    }

    /// The first row of a query, NULL as nothing.
    pub(super) fn row(&mut self, sql: &str) -> Result<Vec<Option<Vec<u8>>>, Failure> {
        self.command(COM_QUERY, sql.as_bytes())?;
        let columns = usize::from(self.answer()?.first().copied().unwrap_or(0));
        self.skip(columns)?;
        let mut first = None;
        loop {
            let packet = self.answer()?;
            if is_end(&packet) {
                return Ok(first.unwrap_or_default());
            }
            let mut rest = packet.as_slice();
            let mut row = Vec::with_capacity(columns);
            while let Some((value, behind)) = column(rest) {
                row.push(value.map(<[u8]>::to_vec));
                rest = behind;
            }
            first.get_or_insert(row);
        }
    }

    /// Lets the server check a statement with all rights that it takes, and runs nothing.
    pub(super) fn check(&mut self, sql: &str) -> Result<(), Failure> {
        self.command(COM_STMT_PREPARE, sql.as_bytes())?;
        let packet = self.answer()?;
        let [0, a, b, c, d, columns_low, columns_high, marks_low, marks_high, ..] = packet[..] else {
            return Err(broken("an unknown answer to a statement").into());
        };
        self.skip(usize::from(u16::from_le_bytes([marks_low, marks_high])))?;
        self.skip(usize::from(u16::from_le_bytes([columns_low, columns_high])))?;
        // This one has no answer.
        Ok(self.command(COM_STMT_CLOSE, &[a, b, c, d])?)
    }

    /// Reads over descriptions of columns, and their end.
    fn skip(&mut self, columns: usize) -> Result<(), Failure> {
        if columns > 0 {
            while !is_end(&self.answer()?) {}
        }
        Ok(())
    }

    fn command(&mut self, command: u8, text: &[u8]) -> Result<(), LoginError> {
        self.sequence = 0;
        self.send(&[&[command], text].concat())
    }

    /// A packet that is no error.
    fn answer(&mut self) -> Result<Vec<u8>, Failure> {
        let packet = self.packet()?;
        let [0xff, low, high, text @ ..] = packet.as_slice() else { return Ok(packet) };
        // Behind a number sign stands the SQL state.
        let text = text.strip_prefix(b"#").and_then(|rest| rest.get(5..)).unwrap_or(text);
        let message = String::from_utf8_lossy(text).into_owned();
        Err(Failure::Server(ServerError { code: u16::from_le_bytes([*low, *high]), message }))
    }

    fn packet(&mut self) -> Result<Vec<u8>, LoginError> {
        let mut head = [0; 4];
        self.read(&mut head)?;
        let length = usize::from(head[0]) | usize::from(head[1]) << 8 | usize::from(head[2]) << 16;
        if length > PACKET_MAX {
            return Err(broken("a packet is too long"));
        }
        self.sequence = head[3].wrapping_add(1);
        let mut packet = vec![0; length];
        self.read(&mut packet)?;
        Ok(packet)
    }

    fn read(&mut self, mut room: &mut [u8]) -> Result<(), LoginError> {
        while !room.is_empty() {
            match self.socket.read(room) {
                Ok(0) => return Err(broken("it was closed")),
                Ok(n) => room = &mut room[n..],
                Err(error) => self.wait_on(&error)?,
            }
        }
        Ok(())
    }

    fn send(&mut self, packet: &[u8]) -> Result<(), LoginError> {
        let length = (packet.len() as u32).to_le_bytes();
        let framed = [&length[..3], &[self.sequence], packet].concat();
        self.sequence = self.sequence.wrapping_add(1);
        let mut rest = framed.as_slice();
        while !rest.is_empty() {
            match self.socket.send_with_flags(rest, libc::MSG_NOSIGNAL) {
                Ok(n) => rest = &rest[n..],
                Err(error) => self.wait_on(&error)?,
            }
        }
        Ok(())
    }

    fn wait_on(&self, error: &std::io::Error) -> Result<(), LoginError> {
        match error.kind() {
            ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted => {}
            _ => return Err(broken(&error.to_string())),
        }
        if (self.stopping)() {
            return Err(broken("the daemon stops"));
        }
        if Instant::now() >= self.until { Err(broken("no answer in time")) } else { Ok(()) }
    }
}

impl Drop for Client<'_> {
    /// A session that ends without a word counts as one that was aborted.
    fn drop(&mut self) {
        if self.inside {
            let _ = self.command(COM_QUIT, b"");
        }
    }
}

/// What a server says first.
struct Greeting {
    salt: Vec<u8>,
    method: Vec<u8>,
}

impl Greeting {
    fn parse(packet: &[u8]) -> Option<Greeting> {
        let (10, rest) = packet.split_first().map(|(version, rest)| (*version, rest))? else { return None };
        let (_, rest) = cut(rest)?;
        // The connection's number, 8 bytes of salt, a zero; flags, character set and status, flags, a length and ten bytes without meaning.
        let mut salt = rest.get(4..12)?.to_vec();
        let (more, rest) = cut(rest.get(31..)?)?;
        salt.extend_from_slice(more);
        let method = cut(rest).map_or(rest, |(method, _)| method).to_vec();
        Some(Greeting { salt, method })
    }
}

/// What stands before a zero byte, and what behind it.
fn cut(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = memchr::memchr(0, bytes)?;
    Some((&bytes[..end], &bytes[end + 1..]))
}

fn is_end(packet: &[u8]) -> bool {
    packet.first() == Some(&0xfe) && packet.len() < 9
}

/// The first column of a row, and what is behind it; no column is longer than 64 KiB.
fn column(bytes: &[u8]) -> Option<(Option<&[u8]>, &[u8])> {
    let (length, rest) = match bytes {
        [0xfb, rest @ ..] => return Some((None, rest)),
        [0xfc, low, high, rest @ ..] => (usize::from(u16::from_le_bytes([*low, *high])), rest),
        [length @ ..=0xfa, rest @ ..] => (usize::from(*length), rest),
        _ => return None,
    };
    let (value, rest) = rest.split_at_checked(length)?;
    Some((Some(value), rest))
}
