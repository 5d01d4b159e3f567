//! What the tests' servers depend on.

use crate::common::free_port;
use std::net::TcpStream;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

/// Programs that other tests start at the same moment must not keep a looked-for port open, not even until they run.
#[test]
fn a_free_port_is_answered_by_nobody() {
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    Command::new("true").status().unwrap();
                }
            });
        }
        let answered = (0..5000).find(|_| TcpStream::connect(("127.0.0.1", free_port())).is_ok());
        stop.store(true, Ordering::Relaxed);
        assert_eq!(answered, None);
    });
}
