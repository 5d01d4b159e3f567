//! The comma separated list of `-o`.

use super::{OptionError, Options, number};
use std::net::SocketAddr;

/// What means something to memcached's own memory and threads; each is logged once. All may begin with `no_`.
const WITHOUT_MEANING: [&str; 31] = [
    "maxconns_fast",
    "hashpower",
    "hash_algorithm",
    "hashexpand",
    "tail_repair_time",
    "lru_crawler",
    "lru_crawler_sleep",
    "lru_crawler_tocrawl",
    "lru_maintainer",
    "hot_lru_pct",
    "warm_lru_pct",
    "hot_max_factor",
    "warm_max_factor",
    "temporary_ttl",
    "slab_reassign",
    "slab_automove",
    "slab_automove_ratio",
    "slab_automove_window",
    "slab_automove_freeratio",
    "slab_chunk_max",
    "slab_sizes",
    "chunked_items",
    "track_sizes",
    "watcher_logbuf_size",
    "worker_logbuf_size",
    "read_buf_mem_limit",
    "resp_obj_mem_limit",
    "modern",
    "drop_privileges",
    "ssl_wbuf_size",
    "ssl_kernel_tls",
];

/// `PORT`, which is one of this machine alone, or `IP:PORT`.
fn metrics_address(text: &str) -> Result<SocketAddr, OptionError> {
    let local = text.parse().map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
    local.or_else(|_| text.parse()).map_err(|_| OptionError::MetricsAddress(text.into()))
}

impl Options {
    /// Reads one `name` or `name=value` of the list.
    pub(super) fn extend(&mut self, entry: &str) -> Result<(), OptionError> {
        let (name, value) = entry.split_once('=').map_or((entry, None), |(name, value)| (name, Some(value)));
        let needed = || value.filter(|v| !v.is_empty()).ok_or_else(|| OptionError::ValueMissing(name.into()));
        let seconds = || Ok::<_, OptionError>(number(&format!("-o {name}"), needed()?, 0, u64::from(u32::MAX))? as u32);
        let mebibytes = || Ok::<_, OptionError>((number(&format!("-o {name}"), needed()?, 1, 1 << 20)? as usize) << 20);
        match name {
            "idle_timeout" => self.idle_timeout = seconds()?,
            "output_timeout" => self.output_timeout = seconds()?,
            "output_mem_limit" => self.output_limit = mebibytes()?,
            "input_mem_limit" => self.input_limit = mebibytes()?,
            "sticky_mapping" => {
                self.sticky_mapping = match needed()? {
                    "yes" => true,
                    "no" => false,
                    other => {
                        return Err(OptionError::NeitherYesNorNo { name: "sticky_mapping", text: other.into() });
                    }
                };
            }
            "metrics" => self.metrics = Some(metrics_address(needed()?)?),
            "container" => self.container = Some(needed()?.into()),
            "ssl_chain_cert" => self.ssl.chain = Some(needed()?.into()),
            "ssl_key" => self.ssl.key = Some(needed()?.into()),
            "ssl_ca_cert" => self.ssl.authorities = Some(needed()?.into()),
            "ssl_verify_mode" => self.ssl.verify = number("-o ssl_verify_mode", needed()?, 0, 3)? as u8,
            "ssl_session_cache" => self.ssl.session_cache = true,
            "ssl_min_version" => {
                self.ssl.tls13_only = match needed()? {
                    "2" | "tlsv1.2" => false,
                    "3" | "tlsv1.3" => true,
                    other => {
                        return Err(OptionError::TlsVersion(other.into()));
                    }
                };
            }
            "ssl_keyformat" if needed()?.eq_ignore_ascii_case("PEM") => {}
            "ssl_keyformat" => return Err(OptionError::KeyFormat),
            "ssl_ciphers" => {
                return Err(OptionError::CipherSuites);
            }
            _ if WITHOUT_MEANING.contains(&name.strip_prefix("no_").unwrap_or(name)) => {
                self.ignore(format!("-o {name}"));
            }
            _ => {
                return Err(OptionError::UnknownEntry(name.into()));
            }
        }
        Ok(())
    }
}
