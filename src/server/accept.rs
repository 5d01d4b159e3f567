//! The acceptor: the thread that takes connections.

use super::listen::Listener;
use super::mailbox::{Arrival, Mailbox};
use super::shared::Shared;
use crate::protocol::reply;
use std::io::ErrorKind;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Pause before what the system refused is tried again.
const PAUSE: Duration = Duration::from_millis(100);

/// Takes connections and hands them to the workers in turn; refuses those over the limit.
pub fn accept(mut poll: mio::Poll, listeners: &[Listener], shared: &Shared, mailboxes: &[Arc<Mailbox>]) {
    let mut events = mio::Events::with_capacity(64);
    for (i, listener) in listeners.iter().enumerate() {
        let fd = listener.as_raw_fd();
        let watched = poll.registry().register(&mut mio::unix::SourceFd(&fd), mio::Token(i), mio::Interest::READABLE);
        if let Err(error) = watched {
            log::error!("DM1401: cannot watch {}: {error}", listener.address);
        }
    }
    let mut retry = None;
    let mut turn = 0;
    while !shared.stopping() {
        if let Err(error) = poll.poll(&mut events, retry)
            && error.kind() != ErrorKind::Interrupted
        {
            shared.complain(|| format!("DM1402: the acceptor cannot poll: {error}"));
            std::thread::sleep(PAUSE);
        }
        retry = None;
        for listener in listeners {
            if let Err(error) = accept_from(listener, shared, mailboxes, &mut turn) {
                shared.complain(|| format!("DM1403: cannot accept a connection on {}: {error}", listener.address));
                // Descriptors ran out: connections that wait bring no new event.
                retry = Some(PAUSE);
            }
        }
    }
}

fn accept_from(
    listener: &Listener,
    shared: &Shared,
    mailboxes: &[Arc<Mailbox>],
    turn: &mut usize,
) -> std::io::Result<()> {
    while !shared.stopping()
        && let Some(socket) = listener.accept()?
    {
        shared.connections_total.fetch_add(1, Ordering::Relaxed);
        if shared.connections() >= shared.options.max_connections {
            shared.connections_refused.fetch_add(1, Ordering::Relaxed);
            if listener.service.tls.is_some() {
                continue;
            }
            let refusal = reply::TOO_MANY_CONNECTIONS;
            let _ = socket.send_with_flags(refusal, libc::MSG_NOSIGNAL);
            continue;
        }
        let (service, counted) = (listener.service, Arc::clone(&shared.connections));
        mailboxes[*turn % mailboxes.len()].give(Arrival { socket, service, counted });
        *turn += 1;
    }
    Ok(())
}
