//! base64 with the alphabet of RFC 4648, section 4, and its padding, for keys.

use super::KeyBuffer;
use crate::protocol::KEY_MAX;
use crate::protocol::reply::Out;
use base64ct::{Base64, Encoding};

/// Decodes `text` into `buffer`; `None` if it is no base64 or too long.
pub(super) fn decode<'b>(text: &[u8], buffer: &'b mut KeyBuffer) -> Option<&'b [u8]> {
    Base64::decode(text, buffer).ok().filter(|decoded| !decoded.is_empty())
}

/// Appends a key to `out`, encoded.
pub(in crate::protocol) fn encode(out: &mut Out, key: &[u8]) {
    let mut buffer = [0; KEY_MAX.div_ceil(3) * 4];
    // No key is longer than the buffer is made for.
    out.extend_from_slice(Base64::encode(key, &mut buffer).unwrap_or_default().as_bytes());
}
