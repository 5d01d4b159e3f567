//! Memory by the page: zeroes that take no memory until they are written, and can be given back in parts.

use memmap2::{MmapMut, MmapOptions, UncheckedAdvice};
use std::io;
use std::ops::{Deref, DerefMut, Range};

/// The unit of the system's memory, or a part of it that is large enough.
const PAGE: usize = 4096;

/// The system's huge page.
const HUGE: usize = 2 << 20;

/// A private mapping. It counts as used memory page by page as it is written.
pub(crate) struct Pages {
    map: MmapMut,
    /// The end of the first huge page in it that nobody asked for.
    next_huge: usize,
}

impl Pages {
    /// `len` zeroes; at least one.
    pub(crate) fn new(len: usize) -> io::Result<Pages> {
        let map = MmapOptions::new().len(len.max(1)).no_reserve_swap().map_anon()?;
        let before = (map.as_ptr() as usize).wrapping_neg() % HUGE;
        Ok(Pages { map, next_huge: before + HUGE })
    }

    /// Told how much of it, from its beginning, has been written. Asks for huge pages for what is full: look-ups at random places in many
    /// bytes wait for the processor's address translation more than for anything else. A huge page where little was written would take
    /// memory that nobody counts. Where the system does not have them nothing is lost.
    #[inline]
    pub(crate) fn written(&mut self, len: usize) {
        if len >= self.next_huge {
            self.make_huge();
        }
    }

    #[cold]
    fn make_huge(&mut self) {
        let end = self.next_huge;
        self.next_huge += HUGE;
        if let Some(page) = self.map.get_mut(end - HUGE..end) {
            // SAFETY: the range is a part of our own mapping; its bytes stay what they are.
            unsafe { libc::madvise(page.as_mut_ptr().cast(), HUGE, libc::MADV_COLLAPSE) };
        }
    }

    /// Makes a range zeroes again that take no memory. `range` must begin and end at multiples of 4096, otherwise
    /// nothing happens.
    pub(crate) fn discard(&mut self, range: Range<usize>) {
        let inside = range.start <= range.end && range.end <= self.map.len();
        if inside && range.start.is_multiple_of(PAGE) && range.end.is_multiple_of(PAGE) {
            // SAFETY: the bytes are ours alone, whole pages of a private mapping, and all bytes are valid values afterwards.
            let _ = unsafe { self.map.unchecked_advise_range(UncheckedAdvice::DontNeed, range.start, range.len()) };
        }
    }
}

impl Deref for Pages {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        &self.map
    }
}

impl DerefMut for Pages {
    #[inline]
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.map
    }
}
