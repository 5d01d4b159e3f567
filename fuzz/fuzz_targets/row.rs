//! The row codec: any bytes are a row without a field outside of it, and any fields are read back.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| daemon_memcached::refengine::fuzzing::row(data));
