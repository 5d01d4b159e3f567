//! What `memc_servers_behavior_set` sets: libmemcached's behaviours that mean something here, and three of our own.

use super::distribution::{Distribution, Scheme};
use super::error::ArgumentError;
use super::hash::Hash;
use std::time::Duration;

/// A behaviour; its name is libmemcached's without `MEMCACHED_BEHAVIOR_`, or our own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Behavior {
    SupportCas,
    NoBlock,
    TcpNodelay,
    Hash,
    CacheLookups,
    SocketSendSize,
    SocketRecvSize,
    BufferRequests,
    Ketama,
    PollTimeout,
    RetryTimeout,
    Distribution,
    UserData,
    SortHosts,
    VerifyKey,
    ConnectTimeout,
    KetamaWeighted,
    KetamaHash,
    BinaryProtocol,
    SndTimeout,
    RcvTimeout,
    ServerFailureLimit,
    ServerTimeoutLimit,
    DeadTimeout,
    AutoEjectHosts,
    RemoveFailedServers,
    IoMsgWatermark,
    IoBytesWatermark,
    IoKeyPrefetch,
    HashWithPrefixKey,
    TcpKeepalive,
    Noreply,
    UseUdp,
    NumberOfReplicas,
    FailStatements,
    SaslUser,
    SaslPassword,
}

/// What a behaviour takes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// 0 or 1.
    Flag,
    /// A number up to a bound.
    Number(u64),
    /// The name of a hash function.
    Hash,
    /// The name of a distribution.
    Distribution,
    /// Any text.
    Text,
    /// Nothing but 0: a thing this client does not do.
    Zero,
}

const MILLISECONDS: Kind = Kind::Number(600_000);
const SECONDS: Kind = Kind::Number(86_400);
const ANY: Kind = Kind::Number(i32::MAX as u64);

/// Behaviour, name, what it takes, default. A behaviour's number is its place here.
const TABLE: [(Behavior, &str, Kind, u64); 37] = [
    (Behavior::SupportCas, "SUPPORT_CAS", Kind::Flag, 1),
    (Behavior::NoBlock, "NO_BLOCK", Kind::Flag, 0),
    (Behavior::TcpNodelay, "TCP_NODELAY", Kind::Flag, 1),
    (Behavior::Hash, "HASH", Kind::Hash, Hash::Md5 as u64),
    (Behavior::CacheLookups, "CACHE_LOOKUPS", Kind::Flag, 1),
    (Behavior::SocketSendSize, "SOCKET_SEND_SIZE", ANY, 0),
    (Behavior::SocketRecvSize, "SOCKET_RECV_SIZE", ANY, 0),
    (Behavior::BufferRequests, "BUFFER_REQUESTS", Kind::Flag, 0),
    (Behavior::Ketama, "KETAMA", Kind::Flag, 1),
    (Behavior::PollTimeout, "POLL_TIMEOUT", MILLISECONDS, 1000),
    (Behavior::RetryTimeout, "RETRY_TIMEOUT", SECONDS, 2),
    (Behavior::Distribution, "DISTRIBUTION", Kind::Distribution, Distribution::Weighted as u64),
    (Behavior::UserData, "USER_DATA", Kind::Flag, 0),
    (Behavior::SortHosts, "SORT_HOSTS", Kind::Flag, 0),
    (Behavior::VerifyKey, "VERIFY_KEY", Kind::Flag, 1),
    (Behavior::ConnectTimeout, "CONNECT_TIMEOUT", MILLISECONDS, 1000),
    (Behavior::KetamaWeighted, "KETAMA_WEIGHTED", Kind::Flag, 1),
    (Behavior::KetamaHash, "KETAMA_HASH", Kind::Hash, Hash::Md5 as u64),
    (Behavior::BinaryProtocol, "BINARY_PROTOCOL", Kind::Flag, 0),
    (Behavior::SndTimeout, "SND_TIMEOUT", ANY, 0),
    (Behavior::RcvTimeout, "RCV_TIMEOUT", ANY, 0),
    (Behavior::ServerFailureLimit, "SERVER_FAILURE_LIMIT", ANY, 2),
    (Behavior::ServerTimeoutLimit, "SERVER_TIMEOUT_LIMIT", ANY, 3),
    (Behavior::DeadTimeout, "DEAD_TIMEOUT", SECONDS, 10),
    (Behavior::AutoEjectHosts, "AUTO_EJECT_HOSTS", Kind::Flag, 0),
    (Behavior::RemoveFailedServers, "REMOVE_FAILED_SERVERS", Kind::Flag, 0),
    (Behavior::IoMsgWatermark, "IO_MSG_WATERMARK", ANY, 500),
    (Behavior::IoBytesWatermark, "IO_BYTES_WATERMARK", ANY, 66_560),
    (Behavior::IoKeyPrefetch, "IO_KEY_PREFETCH", ANY, 0),
    (Behavior::HashWithPrefixKey, "HASH_WITH_PREFIX_KEY", Kind::Flag, 0),
    (Behavior::TcpKeepalive, "TCP_KEEPALIVE", Kind::Flag, 1),
    (Behavior::Noreply, "NOREPLY", Kind::Zero, 0),
    (Behavior::UseUdp, "USE_UDP", Kind::Zero, 0),
    (Behavior::NumberOfReplicas, "NUMBER_OF_REPLICAS", Kind::Zero, 0),
    (Behavior::FailStatements, "FAIL_STATEMENTS", Kind::Flag, 0),
    (Behavior::SaslUser, "SASL_USER", Kind::Text, 0),
    (Behavior::SaslPassword, "SASL_PASSWORD", Kind::Text, 0),
];

const _: () = {
    let mut i = 0;
    while i < TABLE.len() {
        assert!(TABLE[i].0 as usize == i, "TABLE is not in the order of Behavior");
        i += 1;
    }
};

/// Behaviours that are not libmemcached's and so have no prefix.
fn is_own(behavior: Behavior) -> bool {
    matches!(behavior, Behavior::FailStatements | Behavior::SaslUser | Behavior::SaslPassword)
}

fn stripped<'a>(text: &'a str, prefix: &str) -> &'a str {
    match text.get(..prefix.len()) {
        Some(start) if start.eq_ignore_ascii_case(prefix) => &text[prefix.len()..],
        _ => text,
    }
}

impl Behavior {
    /// The behaviour of a name, in any case, with or without `MEMCACHED_BEHAVIOR_`.
    ///
    /// # Errors
    /// There is no such behaviour.
    pub fn named(name: &str) -> Result<Behavior, ArgumentError> {
        let short = stripped(name.trim(), "MEMCACHED_BEHAVIOR_");
        TABLE
            .iter()
            .find(|row| row.1.eq_ignore_ascii_case(short))
            .map(|row| row.0)
            .ok_or_else(|| ArgumentError::NoBehavior(name.into()))
    }

    /// All of them, a line each.
    pub fn list() -> String {
        TABLE.iter().fold("MEMCACHED SERVER BEHAVIORS\n".to_owned(), |mut list, &(behavior, name, ..)| {
            if !is_own(behavior) {
                list.push_str("MEMCACHED_BEHAVIOR_");
            }
            list.push_str(name);
            list.push('\n');
            list
        })
    }
}

/// The names of hash functions, a line each.
pub fn list_hashes() -> String {
    Hash::ALL.iter().map(|(_, name)| format!("MEMCACHED_HASH_{name}\n")).collect()
}

/// The names of distributions, a line each.
pub fn list_distributions() -> String {
    Distribution::ALL.iter().map(|(_, name)| format!("MEMCACHED_DISTRIBUTION_{name}\n")).collect()
}

/// All behaviours as they are set.
#[derive(Clone, Debug)]
pub struct Behaviors {
    numbers: [u64; TABLE.len()],
    weighted: bool,
    user: String,
    password: String,
}

impl Default for Behaviors {
    fn default() -> Self {
        let numbers = std::array::from_fn(|i| TABLE[i].3);
        Behaviors { numbers, weighted: true, user: String::new(), password: String::new() }
    }
}

impl Behaviors {
    fn number(&self, behavior: Behavior) -> u64 {
        self.numbers[behavior as usize]
    }

    fn put(&mut self, behavior: Behavior, number: u64) {
        self.numbers[behavior as usize] = number;
    }

    /// Sets one behaviour.
    ///
    /// # Errors
    /// The value does not suit the behaviour; nothing is changed then.
    pub fn set(&mut self, behavior: Behavior, value: &str) -> Result<(), ArgumentError> {
        let (_, name, kind, _) = TABLE[behavior as usize];
        let value = value.trim();
        let number = match kind {
            Kind::Flag => match value {
                "0" => Ok(0),
                "1" => Ok(1),
                _ => Err(ArgumentError::NotAFlag(name)),
            },
            Kind::Zero => match value {
                "0" => Ok(0),
                _ => Err(ArgumentError::NotZero(name)),
            },
            Kind::Number(most) => match value.parse() {
                Ok(number) if number <= most => Ok(number),
                _ => Err(ArgumentError::NotANumber(name, most)),
            },
            Kind::Hash => Hash::ALL
                .iter()
                .find(|(_, name)| name.eq_ignore_ascii_case(stripped(value, "MEMCACHED_HASH_")))
                .map(|&(hash, _)| hash as u64)
                .ok_or(ArgumentError::NoHash(name)),
            Kind::Distribution => Distribution::ALL
                .iter()
                .find(|(_, name)| name.eq_ignore_ascii_case(stripped(value, "MEMCACHED_DISTRIBUTION_")))
                .map(|&(distribution, _)| distribution as u64)
                .ok_or(ArgumentError::NoDistribution(name)),
            Kind::Text => {
                let place = if behavior == Behavior::SaslUser { &mut self.user } else { &mut self.password };
                value.clone_into(place);
                return Ok(());
            }
        }?;
        self.apply(behavior, number);
        Ok(())
    }

    /// Some behaviours are names for others, with libmemcached's effects on each other.
    fn apply(&mut self, behavior: Behavior, number: u64) {
        match (behavior, number) {
            (Behavior::Ketama, 0) => self.distribute(Distribution::Modula),
            (Behavior::Ketama, _) | (Behavior::KetamaWeighted, 0) => self.distribute(Distribution::Ketama),
            (Behavior::KetamaWeighted, _) => {
                self.put(Behavior::Hash, Hash::Md5 as u64);
                self.distribute(Distribution::Weighted);
            }
            (Behavior::Distribution, number) => {
                if let Some(&(distribution, _)) = Distribution::ALL.iter().find(|(d, _)| *d as u64 == number) {
                    self.distribute(distribution);
                }
            }
            (Behavior::RemoveFailedServers, number) => self.put(Behavior::AutoEjectHosts, number),
            (behavior, number) => self.put(behavior, number),
        }
    }

    fn distribute(&mut self, distribution: Distribution) {
        self.put(Behavior::Distribution, distribution as u64);
        match distribution {
            Distribution::Consistent | Distribution::Ketama => self.weighted = false,
            Distribution::Weighted => self.weighted = true,
            Distribution::Modula | Distribution::KetamaSpy => {}
        }
    }

    /// One behaviour as text; a password is never told.
    pub fn get(&self, behavior: Behavior) -> String {
        match behavior {
            Behavior::SaslUser => self.user.clone(),
            Behavior::SaslPassword => String::new(),
            Behavior::Hash => format!("MEMCACHED_HASH_{}", hash_name(self.number(Behavior::Hash))),
            Behavior::KetamaHash => format!("MEMCACHED_HASH_{}", hash_name(self.number(Behavior::KetamaHash))),
            Behavior::Distribution => {
                let name = Distribution::ALL.iter().find(|(d, _)| *d == self.scheme().distribution).map_or("", |d| d.1);
                format!("MEMCACHED_DISTRIBUTION_{name}")
            }
            Behavior::Ketama => u8::from(self.scheme().distribution != Distribution::Modula).to_string(),
            Behavior::KetamaWeighted => {
                u8::from(self.weighted && self.scheme().distribution != Distribution::Modula).to_string()
            }
            Behavior::RemoveFailedServers => self.number(Behavior::AutoEjectHosts).to_string(),
            other => self.number(other).to_string(),
        }
    }

    /// Where keys go.
    pub fn scheme(&self) -> Scheme {
        let (hash, distribution) = (self.number(Behavior::Hash), self.number(Behavior::Distribution));
        Scheme {
            hash: Hash::ALL.iter().find(|(h, _)| *h as u64 == hash).map_or(Hash::Md5, |&(h, _)| h),
            distribution: Distribution::ALL
                .iter()
                .find(|(d, _)| *d as u64 == distribution)
                .map_or(Distribution::Weighted, |&(d, _)| d),
            weighted: self.weighted,
        }
    }

    /// How connections are made and used.
    pub fn transport(&self) -> Transport {
        let milliseconds = |behavior| Duration::from_millis(self.number(behavior));
        Transport {
            connect: milliseconds(Behavior::ConnectTimeout).max(Duration::from_millis(1)),
            poll: milliseconds(Behavior::PollTimeout).max(Duration::from_millis(1)),
            binary: self.flag(Behavior::BinaryProtocol),
            nodelay: self.flag(Behavior::TcpNodelay),
            keepalive: self.flag(Behavior::TcpKeepalive),
            send_size: self.number(Behavior::SocketSendSize) as usize,
            receive_size: self.number(Behavior::SocketRecvSize) as usize,
            user: self.user.clone(),
            password: self.password.clone(),
        }
    }

    /// When a server that fails is left alone.
    pub fn patience(&self) -> Patience {
        Patience {
            eject: self.flag(Behavior::AutoEjectHosts),
            failures: self.number(Behavior::ServerFailureLimit).max(1) as u32,
            timeouts: self.number(Behavior::ServerTimeoutLimit).max(1) as u32,
            retry: Duration::from_secs(self.number(Behavior::RetryTimeout)),
            dead: Duration::from_secs(self.number(Behavior::DeadTimeout)),
        }
    }

    /// A behaviour that is 0 or 1.
    pub fn flag(&self, behavior: Behavior) -> bool {
        self.number(behavior) == 1
    }
}

fn hash_name(number: u64) -> &'static str {
    Hash::ALL.iter().find(|(hash, _)| *hash as u64 == number).map_or("", |&(_, name)| name)
}

/// How connections are made and used.
#[derive(Clone, Debug)]
pub struct Transport {
    /// Bound of a connect, the lookup of a name and the login included.
    pub connect: Duration,
    /// Bound of a request with its reply.
    pub poll: Duration,
    /// The binary protocol instead of text.
    pub binary: bool,
    /// Small packets are sent at once.
    pub nodelay: bool,
    /// The kernel probes idle connections.
    pub keepalive: bool,
    /// Bytes of the kernel's send buffer, 0 for its own choice.
    pub send_size: usize,
    /// Bytes of the kernel's receive buffer, 0 for its own choice.
    pub receive_size: usize,
    /// Who logs in; nobody when empty.
    pub user: String,
    /// The user's password.
    pub password: String,
}

/// When a server that fails is left alone, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// A dead server's keys go to the others.
    pub eject: bool,
    /// Failures in a row after which a server is dead.
    pub failures: u32,
    /// Time-outs in a row that count as one failure.
    pub timeouts: u32,
    /// Pause after a failure.
    pub retry: Duration,
    /// Pause of a dead server that was ejected.
    pub dead: Duration,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_checked_and_read_back() {
        let mut behaviors = Behaviors::default();
        for (name, value, answer) in [
            ("MEMCACHED_BEHAVIOR_NO_BLOCK", "1", "1"),
            ("memcached_behavior_support_cas", "0", "0"),
            ("poll_timeout", "100", "100"),
            ("POLL_TIMEOUT", "600001", "POLL_TIMEOUT must be a number from 0 to 600000"),
            ("POLL_TIMEOUT", "-1", "POLL_TIMEOUT must be a number from 0 to 600000"),
            ("TCP_NODELAY", "2", "TCP_NODELAY must be 0 or 1"),
            ("USE_UDP", "1", "USE_UDP must be 0, these functions do no such thing"),
            ("MEMCACHED_BEHAVIOR_HASH", "MEMCACHED_HASH_HSIEH", "MEMCACHED_HASH_HSIEH"),
            ("HASH", "fnv1a_32", "MEMCACHED_HASH_FNV1A_32"),
            ("HASH", "SHA1", "HASH must be a hash function, memc_list_hash_types() names them"),
            ("DISTRIBUTION", "MEMCACHED_DISTRIBUTION_MODULA", "MEMCACHED_DISTRIBUTION_MODULA"),
            (
                "DISTRIBUTION",
                "RANDOM",
                "DISTRIBUTION must be a distribution, memc_list_distribution_types() names them",
            ),
            ("REMOVE_FAILED_SERVERS", "1", "1"),
            ("SASL_USER", "ann", "ann"),
            ("SASL_PASSWORD", "secret", ""),
        ] {
            let behavior = Behavior::named(name).unwrap();
            let found =
                behaviors.set(behavior, value).map_or_else(|error| error.to_string(), |()| behaviors.get(behavior));
            assert_eq!(found, answer, "{name} {value}");
        }
        assert!(behaviors.patience().eject);
        assert!(Behavior::named("MEMCACHED_BEHAVIOR_").is_err());
        assert!(Behavior::named("ÄÖÜ").is_err());
    }

    #[test]
    fn behaviors_of_the_distribution_set_each_other() {
        let mut behaviors = Behaviors::default();
        let read = |behaviors: &Behaviors| {
            ["KETAMA", "KETAMA_WEIGHTED", "DISTRIBUTION", "HASH"]
                .map(|name| behaviors.get(Behavior::named(name).unwrap()))
                .join(" ")
        };
        const WEIGHTED: &str = "1 1 MEMCACHED_DISTRIBUTION_CONSISTENT_WEIGHTED MEMCACHED_HASH_MD5";
        assert_eq!(read(&behaviors), WEIGHTED);
        for (name, value, found) in [
            ("KETAMA", "0", "0 0 MEMCACHED_DISTRIBUTION_MODULA MEMCACHED_HASH_MD5"),
            ("HASH", "CRC", "0 0 MEMCACHED_DISTRIBUTION_MODULA MEMCACHED_HASH_CRC"),
            ("KETAMA", "1", "1 0 MEMCACHED_DISTRIBUTION_CONSISTENT_KETAMA MEMCACHED_HASH_CRC"),
            ("KETAMA_WEIGHTED", "1", WEIGHTED),
            (
                "DISTRIBUTION",
                "CONSISTENT_KETAMA_SPY",
                "1 1 MEMCACHED_DISTRIBUTION_CONSISTENT_KETAMA_SPY MEMCACHED_HASH_MD5",
            ),
            ("KETAMA_WEIGHTED", "0", "1 0 MEMCACHED_DISTRIBUTION_CONSISTENT_KETAMA MEMCACHED_HASH_MD5"),
        ] {
            behaviors.set(Behavior::named(name).unwrap(), value).unwrap();
            assert_eq!(read(&behaviors), found, "{name} {value}");
        }
    }
}
