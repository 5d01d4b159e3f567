//! Where a byte is among sixteen that are looked at together. Whoever looks for the ends of words and lines calls it.

/// Bytes that are looked at together.
pub(crate) const WIDE: usize = 16;

/// Which bytes of a chunk are `byte`, a bit for each.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub(crate) fn places(chunk: &[u8; WIDE], byte: u8) -> u32 {
    use std::arch::x86_64::{_mm_cmpeq_epi8, _mm_loadu_si128, _mm_movemask_epi8, _mm_set1_epi8};
    // SAFETY: SSE2 is a part of every x86-64, and the load takes the bytes of the chunk wherever they are.
    unsafe {
        let chunk = _mm_loadu_si128(chunk.as_ptr().cast());
        _mm_movemask_epi8(_mm_cmpeq_epi8(chunk, _mm_set1_epi8(byte as i8))) as u32
    }
}

#[cfg(not(target_arch = "x86_64"))]
pub(crate) use places_by_words as places;

/// The same for processors whose instructions are not known here.
#[cfg(any(test, not(target_arch = "x86_64")))]
#[inline]
pub(crate) fn places_by_words(chunk: &[u8; WIDE], byte: u8) -> u32 {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const TOPS: u64 = u64::from_ne_bytes([0x80; 8]);
    let (words, _) = chunk.as_chunks::<8>();
    words.iter().rev().fold(0, |places, word| {
        let different = u64::from_le_bytes(*word) ^ (ONES * u64::from(byte));
        let same = !(((different & !TOPS) + !TOPS) | different | !TOPS);
        // Brings the top bits together in the highest byte.
        places << 8 | ((same >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56) as u32
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn each_place_is_told(chunk in prop::array::uniform16(prop::sample::select(&[0u8, 1, b' ', b'!', 0x80, 0xa0, 0xff][..])), byte in prop::sample::select(&[0u8, b' ', b'\n', 0x80, 0xff][..])) {
            let expected = chunk.iter().rev().fold(0, |places, other| places << 1 | u32::from(*other == byte));
            prop_assert_eq!(places(&chunk, byte), expected);
            prop_assert_eq!(places_by_words(&chunk, byte), expected);
        }
    }
}
