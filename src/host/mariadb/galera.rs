//! Galera. Sessions of ours take no part in its replication: what one wrote would stay on this node, without an error, and the nodes would
//! differ from then on. So nothing is written while the server is in a cluster.

use crate::host::mysql::symbols;
use std::ptr;
use std::sync::LazyLock;

/// What an install, or a write, is told there.
pub const REFUSAL: &str = "this server is a node of a Galera cluster, and what the daemon writes would not reach the others: writes are refused";

/// Address of the server's variable, 0 where it knows no Galera. Looked up once, since every write asks.
static WSREP_ON: LazyLock<usize> = LazyLock::new(|| symbols::find(c"WSREP_ON_").expose_provenance());

/// Whether the server replicates to a Galera cluster at the moment.
pub fn is_on() -> bool {
    let address = ptr::with_exposed_provenance::<u8>(*WSREP_ON);
    // SAFETY: the server's variable, a boolean of one byte, which lives as long as the server; any moment's value will do.
    !address.is_null() && unsafe { ptr::read_volatile(address) } != 0
}
