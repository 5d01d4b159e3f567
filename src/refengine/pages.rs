//! Memory by the page: zeroes that take no memory until they are written, and can be given back in parts.

use memmap2::{Advice, MmapMut, MmapOptions, UncheckedAdvice};
use std::io;
use std::ops::{Deref, DerefMut, Range};

/// The unit of the system's memory, or a part of it that is large enough.
const PAGE: usize = 4096;

/// A private mapping. It counts as used memory page by page as it is written.
pub(crate) struct Pages(MmapMut);

impl Pages {
    /// `len` zeroes; at least one.
    pub(crate) fn new(len: usize) -> io::Result<Pages> {
        MmapOptions::new().len(len.max(1)).no_reserve_swap().map_anon().map(Pages)
    }

    /// Asks for huge pages where nothing was written yet: look-ups at random places in many bytes wait for the processor's address
    /// translation more than for anything else. Where the system does not have them nothing is lost.
    pub(crate) fn prefer_huge(&mut self) {
        let _ = self.0.advise(Advice::HugePage);
    }

    /// Makes a range zeroes again that take no memory. `range` must begin and end at multiples of 4096, otherwise
    /// nothing happens.
    pub(crate) fn discard(&mut self, range: Range<usize>) {
        let inside = range.start <= range.end && range.end <= self.0.len();
        if inside && range.start.is_multiple_of(PAGE) && range.end.is_multiple_of(PAGE) {
            // SAFETY: the bytes are ours alone, whole pages of a private mapping, and all bytes are valid values afterwards.
            let _ = unsafe { self.0.unchecked_advise_range(UncheckedAdvice::DontNeed, range.start, range.len()) };
        }
    }
}

impl Deref for Pages {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl DerefMut for Pages {
    #[inline]
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}
