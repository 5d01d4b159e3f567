//! Option strings: any text is taken or refused with one sentence.
#![no_main]

use daemon_memcached::server::options::Options;

libfuzzer_sys::fuzz_target!(|text: &str| {
    if let Err(refusal) = Options::parse(text) {
        assert!(!refusal.to_string().is_empty());
    }
});
