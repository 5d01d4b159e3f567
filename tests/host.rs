//! `memcached-host` as its users meet it: through its command line, its console and its signals.

mod common;

use common::HostConfig;

#[test]
fn a_signal_ends_it_cleanly() {
    let host = HostConfig::new().bare().start();
    assert_eq!(host.terminate().code(), Some(0));
}
