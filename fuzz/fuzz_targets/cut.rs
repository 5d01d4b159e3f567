//! What the targets share: any input, cut anywhere, means the same.

#[path = "../../tests/protocol/props/feed.rs"]
mod feed;

/// Where the input of a target is cut, as its first bytes tell, and the rest of it.
pub fn split(data: &[u8]) -> Option<(&[u8], &[u8])> {
    data.split_at_checked(2)
}

/// Feeds `input` in pieces and whole.
pub fn check(cuts: &[u8], input: &[u8]) {
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| usize::from(*cut) % (input.len() + 1)).collect();
    cuts.sort_unstable();
    assert_eq!(feed::feed(input, &cuts), feed::feed(input, &[]));
}

/// Feeds commands that are no packets: the first byte would decide for the binary protocol.
#[allow(dead_code)] // of the binary target
pub fn check_text(data: &[u8]) {
    match split(data) {
        Some((cuts, input)) if input.first() != Some(&0x80) => check(cuts, input),
        _ => {}
    }
}
