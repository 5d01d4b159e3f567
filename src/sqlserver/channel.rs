//! Packets over a socket.
//!
//! A packet is cut into frames of at most 16 MiB - 1, each behind its length and a sequence number that both sides count.
//! Output is collected and leaves with [`Channel::flush`], or when much has come together.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConnection;

use super::protocol::status;
use super::tls::Wire;
use crate::refengine::codes;
use crate::refengine::sql::{SqlError, Status};

/// The longest frame.
const MAX_FRAME: usize = (1 << 24) - 1;
/// Output beyond this is sent without waiting for the end of the answer.
const OUTPUT: usize = 64 << 10;

/// A connection's socket.
pub enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Stream {
    /// Ends both directions; whoever reads or writes finds out.
    pub fn shut_down(&self) {
        // It may have ended by itself.
        let _ = match self {
            Stream::Tcp(stream) => stream.shutdown(Shutdown::Both),
            Stream::Unix(stream) => stream.shutdown(Shutdown::Both),
        };
    }

    /// How long a read waits for the client.
    pub fn set_patience(&self, patience: Duration) -> io::Result<()> {
        match self {
            Stream::Tcp(stream) => stream.set_read_timeout(Some(patience)),
            Stream::Unix(stream) => stream.set_read_timeout(Some(patience)),
        }
    }

    /// How long a write waits for the client to take it.
    pub fn set_write_patience(&self, patience: Duration) -> io::Result<()> {
        match self {
            Stream::Tcp(stream) => stream.set_write_timeout(Some(patience)),
            Stream::Unix(stream) => stream.set_write_timeout(Some(patience)),
        }
    }

    /// The user id of the process at the other end of a UNIX socket.
    pub fn peer_uid(&self) -> Option<u32> {
        let Stream::Unix(stream) = self else { return None };
        let mut peer = libc::ucred { pid: 0, uid: 0, gid: 0 };
        let mut size = size_of::<libc::ucred>() as libc::socklen_t;
        // SAFETY: the descriptor is open, and `peer` has the `size` bytes that are written at most.
        let result = unsafe {
            libc::getsockopt(
                stream.as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_PEERCRED,
                (&raw mut peer).cast(),
                &raw mut size,
            )
        };
        (result == 0).then_some(peer.uid)
    }
}

/// The socket as a stream of bytes.
#[derive(Clone)]
struct Socket(Arc<Stream>);

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &*self.0 {
            Stream::Tcp(stream) => (&mut &*stream).read(buffer),
            Stream::Unix(stream) => (&mut &*stream).read(buffer),
        }
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &*self.0 {
            Stream::Tcp(stream) => (&mut &*stream).write(bytes),
            Stream::Unix(stream) => (&mut &*stream).write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// See the module.
pub struct Channel {
    stream: Arc<Stream>,
    wire: Wire<Socket>,
    output: Vec<u8>,
    sequence: u8,
}

/// Why no packet came.
#[derive(Debug)]
pub enum ReadError {
    /// The connection broke, was closed or was silent for too long.
    Io,
    /// The client may be told, then the connection ends.
    Refused(SqlError),
}

impl From<io::Error> for ReadError {
    fn from(_: io::Error) -> ReadError {
        ReadError::Io
    }
}

impl Channel {
    pub fn new(stream: Arc<Stream>) -> Channel {
        let wire = Wire::new(Socket(stream.clone()));
        Channel { stream, wire, output: Vec::new(), sequence: 0 }
    }

    /// Encrypts what follows.
    pub fn encrypt(&mut self, session: ServerConnection) {
        self.wire.encrypt(session);
    }

    /// Whether nobody on the way reads along: encrypted, or within this machine.
    pub fn is_private(&self) -> bool {
        self.wire.is_encrypted() || matches!(&*self.stream, Stream::Unix(_))
    }

    /// The socket, for those who end it.
    pub fn shared_stream(&self) -> Arc<Stream> {
        self.stream.clone()
    }

    /// The socket.
    pub fn stream(&self) -> &Stream {
        &self.stream
    }

    /// The next packet counts from zero: a command begins.
    pub fn begin(&mut self) {
        self.sequence = 0;
    }

    /// Waits for a packet of at most `most` bytes.
    pub fn read(&mut self, most: usize) -> Result<Vec<u8>, ReadError> {
        let mut packet = Vec::new();
        loop {
            let mut head = [0; 4];
            self.wire.read_exact(&mut head)?;
            let [low, middle, high, sequence] = head;
            let length = u32::from_le_bytes([low, middle, high, 0]) as usize;
            if sequence != self.sequence {
                return Err(ReadError::Refused(SqlError::new(
                    codes::ER_NET_PACKETS_OUT_OF_ORDER,
                    "Got packets out of order",
                )));
            }
            self.sequence = sequence.wrapping_add(1);
            if packet.len() + length > most {
                let text = "Got a packet bigger than 'max_allowed_packet' bytes";
                return Err(ReadError::Refused(SqlError::new(codes::ER_NET_PACKET_TOO_LARGE, text)));
            }
            // Memory grows with what arrives, not with what was announced.
            let got = (&mut self.wire).take(length as u64).read_to_end(&mut packet)?;
            if got < length {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
            if length < MAX_FRAME {
                return Ok(packet);
            }
        }
    }

    /// Appends a packet to the output.
    pub fn write(&mut self, packet: &[u8]) -> io::Result<()> {
        let mut rest = packet;
        loop {
            let (frame, behind) = rest.split_at(rest.len().min(MAX_FRAME));
            let [low, middle, high, _] = (frame.len() as u32).to_le_bytes();
            self.output.extend_from_slice(&[low, middle, high, self.sequence]);
            self.sequence = self.sequence.wrapping_add(1);
            self.output.extend_from_slice(frame);
            if self.output.len() >= OUTPUT {
                self.flush()?;
            }
            rest = behind;
            // A frame of full length says that another follows, if only an empty one.
            if frame.len() < MAX_FRAME {
                return Ok(());
            }
        }
    }

    /// Sends the output.
    pub fn flush(&mut self) -> io::Result<()> {
        let sent = self.wire.write_all(&self.output);
        self.output.clear();
        sent
    }

    /// OK.
    pub fn ok(&mut self, affected: u64, warnings: usize, status: u16) -> io::Result<()> {
        let mut packet = vec![0];
        super::protocol::put_int(&mut packet, affected);
        super::protocol::put_int(&mut packet, 0);
        packet.extend(status.to_le_bytes());
        packet.extend(u16::try_from(warnings).unwrap_or(u16::MAX).to_le_bytes());
        self.write(&packet)
    }

    /// The end of columns or rows.
    pub fn eof(&mut self, warnings: usize, status: u16) -> io::Result<()> {
        let mut packet = vec![0xfe];
        packet.extend(u16::try_from(warnings).unwrap_or(u16::MAX).to_le_bytes());
        packet.extend(status.to_le_bytes());
        self.write(&packet)
    }

    /// An error.
    pub fn error(&mut self, error: &SqlError) -> io::Result<()> {
        let mut packet = vec![0xff];
        packet.extend(u16::try_from(error.errno).unwrap_or(1105).to_le_bytes());
        packet.push(b'#');
        packet.extend_from_slice(error.sqlstate.as_bytes());
        packet.extend_from_slice(error.message.as_bytes());
        self.write(&packet)
    }
}

/// A session's status as OK and EOF carry it.
pub fn status_bits(status: Status) -> u16 {
    let bit = |on, bit| if on { bit } else { 0 };
    bit(status.in_transaction, status::IN_TRANSACTION) | bit(status.autocommit, status::AUTOCOMMIT)
}
