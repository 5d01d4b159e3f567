//! Addresses of a server. A resolver may take longer than anybody wants to wait and cannot be interrupted, so it has a thread of
//! its own; a name is looked up by one thread at a time, and its addresses are kept until connecting to them fails.

use super::connection::Wait;
use super::distribution::ServerName;
use super::failure::Failure;
use crate::signals::SignalsBlocked;
use parking_lot::Mutex;
use socket2::SockAddr;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::thread;

#[derive(Default)]
enum State {
    #[default]
    Unknown,
    Asking,
    Known(Arc<[SockAddr]>),
    Failed(String),
}

/// The addresses of one server.
#[derive(Default)]
pub struct Resolver(Arc<Mutex<State>>);

impl Resolver {
    /// The addresses, looked up if they are not known.
    ///
    /// # Errors
    /// [`Failure::Unknown`], and those of the wait.
    pub fn addresses(&self, name: &ServerName, wait: Wait) -> Result<Arc<[SockAddr]>, Failure> {
        loop {
            let mut state = self.0.lock();
            match &*state {
                State::Known(addresses) => return Ok(addresses.clone()),
                State::Failed(why) => {
                    let failure = Failure::Unknown(why.clone());
                    *state = State::Unknown;
                    return Err(failure);
                }
                State::Asking => {}
                State::Unknown => *state = self.look_up(name)?,
            }
            if matches!(*state, State::Asking) {
                drop(state);
                thread::sleep(wait.slice().min(std::time::Duration::from_millis(2)));
                wait.check()?;
            }
        }
    }

    /// The addresses led nowhere: the next caller looks them up again.
    pub fn forget(&self) {
        let mut state = self.0.lock();
        if matches!(*state, State::Known(_)) {
            *state = State::Unknown;
        }
    }

    fn look_up(&self, name: &ServerName) -> Result<State, Failure> {
        if name.is_unix() {
            return SockAddr::unix(&name.host)
                .map(|address| State::Known(Arc::new([address])))
                .map_err(Failure::Connect);
        }
        let host = name.host.trim_matches(['[', ']']);
        if let Ok(address) = host.parse::<IpAddr>() {
            return Ok(State::Known(Arc::new([SocketAddr::new(address, name.port).into()])));
        }
        let (state, host, port) = (self.0.clone(), host.to_owned(), name.port);
        let work = move || {
            let found = match (host.as_str(), port).to_socket_addrs() {
                Ok(addresses) => State::Known(addresses.map(SockAddr::from).collect()),
                Err(e) => State::Failed(e.to_string()),
            };
            *state.lock() = found;
        };
        let _blocked = SignalsBlocked::new();
        match thread::Builder::new().name("memc-resolver".to_owned()).spawn(work) {
            Ok(_) => Ok(State::Asking),
            Err(e) => Err(Failure::Connect(e)),
        }
    }
}
