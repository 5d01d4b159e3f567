#![no_main]
use daemon_memcached::protocol::{Dialect, Parser};
libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let mut p = Parser::new(100, Dialect::Ascii);
    let _ = p.parse(input);
});
