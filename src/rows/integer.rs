//! Integers as InnoDB stores them, which is how every implementer hands them on.

/// An integer in InnoDB's format: 1 to 8 bytes, big-endian, the sign bit of signed columns flipped.
#[inline]
pub(super) fn decode_int(bytes: &[u8], unsigned: bool) -> i128 {
    let value = match *bytes {
        [a, b, c, d] => u64::from(u32::from_be_bytes([a, b, c, d])),
        [a, b, c, d, e, f, g, h] => u64::from_be_bytes([a, b, c, d, e, f, g, h]),
        _ => bytes.iter().fold(0, |value, byte| value << 8 | u64::from(*byte)),
    };
    if unsigned || bytes.is_empty() {
        return i128::from(value);
    }
    i128::from(value) - (1i128 << (8 * bytes.len().min(8) - 1))
}

/// The low 64 bits of such an integer.
#[inline(always)]
pub fn decode_bits(bytes: &[u8], unsigned: bool) -> u64 {
    match *bytes {
        [a, b, c, d] if unsigned => u64::from(u32::from_be_bytes([a, b, c, d])),
        [a, b, c, d] => (u32::from_be_bytes([a, b, c, d]) ^ 1 << 31) as i32 as u64,
        [a, b, c, d, e, f, g, h] => u64::from_be_bytes([a, b, c, d, e, f, g, h]) ^ if unsigned { 0 } else { 1 << 63 },
        _ => decode_int(bytes, unsigned) as u64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_come_back_from_innodb_format() {
        for (bytes, unsigned, value) in [
            (&[0x80u8, 0, 0, 0][..], false, 0),
            (&[0x7f, 0xff, 0xff, 0xff], false, -1),
            (&[0, 0, 0, 0], false, i128::from(i32::MIN)),
            (&[0xff], false, 127),
            (&[0xff], true, 255),
            (&[0xff; 8], true, i128::from(u64::MAX)),
            (&[0xff; 8], false, i128::from(i64::MAX)),
        ] {
            assert_eq!(decode_int(bytes, unsigned), value, "{bytes:?}");
            assert_eq!(decode_bits(bytes, unsigned), value as u64, "{bytes:?}");
        }
    }
}
