//! The storage and a map: whatever is done to both, they hold the same rows.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| daemon_memcached::refengine::fuzzing::storage_is_a_map(data));
