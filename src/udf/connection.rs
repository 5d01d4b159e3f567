//! One connection to a server. Every wait is in slices, between which the statement may turn out to be killed.

use super::behavior::Transport;
use super::failure::Failure;
use super::server;
use super::wire::{Outcome, Request, Source};
use socket2::{Domain, SockAddr, Socket, Type};
use std::io::{self, ErrorKind, Read};
use std::mem::MaybeUninit;
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

/// How long a thread sleeps before it looks whether its statement was killed.
const SLICE: Duration = Duration::from_millis(20);
const BUFFER: usize = 16 << 10;

/// The bound of a wait.
#[derive(Clone, Copy, Debug)]
pub struct Wait {
    deadline: Instant,
}

impl Wait {
    /// From now on for so long.
    pub fn new(bound: Duration) -> Wait {
        Wait { deadline: Instant::now() + bound }
    }

    /// To be asked after each slice.
    ///
    /// # Errors
    /// [`Failure::Killed`], [`Failure::Timeout`].
    pub fn check(&self) -> Result<(), Failure> {
        match (server::is_killed(), Instant::now() >= self.deadline) {
            (true, _) => Err(Failure::Killed),
            (_, true) => Err(Failure::Timeout),
            _ => Ok(()),
        }
    }

    /// The next slice.
    pub fn slice(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now()).clamp(Duration::from_millis(1), SLICE)
    }
}

/// A connection that is logged in and has no request under way.
pub struct Connection {
    socket: Socket,
    binary: bool,
    buffer: Box<[u8]>,
    /// What was read and not consumed lies between.
    start: usize,
    end: usize,
}

impl Connection {
    /// Connects to the first address that answers and logs in.
    ///
    /// # Errors
    /// The last address's failure.
    pub fn open(addresses: &[SockAddr], transport: &Transport, wait: Wait) -> Result<Connection, Failure> {
        let mut failure = Failure::Unknown("it has none".to_owned());
        for address in addresses {
            match connect(address, transport, wait) {
                Ok(socket) => {
                    let buffer = vec![0; BUFFER].into_boxed_slice();
                    let mut connection = Connection { socket, binary: transport.binary, buffer, start: 0, end: 0 };
                    if !transport.user.is_empty() {
                        connection.log_in(transport, wait)?;
                    }
                    return Ok(connection);
                }
                Err(e @ (Failure::Killed | Failure::Timeout)) => return Err(e),
                Err(e) => failure = e,
            }
        }
        Err(failure)
    }

    fn log_in(&mut self, transport: &Transport, wait: Wait) -> Result<(), Failure> {
        let login = Request::Login { user: &transport.user, password: &transport.password };
        let mut request = Vec::new();
        login.encode(self.binary, &mut request)?;
        self.ask(&login, &request, &mut Vec::new(), wait).map(|_| ())
    }

    /// Whether it still is what it was when the last reply ended: open, and nothing to read.
    pub fn is_alive(&self) -> bool {
        let mut byte = [MaybeUninit::uninit()];
        match self.socket.recv_with_flags(&mut byte, libc::MSG_PEEK | libc::MSG_DONTWAIT) {
            Err(e) => e.kind() == ErrorKind::WouldBlock,
            Ok(_) => false,
        }
    }

    /// Sends a request, `encoded` as its bytes, and reads the reply. After a failure other than [`Failure::Refused`] of a
    /// request without a value nobody may use the connection again.
    ///
    /// # Errors
    /// As the server, the network or the wait has it.
    pub fn ask(
        &mut self,
        request: &Request<'_>,
        encoded: &[u8],
        value: &mut Vec<u8>,
        wait: Wait,
    ) -> Result<Outcome, Failure> {
        let mut unsent = encoded;
        while !unsent.is_empty() {
            match self.socket.send_with_flags(unsent, libc::MSG_NOSIGNAL) {
                Ok(sent) => unsent = &unsent[sent..],
                Err(e) => pause(e, wait)?,
            }
        }
        request.decode(self.binary, &mut Reader { connection: self, wait }, value)
    }
}

/// What a system call's error means for a wait: go on, or fail.
fn pause(error: io::Error, wait: Wait) -> Result<(), Failure> {
    match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted => wait.check(),
        _ => Err(Failure::Lost(error)),
    }
}

struct Reader<'c> {
    connection: &'c mut Connection,
    wait: Wait,
}

impl Source for Reader<'_> {
    fn bytes(&mut self) -> Result<&[u8], Failure> {
        let Connection { socket, buffer, start, end, .. } = &mut *self.connection;
        while start == end {
            match (&*socket).read(buffer) {
                Ok(0) => return Err(Failure::Lost(ErrorKind::UnexpectedEof.into())),
                Ok(count) => (*start, *end) = (0, count),
                Err(e) => pause(e, self.wait)?,
            }
        }
        Ok(&buffer[*start..*end])
    }

    fn consume(&mut self, count: usize) {
        self.connection.start += count;
    }
}

/// A connected socket whose calls block for a slice at most.
fn connect(address: &SockAddr, transport: &Transport, wait: Wait) -> Result<Socket, Failure> {
    let domain = Domain::from(i32::from(address.family()));
    let socket = Socket::new(domain, Type::STREAM, None).map_err(Failure::Connect)?;
    let tcp = !address.is_unix();
    let set = || -> io::Result<()> {
        socket.set_nonblocking(true)?;
        if tcp {
            socket.set_tcp_nodelay(transport.nodelay)?;
            socket.set_keepalive(transport.keepalive)?;
        }
        if transport.send_size > 0 {
            socket.set_send_buffer_size(transport.send_size)?;
        }
        if transport.receive_size > 0 {
            socket.set_recv_buffer_size(transport.receive_size)?;
        }
        let slice = Some(SLICE.min(transport.poll));
        socket.set_read_timeout(slice)?;
        socket.set_write_timeout(slice)
    };
    set().map_err(Failure::Connect)?;
    match socket.connect(address) {
        Ok(()) => {}
        // A UNIX socket whose queue is full says WouldBlock and does not go on by itself.
        Err(e) if e.raw_os_error() == Some(libc::EINPROGRESS) => await_connect(&socket, wait)?,
        Err(e) => return Err(Failure::Connect(e)),
    }
    socket.set_nonblocking(false).map_err(Failure::Connect)?;
    Ok(socket)
}

fn await_connect(socket: &Socket, wait: Wait) -> Result<(), Failure> {
    loop {
        let mut poll = libc::pollfd { fd: socket.as_raw_fd(), events: libc::POLLOUT, revents: 0 };
        // SAFETY: one valid pollfd, for the duration of the call.
        let ready = unsafe { libc::poll(&raw mut poll, 1, wait.slice().as_millis() as libc::c_int) };
        if ready > 0 {
            return match socket.take_error() {
                Ok(None) => Ok(()),
                Ok(Some(e)) | Err(e) => Err(Failure::Connect(e)),
            };
        }
        wait.check()?;
    }
}
