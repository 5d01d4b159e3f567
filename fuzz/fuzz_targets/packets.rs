//! The SQL end: whatever a client sends, before and after its login, it gets an answer or a hang-up, and the server lives.
#![no_main]

use daemon_memcached::sqlserver::fuzzing::serve;

/// A packet around each piece; the first byte of a piece is its length.
fn framed(mut pieces: &[u8], sequence: u8, out: &mut Vec<u8>) {
    while let Some((&length, rest)) = pieces.split_first() {
        let (packet, rest) = rest.split_at(rest.len().min(usize::from(length)));
        out.extend([packet.len() as u8, 0, 0, if out.is_empty() { sequence } else { 0 }]);
        out.extend_from_slice(packet);
        pieces = rest;
    }
}

/// `root` without a password: protocol 4.1, and one statement in a query or several.
fn login(several: bool) -> Vec<u8> {
    let capabilities = 1_u32 << 9 | 1 << 15 | u32::from(several) << 16;
    let mut packet = capabilities.to_le_bytes().to_vec();
    packet.extend([0, 0, 0, 1, 46]);
    packet.extend([0; 23]);
    packet.extend(b"root\0\0");
    let mut framed = vec![packet.len() as u8, 0, 0, 1];
    framed.extend(packet);
    framed
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some((&kind, rest)) = data.split_first() else { return };
    let mut bytes = Vec::new();
    match kind % 4 {
        // Anything at all.
        0 => bytes.extend_from_slice(rest),
        // Any packets instead of a login.
        1 => framed(rest, 1, &mut bytes),
        // Any commands behind a login.
        several => {
            bytes = login(several == 3);
            let mut commands = Vec::new();
            framed(rest, 0, &mut commands);
            bytes.extend(commands);
        }
    }
    assert!(!serve(&bytes).is_empty(), "there is a greeting at least");
});
