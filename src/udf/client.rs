//! The client that all sessions of a server share: its list of servers, its behaviours, and for each server the connections that
//! no statement uses at the moment.

use super::behavior::{Behavior, Behaviors, Patience, Transport};
use super::connection::{Connection, Wait};
use super::distribution::{Ring, ServerName};
use super::error::ArgumentError;
use super::failure::{self, Failure};
use super::resolver::Resolver;
use super::wire::{Outcome, Request};
use parking_lot::{Mutex, RwLock};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};

/// Connections of a server that are kept while nobody uses them.
const MOST_IDLE: usize = 64;

static CLIENT: LazyLock<RwLock<Arc<Setup>>> =
    LazyLock::new(|| RwLock::new(Arc::new(Setup::new(0, Vec::new(), Behaviors::default()))));

/// What sessions agree about. It is replaced as a whole, so a function that runs has the one it began with.
struct Setup {
    /// Connections of another epoch are closed instead of kept: they may speak another protocol.
    epoch: u64,
    behaviors: Behaviors,
    transport: Transport,
    patience: Patience,
    fail_statements: bool,
    names: Vec<ServerName>,
    nodes: Vec<Arc<Node>>,
    /// The ring, and which servers it has.
    ring: Mutex<(Vec<bool>, Arc<Ring>)>,
}

/// A server.
struct Node {
    name: ServerName,
    resolver: Resolver,
    /// The connections and their epoch.
    idle: Mutex<Vec<(u64, Connection)>>,
    /// Failures in a row, and time-outs in a row since the last failure or success.
    failures: AtomicU32,
    timeouts: AtomicU32,
    /// Milliseconds of [`super::clock`] until which nobody asks it.
    paused_until: AtomicU64,
}

/// Replaces the list of servers; a server that stays keeps its connections.
pub fn set_servers(names: Vec<ServerName>) {
    let mut client = CLIENT.write();
    let old = client.nodes.clone();
    let nodes = names.iter().map(|name| match old.iter().find(|node| node.name == *name) {
        Some(node) => node.clone(),
        None => Arc::new(Node::new(name.clone())),
    });
    *client = Arc::new(Setup::new(client.epoch, nodes.collect(), client.behaviors.clone()));
}

/// How many servers there are.
pub fn server_count() -> usize {
    CLIENT.read().nodes.len()
}

/// Sets a behaviour for all sessions.
///
/// # Errors
/// The value does not suit the behaviour.
pub fn set_behavior(behavior: Behavior, value: &str) -> Result<(), ArgumentError> {
    let mut client = CLIENT.write();
    let mut behaviors = client.behaviors.clone();
    behaviors.set(behavior, value)?;
    for node in &client.nodes {
        node.idle.lock().clear();
    }
    *client = Arc::new(Setup::new(client.epoch + 1, client.nodes.clone(), behaviors));
    Ok(())
}

/// A behaviour as text.
pub fn behavior(behavior: Behavior) -> String {
    CLIENT.read().behaviors.get(behavior)
}

/// Buffers that are used from row to row.
#[derive(Default)]
pub struct Buffers {
    request: Vec<u8>,
    /// The value of a [`Outcome::Value`], or statistics.
    pub value: Vec<u8>,
}

/// More than that is not kept from row to row.
const KEPT: usize = 1 << 20;

/// Asks the server of `route` for `function`. No outcome means a failure, which was told of.
pub fn ask(function: &str, route: &[u8], request: &Request<'_>, buffers: &mut Buffers) -> Option<Outcome> {
    let setup = CLIENT.read().clone();
    let node = setup.ring().server_of(route).map(|i| &setup.nodes[i]);
    let outcome = match node {
        Some(node) => node.ask(&setup, request, buffers),
        None => Err(Failure::NoServers),
    };
    let name = node.map(|node| &node.name as &dyn std::fmt::Display);
    outcome.map_err(|failure| failure::tell(function, name, &failure, setup.fail_statements)).ok()
}

/// Statistics of servers, `name value` a line; none for those that do not answer. They need not be those of the list.
pub fn statistics(function: &str, names: Vec<ServerName>) -> Vec<(ServerName, Option<String>)> {
    let setup = CLIENT.read().clone();
    let ask = |name: &ServerName| {
        let node = match setup.nodes.iter().find(|node| node.name.host == name.host && node.name.port == name.port) {
            Some(node) => node.clone(),
            None => Arc::new(Node::new(name.clone())),
        };
        let mut buffers = Buffers::default();
        match node.ask(&setup, &Request::Stats, &mut buffers) {
            Ok(_) => Some(String::from_utf8_lossy(&buffers.value).into_owned()),
            Err(failure) => {
                failure::tell(function, Some(name), &failure, setup.fail_statements);
                None
            }
        }
    };
    names.into_iter().map(|name| (name.clone(), ask(&name))).collect()
}

/// The names of the list.
pub fn server_names() -> Vec<ServerName> {
    CLIENT.read().names.clone()
}

impl Setup {
    fn new(epoch: u64, mut nodes: Vec<Arc<Node>>, behaviors: Behaviors) -> Setup {
        if behaviors.flag(Behavior::SortHosts) {
            nodes.sort_by(|a, b| (&a.name.host, a.name.port).cmp(&(&b.name.host, b.name.port)));
        }
        let names: Vec<ServerName> = nodes.iter().map(|node| node.name.clone()).collect();
        let ring = Ring::new(behaviors.scheme(), &names, |_| true);
        Setup {
            epoch,
            transport: behaviors.transport(),
            patience: behaviors.patience(),
            fail_statements: behaviors.flag(Behavior::FailStatements),
            behaviors,
            ring: Mutex::new((vec![true; names.len()], Arc::new(ring))),
            names,
            nodes,
        }
    }

    /// The ring of now: without dead servers, if those are to be ejected.
    fn ring(&self) -> Arc<Ring> {
        let mut ring = self.ring.lock();
        if self.patience.eject {
            let now = super::clock();
            let alive = |i: usize| !self.nodes[i].is_dead(&self.patience, now);
            if (0..self.nodes.len()).any(|i| ring.0[i] != alive(i)) {
                let taking: Vec<bool> = (0..self.nodes.len()).map(alive).collect();
                let new = Ring::new(self.behaviors.scheme(), &self.names, |i| taking[i]);
                *ring = (taking, Arc::new(new));
            }
        }
        ring.1.clone()
    }
}

impl Node {
    fn new(name: ServerName) -> Node {
        Node {
            name,
            resolver: Resolver::default(),
            idle: Mutex::default(),
            failures: AtomicU32::new(0),
            timeouts: AtomicU32::new(0),
            paused_until: AtomicU64::new(0),
        }
    }

    fn is_dead(&self, patience: &Patience, now: u64) -> bool {
        self.failures.load(Ordering::Relaxed) >= patience.failures && self.paused_until.load(Ordering::Relaxed) > now
    }

    fn ask(&self, setup: &Setup, request: &Request<'_>, buffers: &mut Buffers) -> Result<Outcome, Failure> {
        let Buffers { request: encoded, value } = buffers;
        encoded.clear();
        value.clear();
        encoded.shrink_to(KEPT);
        value.shrink_to(KEPT);
        request.encode(setup.transport.binary, encoded)?;
        let outcome = self.exchange(setup, request, encoded, value);
        match &outcome {
            Ok(_) | Err(Failure::Refused(_)) => self.answered(),
            Err(Failure::Timeout) => {
                if self.timeouts.fetch_add(1, Ordering::Relaxed) + 1 >= setup.patience.timeouts {
                    self.failed(&setup.patience);
                }
            }
            Err(failure) if failure.is_servers() => self.failed(&setup.patience),
            Err(_) => {}
        }
        outcome
    }

    fn exchange(
        &self,
        setup: &Setup,
        request: &Request<'_>,
        encoded: &[u8],
        value: &mut Vec<u8>,
    ) -> Result<Outcome, Failure> {
        let mut connection = self.connection(setup)?;
        let outcome = connection.ask(request, encoded, value, Wait::new(setup.transport.poll));
        let reusable = match &outcome {
            Ok(_) => true,
            Err(Failure::Refused(_)) => !request.has_value(),
            Err(_) => false,
        };
        if reusable && setup.epoch == CLIENT.read().epoch {
            let mut idle = self.idle.lock();
            if idle.len() < MOST_IDLE {
                idle.push((setup.epoch, connection));
            }
        }
        outcome
    }

    /// A connection that was kept, or a new one.
    fn connection(&self, setup: &Setup) -> Result<Connection, Failure> {
        loop {
            let Some((epoch, kept)) = self.idle.lock().pop() else { break };
            if epoch == setup.epoch && kept.is_alive() {
                return Ok(kept);
            }
        }
        if self.paused_until.load(Ordering::Relaxed) > super::clock() {
            return Err(Failure::Paused);
        }
        let wait = Wait::new(setup.transport.connect);
        let addresses = self.resolver.addresses(&self.name, wait)?;
        let opened = Connection::open(&addresses, &setup.transport, wait);
        if matches!(opened, Err(Failure::Connect(_) | Failure::Timeout)) {
            self.resolver.forget();
        }
        opened
    }

    fn answered(&self) {
        // Written only when it changes: every session's every call comes here.
        for count in [&self.failures, &self.timeouts] {
            if count.load(Ordering::Relaxed) != 0 {
                count.store(0, Ordering::Relaxed);
            }
        }
    }

    fn failed(&self, patience: &Patience) {
        self.timeouts.store(0, Ordering::Relaxed);
        let failures = self.failures.fetch_add(1, Ordering::Relaxed) + 1;
        let pause = if patience.eject && failures >= patience.failures { patience.dead } else { patience.retry };
        self.paused_until.store(super::clock() + pause.as_millis() as u64, Ordering::Relaxed);
        self.idle.lock().clear();
    }
}
