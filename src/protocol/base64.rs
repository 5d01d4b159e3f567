//! base64 with the alphabet of RFC 4648, section 4, and its padding, for keys.

use super::keys::KeyBuffer;
use super::limits::KEY_MAX;
use base64ct::{Base64, Encoding};
use bytes::BytesMut;

/// Decodes `text` into `buffer`; `None` if it is no base64 or too long. As in memcached the bits that the last digit has too many may be
/// anything, which the library refuses.
pub(super) fn decode<'b>(text: &[u8], buffer: &'b mut KeyBuffer) -> Option<&'b [u8]> {
    let padding = text.iter().rev().take_while(|byte| **byte == b'=').count();
    if !text.len().is_multiple_of(4) || padding > 2 {
        return None;
    }
    let mut length = 0;
    let mut room = buffer.iter_mut();
    for group in text.get(..text.len() - padding)?.chunks(4) {
        let bits = group.iter().try_fold(0u32, |bits, byte| Some(bits << 6 | sextet(*byte)?))?;
        // Four digits are three bytes; of a shorter group the bits left over are padding.
        let bits = bits << (6 * (4 - group.len()));
        for byte in bits.to_be_bytes().into_iter().skip(1).take(group.len() - 1) {
            *room.next()? = byte;
            length += 1;
        }
    }
    buffer.get(..length).filter(|decoded| !decoded.is_empty())
}

fn sextet(digit: u8) -> Option<u32> {
    let value = match digit {
        b'A'..=b'Z' => digit - b'A',
        b'a'..=b'z' => digit - b'a' + 26,
        b'0'..=b'9' => digit - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    };
    Some(u32::from(value))
}

/// Appends a key to `out`, encoded.
pub(super) fn encode(out: &mut BytesMut, key: &[u8]) {
    let mut buffer = [0; KEY_MAX.div_ceil(3) * 4];
    // No key is longer than the buffer is made for.
    out.extend_from_slice(Base64::encode(key, &mut buffer).unwrap_or_default().as_bytes());
}
