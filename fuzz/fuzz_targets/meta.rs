//! Meta commands: any input, cut anywhere, means the same.
#![no_main]

mod cut;

libfuzzer_sys::fuzz_target!(|data: &[u8]| cut::check_text(data));
