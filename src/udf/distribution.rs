//! Which server a key belongs to. Everybody who talks to a group of memcached servers must agree about that, so this follows
//! libmemcached to the bit.

use super::error::ArgumentError;
use super::hash::{Hash, md5};
use std::fmt;

/// memcached's port; the points of a server on it are named without one.
const DEFAULT_PORT: u16 = 11211;
/// Points of a server on the ring, without and with weights.
const POINTS: u32 = 100;
const POINTS_WEIGHTED: u32 = 160;
/// More servers than that are a mistake in the argument.
const MOST_SERVERS: usize = 1024;

/// A server as `memc_servers_set` names it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ServerName {
    /// A host name, an address (of IPv6 in brackets) or the path of a UNIX socket.
    pub host: String,
    /// TCP port; 0 for a UNIX socket.
    pub port: u16,
    /// Share of the keys, relative to the others.
    pub weight: u32,
}

impl ServerName {
    /// Whether the host is the path of a UNIX socket.
    pub fn is_unix(&self) -> bool {
        self.host.starts_with('/')
    }
}

impl fmt::Display for ServerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_unix() { f.write_str(&self.host) } else { write!(f, "{}:{}", self.host, self.port) }
    }
}

/// Reads `host[:port[:weight]],...`; a blank may stand in front of a host and of a weight. Elements without a name are nothing.
///
/// # Errors
/// An element that names no server, or too many elements.
pub fn parse_servers(text: &str) -> Result<Vec<ServerName>, ArgumentError> {
    let mut servers = Vec::new();
    for element in text.split(',').map(str::trim).filter(|element| !element.is_empty()) {
        servers.push(parse_server(element).ok_or_else(|| ArgumentError::NoServer(element.into()))?);
    }
    if servers.len() > MOST_SERVERS {
        return Err(ArgumentError::TooManyServers(servers.len(), MOST_SERVERS));
    }
    Ok(servers)
}

fn parse_server(element: &str) -> Option<ServerName> {
    let colon = match element.find(']') {
        Some(end) if element.starts_with('[') => element[end..].find(':').map(|i| i + end),
        _ => element.find(':'),
    };
    let (host, rest) = colon.map_or((element, ""), |i| (&element[..i], &element[i + 1..]));
    if host.is_empty() || host.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return None;
    }
    let (port, weight) = rest.split_once([':', ' ']).unwrap_or((rest, ""));
    let number = |text: &str, default| if text.is_empty() { Some(default) } else { text.parse::<u32>().ok() };
    let port = u16::try_from(number(port, 0)?).ok()?;
    Some(ServerName {
        host: host.to_owned(),
        port: match port {
            _ if host.starts_with('/') => 0,
            0 => DEFAULT_PORT,
            port => port,
        },
        weight: number(weight.trim(), 1)?.max(1),
    })
}

/// How keys are distributed; the names are libmemcached's without `MEMCACHED_DISTRIBUTION_`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Distribution {
    /// The hash modulo the number of servers.
    Modula,
    /// A ring; the same as `CONSISTENT_KETAMA` in the libmemcached of today.
    Consistent,
    /// A ring, its points made by the hash function unless a server has a weight.
    Ketama,
    /// A ring, its points named as the Java client spymemcached does.
    KetamaSpy,
    /// The ring of libketama: points made by MD5, their number by weight.
    Weighted,
}

impl Distribution {
    /// Every distribution with its name.
    pub const ALL: [(Distribution, &'static str); 5] = [
        (Distribution::Modula, "MODULA"),
        (Distribution::Consistent, "CONSISTENT"),
        (Distribution::Ketama, "CONSISTENT_KETAMA"),
        (Distribution::KetamaSpy, "CONSISTENT_KETAMA_SPY"),
        (Distribution::Weighted, "CONSISTENT_WEIGHTED"),
    ];
}

/// What decides where keys go, besides the servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scheme {
    /// Of keys, and of points where they are not weighted.
    pub hash: Hash,
    /// How hashes become servers.
    pub distribution: Distribution,
    /// Points are made by MD5 and in proportion to weights. Implied by a weight above 1.
    pub weighted: bool,
}

/// The way from keys to servers for one list of servers, of which some may be left out.
#[derive(Debug)]
pub struct Ring {
    hash: Hash,
    /// Indexes of the servers that take part.
    live: Vec<usize>,
    /// Where each point lies and whose it is, sorted; empty for `MODULA`.
    points: Vec<(u32, usize)>,
}

impl Ring {
    /// The ring of the servers that `takes_part` says yes to.
    pub fn new(scheme: Scheme, servers: &[ServerName], takes_part: impl Fn(usize) -> bool) -> Ring {
        let live: Vec<usize> = (0..servers.len()).filter(|&i| takes_part(i)).collect();
        let weighted = scheme.weighted || servers.iter().any(|server| server.weight > 1);
        let total: u64 = live.iter().map(|&i| u64::from(servers[i].weight)).sum();
        let mut points = Vec::new();
        if scheme.distribution != Distribution::Modula {
            for &i in &live {
                let server = &servers[i];
                if weighted {
                    for n in 0..groups(server.weight, total, live.len()) {
                        let digest = md5(point(scheme.distribution, server, n).as_bytes());
                        points
                            .extend(digest.chunks_exact(4).map(|b| (u32::from_le_bytes([b[0], b[1], b[2], b[3]]), i)));
                    }
                } else {
                    points.extend(
                        (0..POINTS).map(|n| (scheme.hash.digest(point(scheme.distribution, server, n).as_bytes()), i)),
                    );
                }
            }
            points.sort_unstable();
        }
        Ring { hash: scheme.hash, live, points }
    }

    /// Index of the server that a key belongs to; none when no server takes part.
    pub fn server_of(&self, key: &[u8]) -> Option<usize> {
        if self.live.len() < 2 {
            return self.live.first().copied();
        }
        let hash = self.hash.digest(key);
        if self.points.is_empty() {
            return Some(self.live[hash as usize % self.live.len()]);
        }
        let at = self.points.partition_point(|&(value, _)| value < hash);
        Some(self.points[if at == self.points.len() { 0 } else { at }].1)
    }
}

/// How often four points are made for a server. In single precision, because that decides which way a share is rounded.
fn groups(weight: u32, total: u64, live: usize) -> u32 {
    let share = weight as f32 / total as f32;
    (share * POINTS_WEIGHTED as f32 / 4.0 * live as f32 + 1e-10_f32).floor() as u32
}

/// The text whose hash is a point.
fn point(distribution: Distribution, server: &ServerName, n: u32) -> String {
    let ServerName { host, port, .. } = server;
    match (distribution, *port) {
        (Distribution::KetamaSpy, port) => format!("/{host}:{port}-{n}"),
        (_, DEFAULT_PORT) => format!("{host}-{n}"),
        (_, port) => format!("{host}:{port}-{n}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_servers_are_read() {
        let read = |text: &str| match parse_servers(text) {
            Ok(servers) => servers.iter().map(|s| format!("{s} {}", s.weight)).collect::<Vec<_>>().join(", "),
            Err(error) => {
                let message = error.to_string();
                message.split_once(" names").map_or(message.clone(), |(what, _)| format!("refused {what}"))
            }
        };
        for (text, servers) in [
            ("", ""),
            (",", ""),
            ("localhost", "localhost:11211 1"),
            ("a:1, b:2:3,c:4 5", "a:1 1, b:2 3, c:4 5"),
            ("[::1]:11212:2,[::1]", "[::1]:11212 2, [::1]:11211 1"),
            ("/run/memcached.sock,/run/b::7", "/run/memcached.sock 1, /run/b 7"),
            ("a:0:0", "a:11211 1"),
            ("a:65536", "refused 'a:65536'"),
            ("a:x", "refused 'a:x'"),
            (":11211", "refused ':11211'"),
            ("a:1:-2", "refused 'a:1:-2'"),
            ("two words:1", "refused 'two words:1'"),
        ] {
            assert_eq!(read(text), servers, "{text}");
        }
        assert!(parse_servers(&"a,".repeat(MOST_SERVERS + 1)).is_err());
    }

    #[test]
    fn no_server_and_one_server_need_no_hash() {
        let scheme = Scheme { hash: Hash::Md5, distribution: Distribution::Weighted, weighted: true };
        let servers = parse_servers("a,b,c").unwrap();
        assert_eq!(Ring::new(scheme, &servers, |_| false).server_of(b"k"), None);
        assert_eq!(Ring::new(scheme, &servers, |i| i == 2).server_of(b"k"), Some(2));
    }
}
