//! What the fuzz target of the SQL end calls; there with `--cfg fuzzing` and, so that they stay right, in tests.

use super::channel::{Channel, Stream};
use super::connection::{self, Service};
use super::login::Origin;
use crate::refengine::Engine;
use crate::refengine::ffi::Parts;
use crate::refengine::sql::{Functions, Host, HostReply, HostStatement, Result, SqlError};
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, OnceLock};

/// A program without plugins.
#[derive(Default)]
struct NoHost(Functions);

impl Host for NoHost {
    fn is_present(&self) -> bool {
        false
    }

    fn run(&self, _: HostStatement<'_>) -> Result<HostReply> {
        Err(SqlError::unsupported("a host"))
    }

    fn functions(&self) -> &Functions {
        &self.0
    }
}

fn service() -> &'static Service {
    static SERVICE: OnceLock<Service> = OnceLock::new();
    SERVICE.get_or_init(|| {
        let dir = std::env::temp_dir().join(format!("sqlserver-fuzz-{}", std::process::id()));
        let engine = Engine::open(&dir, &[]).expect("the engine opens");
        engine.create_database("test").expect("a new database");
        Service {
            parts: Parts { engine, host: Arc::new(NoHost::default()), processes: Arc::default() },
            certificates: None,
        }
    })
}

/// Serves a client that sends `bytes` and closes; returns what it was sent.
pub fn serve(bytes: &[u8]) -> Vec<u8> {
    let (mut client, server) = UnixStream::pair().expect("a pair of sockets");
    let stream = Stream::Unix(server);
    let origin = Origin { names: vec!["localhost".to_owned()], place: "localhost".to_owned(), uid: stream.peer_uid() };
    std::thread::scope(|scope| {
        let mut reader = client.try_clone().expect("a second handle");
        let answers = scope.spawn(move || {
            let mut answers = Vec::new();
            let _ = reader.read_to_end(&mut answers);
            answers
        });
        scope.spawn(move || {
            // The server may have hung up before.
            let _ = client.write_all(bytes).and_then(|()| client.shutdown(Shutdown::Write));
        });
        connection::serve(Channel::new(Arc::new(stream)), service(), 1, &origin);
        answers.join().expect("the reader ends")
    })
}
