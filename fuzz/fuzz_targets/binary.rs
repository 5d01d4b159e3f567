//! Packets of the binary protocol: any input, cut anywhere, means the same.
#![no_main]

mod cut;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    if let Some((cuts, input)) = cut::split(data) {
        // The first byte decides for the binary protocol.
        cut::check(cuts, &[&[0x80], input].concat());
    }
});
