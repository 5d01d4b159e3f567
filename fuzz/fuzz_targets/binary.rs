//! Packets of the binary protocol: any input, cut anywhere, means the same.
#![no_main]

#[path = "../../tests/props/feed.rs"]
mod feed;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    // The first bytes tell where the rest is cut.
    let Some((cuts, input)) = input.split_at_checked(2) else { return };
    // The first byte decides for the binary protocol.
    let input = [&[0x80], input].concat();
    let input = input.as_slice();
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| usize::from(*cut) % (input.len() + 1)).collect();
    cuts.sort_unstable();
    assert_eq!(feed::feed(input, &cuts), feed::feed(input, &[]));
});
