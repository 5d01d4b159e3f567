//! What tells most keys apart without a look at all of them.

/// The first eight bytes as a number; those behind do not count, those that are not there count as zeroes.
pub(super) fn head(bytes: &[u8]) -> u64 {
    let mut head = [0; 8];
    head.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
    u64::from_be_bytes(head)
}
