//! fjall's filters of keys, looked at so that the processor waits for the memory of several at a time.

use crate::refengine::prefetch::prefetch;
use crate::refengine::storage::Slice;
use lsm_tree::table::filter::standard_bloom::Builder;

/// Bits of a key that a filter may have at most; those of fjall's 10 bits for each key are 6.
const MOST: usize = 16;
/// Bits that are asked for before anything depends on them; a key that is not there hardly has more.
const FIRST: usize = 3;

/// fjall's form: what it is, how many bits there are, how many each key has, the bits, the highest of a byte first.
const MAGIC: &[u8] = &[b'L', b'S', b'M', 3, 0, 0];
const BITS: usize = MAGIC.len() + 16;

/// A filter of a table.
pub(super) struct Filter {
    bytes: Slice,
    bits: u64,
    /// 2^128 / `bits`, rounded up: a division takes as long as a dozen multiplications.
    reciprocal: u128,
    each: usize,
}

/// Where a key's bits are, before they are taken modulo a filter's bits.
pub(super) struct Hashes([u64; MOST]);

impl Hashes {
    pub(super) fn new(hash: u64) -> Hashes {
        // fjall's constant and way, both part of its files' format.
        let (mut at, mut step) = (hash, (hash >> 32).wrapping_mul(0x517c_c1b7_2722_0a95));
        Hashes(std::array::from_fn(|n| {
            let here = at;
            at = at.wrapping_add(step);
            step = step.wrapping_mul(n as u64 + 1);
            here
        }))
    }

    /// What fjall makes of a key.
    pub(super) fn of(key: &[u8]) -> u64 {
        Builder::get_hash(key)
    }
}

/// The first bits of a key in one filter, on their way to the processor.
#[derive(Clone, Copy, Default)]
pub(super) struct Beginning([u64; FIRST]);

impl Filter {
    /// `None`: only fjall knows this form.
    pub(super) fn new(bytes: Slice) -> Option<Filter> {
        let (magic, rest) = bytes.split_at_checked(MAGIC.len())?;
        let (bits, rest) = rest.split_first_chunk()?;
        let (each, rest) = rest.split_first_chunk()?;
        let (bits, each) = (u64::from_le_bytes(*bits), usize::try_from(u64::from_le_bytes(*each)).ok()?);
        // One bit has no reciprocal of 128 bits.
        let fits =
            magic == MAGIC && (FIRST..=MOST).contains(&each) && bits > 1 && bits.div_ceil(8) <= rest.len() as u64;
        fits.then(|| Filter { bytes, bits, reciprocal: u128::MAX / u128::from(bits) + 1, each })
    }

    /// Asks for the memory of a key's first bits.
    #[inline]
    pub(super) fn begin(&self, key: &Hashes) -> Beginning {
        let mut places = [0; FIRST];
        for (place, hash) in places.iter_mut().zip(&key.0) {
            *place = self.place(*hash);
            prefetch(&self.bytes, BITS + (*place / 8) as usize);
        }
        Beginning(places)
    }

    /// Asks for the memory of the others.
    #[inline]
    pub(super) fn ask(&self, key: &Hashes) {
        for hash in key.0.get(FIRST..self.each).unwrap_or_default() {
            prefetch(&self.bytes, BITS + (self.place(*hash) / 8) as usize);
        }
    }

    /// Whether a key may be in the table.
    #[inline]
    pub(super) fn may_have(&self, beginning: Beginning, key: &Hashes) -> bool {
        let rest = key.0.get(FIRST..self.each).unwrap_or_default();
        beginning.0.iter().all(|place| self.has(*place)) && rest.iter().all(|hash| self.has(self.place(*hash)))
    }

    /// `hash` modulo the number of bits.
    #[inline]
    fn place(&self, hash: u64) -> u64 {
        let fraction = self.reciprocal.wrapping_mul(u128::from(hash));
        let bits = u128::from(self.bits);
        let low = (u128::from(fraction as u64) * bits) >> 64;
        (((fraction >> 64) * bits + low) >> 64) as u64
    }

    #[inline]
    fn has(&self, place: u64) -> bool {
        let byte = self.bytes.get(BITS + (place / 8) as usize).copied().unwrap_or(u8::MAX);
        byte & (0x80 >> (place % 8)) != 0
    }

    /// Bytes of memory.
    pub(super) fn resident(&self) -> usize {
        self.bytes.len()
    }
}
