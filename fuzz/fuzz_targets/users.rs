//! Users files: any text is taken or refused with one sentence.
#![no_main]

use daemon_memcached::auth::Users;

libfuzzer_sys::fuzz_target!(|text: &str| {
    if let Err(refusal) = Users::parse(text) {
        assert!(!refusal.to_string().is_empty());
    }
});
