//! Galera. Sessions of ours take no part in its replication: what one wrote would stay on this node, without an error, and the nodes would
//! differ from then on. So nothing is written while the server is in a cluster.

use crate::host::mysql::symbols;
use std::ptr;

/// What an install, or a write, is told there.
pub const REFUSAL: &str = "this server is a node of a Galera cluster, and what the daemon writes would not reach the others: writes are refused";

/// Whether the server replicates to a Galera cluster at the moment.
pub fn is_on() -> bool {
    let address: *const u8 = symbols::find(c"WSREP_ON_").cast();
    // SAFETY: the server's variable, a boolean of one byte; any moment's value will do. A server without it knows no Galera.
    !address.is_null() && unsafe { ptr::read_volatile(address) } != 0
}
