//! The hash functions that clients of memcached choose a server by, with the quirks of libmemcached: where its C code reads a
//! key through `char`, a byte above 127 counts as negative.

use std::sync::LazyLock;

/// A hash function; the names are libmemcached's without `MEMCACHED_HASH_`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hash {
    /// Jenkins' one at a time.
    Default,
    /// The first four bytes of MD5, little endian.
    Md5,
    /// Fifteen bits of CRC-32.
    Crc,
    /// The low half of FNV-1 of 64 bits.
    Fnv1_64,
    /// FNV-1a with the low halves of the 64-bit constants.
    Fnv1a64,
    /// FNV-1 of 32 bits.
    Fnv1_32,
    /// FNV-1a of 32 bits.
    Fnv1a32,
    /// Hsieh's SuperFastHash.
    Hsieh,
    /// MurmurHash2, seeded by the length.
    Murmur,
    /// Jenkins' lookup3.
    Jenkins,
    /// MurmurHash3 of 32 bits, seeded by the length.
    Murmur3,
}

impl Hash {
    /// Every function with its name.
    pub const ALL: [(Hash, &'static str); 11] = [
        (Hash::Default, "DEFAULT"),
        (Hash::Md5, "MD5"),
        (Hash::Crc, "CRC"),
        (Hash::Fnv1_64, "FNV1_64"),
        (Hash::Fnv1a64, "FNV1A_64"),
        (Hash::Fnv1_32, "FNV1_32"),
        (Hash::Fnv1a32, "FNV1A_32"),
        (Hash::Jenkins, "JENKINS"),
        (Hash::Hsieh, "HSIEH"),
        (Hash::Murmur, "MURMUR"),
        (Hash::Murmur3, "MURMUR3"),
    ];

    /// The number that a key, or a point of a server, has.
    pub fn digest(self, key: &[u8]) -> u32 {
        match self {
            Hash::Default => one_at_a_time(key),
            Hash::Md5 => little(&md5(key)),
            Hash::Crc => (crc32(key) >> 16) & 0x7fff,
            Hash::Fnv1_64 => {
                key.iter().fold(FNV_64, |h, &b| h.wrapping_mul(FNV_64_PRIME) ^ i64::from(b.cast_signed()) as u64) as u32
            }
            Hash::Fnv1a64 => key.iter().fold(FNV_64 as u32, |h, &b| (h ^ signed(b)).wrapping_mul(FNV_64_PRIME as u32)),
            Hash::Fnv1_32 => key.iter().fold(FNV_32, |h, &b| h.wrapping_mul(FNV_32_PRIME) ^ signed(b)),
            Hash::Fnv1a32 => key.iter().fold(FNV_32, |h, &b| (h ^ signed(b)).wrapping_mul(FNV_32_PRIME)),
            Hash::Hsieh => hsieh(key),
            Hash::Murmur => murmur2(key),
            Hash::Jenkins => lookup3(key),
            Hash::Murmur3 => murmur3(key),
        }
    }
}

const FNV_32: u32 = 0x811c_9dc5;
const FNV_32_PRIME: u32 = 0x0100_0193;
const FNV_64: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_64_PRIME: u64 = 0x0100_0000_01b3;

/// A byte as C's `char` on x86 and Linux is widened.
fn signed(byte: u8) -> u32 {
    i32::from(byte.cast_signed()).cast_unsigned()
}

/// Up to four bytes, little endian.
fn little(bytes: &[u8]) -> u32 {
    bytes.iter().take(4).rev().fold(0, |n, &b| (n << 8) | u32::from(b))
}

fn one_at_a_time(key: &[u8]) -> u32 {
    let mut h = 0u32;
    for &byte in key {
        h = h.wrapping_add(signed(byte));
        h = h.wrapping_add(h << 10);
        h ^= h >> 6;
    }
    h = h.wrapping_add(h << 3);
    h ^= h >> 11;
    h.wrapping_add(h << 15)
}

fn crc32(key: &[u8]) -> u32 {
    const TABLE: [u32; 256] = {
        let mut table = [0u32; 256];
        let mut i = 0;
        while i < 256 {
            let mut value = i as u32;
            let mut bit = 0;
            while bit < 8 {
                value = if value & 1 == 1 { (value >> 1) ^ 0xedb8_8320 } else { value >> 1 };
                bit += 1;
            }
            table[i] = value;
            i += 1;
        }
        table
    };
    !key.iter().fold(u32::MAX, |crc, &b| (crc >> 8) ^ TABLE[usize::from(crc as u8 ^ b)])
}

fn hsieh(key: &[u8]) -> u32 {
    if key.is_empty() {
        return 0;
    }
    let half = |bytes: &[u8]| little(&bytes[..2]);
    let mut h = 0u32;
    let words = key.chunks_exact(4);
    let rest = words.remainder();
    for word in words {
        h = h.wrapping_add(half(word));
        h = (h << 16) ^ (half(&word[2..]) << 11) ^ h;
        h = h.wrapping_add(h >> 11);
    }
    match *rest {
        [_, _, last] => {
            h = h.wrapping_add(half(rest));
            h ^= h << 16;
            h ^= signed(last) << 18;
            h = h.wrapping_add(h >> 11);
        }
        [_, _] => {
            h = h.wrapping_add(half(rest));
            h ^= h << 11;
            h = h.wrapping_add(h >> 17);
        }
        [last] => {
            h = h.wrapping_add(u32::from(last));
            h ^= h << 10;
            h = h.wrapping_add(h >> 1);
        }
        _ => {}
    }
    h ^= h << 3;
    h = h.wrapping_add(h >> 5);
    h ^= h << 4;
    h = h.wrapping_add(h >> 17);
    h ^= h << 25;
    h.wrapping_add(h >> 6)
}

/// libmemcached's seed of both Murmur functions.
fn murmur_seed(key: &[u8]) -> u32 {
    0xdead_beef_u32.wrapping_mul(key.len() as u32)
}

fn murmur2(key: &[u8]) -> u32 {
    const M: u32 = 0x5bd1_e995;
    let mut h = murmur_seed(key) ^ key.len() as u32;
    let words = key.chunks_exact(4);
    let rest = words.remainder();
    for word in words {
        let mut k = little(word).wrapping_mul(M);
        k ^= k >> 24;
        h = h.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    if !rest.is_empty() {
        h = (h ^ little(rest)).wrapping_mul(M);
    }
    h = (h ^ (h >> 13)).wrapping_mul(M);
    h ^ (h >> 15)
}

fn murmur3(key: &[u8]) -> u32 {
    let scramble = |k: u32| k.wrapping_mul(0xcc9e_2d51).rotate_left(15).wrapping_mul(0x1b87_3593);
    let mut h = murmur_seed(key);
    let words = key.chunks_exact(4);
    let rest = words.remainder();
    for word in words {
        h = (h ^ scramble(little(word))).rotate_left(13).wrapping_mul(5).wrapping_add(0xe654_6b64);
    }
    h ^= scramble(little(rest));
    h ^= key.len() as u32;
    h = (h ^ (h >> 16)).wrapping_mul(0x85eb_ca6b);
    h = (h ^ (h >> 13)).wrapping_mul(0xc2b2_ae35);
    h ^ (h >> 16)
}

fn lookup3(key: &[u8]) -> u32 {
    let start = 0xdead_beef_u32.wrapping_add(key.len() as u32).wrapping_add(13);
    let [mut a, mut b, mut c] = [start; 3];
    let mut rest = key;
    let take = |block: &[u8], [a, b, c]: [&mut u32; 3]| {
        let word = |i: usize| little(block.get(i..).unwrap_or_default());
        *a = a.wrapping_add(word(0));
        *b = b.wrapping_add(word(4));
        *c = c.wrapping_add(word(8));
    };
    while rest.len() > 12 {
        take(&rest[..12], [&mut a, &mut b, &mut c]);
        rest = &rest[12..];
        for (turn, (x, y, z)) in
            [4, 6, 8, 16, 19, 4].into_iter().zip([(0, 2, 1), (1, 0, 2), (2, 1, 0)].into_iter().cycle())
        {
            // x -= y; x ^= rot(y, turn); y += z, over the three words in turn.
            let mut words = [a, b, c];
            words[x] = words[x].wrapping_sub(words[y]) ^ words[y].rotate_left(turn);
            words[y] = words[y].wrapping_add(words[z]);
            [a, b, c] = words;
        }
    }
    if rest.is_empty() {
        return c;
    }
    take(rest, [&mut a, &mut b, &mut c]);
    let mut words = [a, b, c];
    for (turn, (x, y)) in [14, 11, 25, 16, 4, 14, 24].into_iter().zip([(2, 1), (0, 2), (1, 0)].into_iter().cycle()) {
        words[x] = (words[x] ^ words[y]).wrapping_sub(words[y].rotate_left(turn));
    }
    words[2]
}

/// MD5, here for where keys go and not for secrets.
pub fn md5(message: &[u8]) -> [u8; 16] {
    let mut state = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];
    let blocks = message.chunks_exact(64);
    let rest = blocks.remainder();
    blocks.for_each(|block| md5_block(&mut state, block));
    let mut tail = [0u8; 128];
    tail[..rest.len()].copy_from_slice(rest);
    tail[rest.len()] = 0x80;
    let end = if rest.len() < 56 { 64 } else { 128 };
    tail[end - 8..end].copy_from_slice(&(message.len() as u64 * 8).to_le_bytes());
    tail[..end].chunks_exact(64).for_each(|block| md5_block(&mut state, block));
    let mut digest = [0; 16];
    for (bytes, word) in digest.chunks_exact_mut(4).zip(state) {
        bytes.copy_from_slice(&word.to_le_bytes());
    }
    digest
}

fn md5_block(state: &mut [u32; 4], block: &[u8]) {
    /// 2^32 times the sine of 1 to 64, as RFC 1321 defines the constants.
    static SINES: LazyLock<[u32; 64]> =
        LazyLock::new(|| std::array::from_fn(|i| (((i + 1) as f64).sin().abs() * 4_294_967_296.0) as u32));
    const TURNS: [[u32; 4]; 4] = [[7, 12, 17, 22], [5, 9, 14, 20], [4, 11, 16, 23], [6, 10, 15, 21]];
    let [mut a, mut b, mut c, mut d] = *state;
    for (i, &sine) in SINES.iter().enumerate() {
        let (mixed, word) = match i / 16 {
            0 => ((b & c) | (!b & d), i),
            1 => ((d & b) | (!d & c), 5 * i + 1),
            2 => (b ^ c ^ d, 3 * i + 5),
            _ => (c ^ (b | !d), 7 * i),
        };
        let sum = a.wrapping_add(mixed).wrapping_add(sine).wrapping_add(little(&block[word % 16 * 4..]));
        (a, d, c, b) = (d, c, b, b.wrapping_add(sum.rotate_left(TURNS[i / 16][i % 4])));
    }
    for (word, add) in state.iter_mut().zip([a, b, c, d]) {
        *word = word.wrapping_add(add);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn md5_has_the_values_of_its_rfc() {
        let hex = |digest: [u8; 16]| digest.iter().map(|b| format!("{b:02x}")).collect::<String>();
        for (text, digest) in [
            ("", "d41d8cd98f00b204e9800998ecf8427e"),
            ("abc", "900150983cd24fb0d6963f7d28e17f72"),
            ("abcdefghijklmnopqrstuvwxyz", "c3fcd3d76192e4007dfb496cca67e13b"),
            (
                "12345678901234567890123456789012345678901234567890123456789012345678901234567890",
                "57edf4a22be3c955ac49da2e2107b67a",
            ),
        ] {
            assert_eq!(hex(md5(text.as_bytes())), digest, "{text}");
        }
    }
}
