//! Memory by the page: zeroes that take no memory until they are written, and can be given back in parts.

use std::io;
use std::ops::{Deref, DerefMut, Range};
use std::ptr::NonNull;

/// A private mapping. It counts as used memory page by page as it is written.
pub(super) struct Pages {
    start: NonNull<u8>,
    len: usize,
}

// SAFETY: the mapping belongs to this value alone and is reached through it only, as a boxed slice would be.
unsafe impl Send for Pages {}
// SAFETY: as above; shared references only read.
unsafe impl Sync for Pages {}

impl Pages {
    /// `len` zeroes; at least one.
    pub(super) fn new(len: usize) -> io::Result<Pages> {
        let len = len.max(1);
        // SAFETY: a new mapping at an address of the system's choice touches nothing that is there.
        let start = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                len,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
                -1,
                0,
            )
        };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let start = NonNull::new(start.cast::<u8>()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Pages { start, len })
    }

    /// Asks for huge pages where nothing was written yet: look-ups at random places in many bytes wait for the processor's address
    /// translation more than for anything else. Where the system does not have them nothing is lost.
    pub(super) fn prefer_huge(&mut self) {
        // SAFETY: advice on our own mapping.
        unsafe { libc::madvise(self.start.as_ptr().cast(), self.len, libc::MADV_HUGEPAGE) };
    }

    /// Makes a range zeroes again that take no memory. `range` must begin and end at multiples of 4096, otherwise
    /// nothing happens.
    pub(super) fn discard(&mut self, range: Range<usize>) {
        if let Some(bytes) = self.get_mut(range) {
            // SAFETY: the bytes are ours alone, and all bytes are valid values afterwards. The kernel refuses what is not aligned.
            unsafe { libc::madvise(bytes.as_mut_ptr().cast(), bytes.len(), libc::MADV_DONTNEED) };
        }
    }
}

impl Deref for Pages {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        // SAFETY: the mapping has `len` initialized bytes and lives as long as `self`.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }
}

impl DerefMut for Pages {
    #[inline]
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `deref`, and nobody else has a reference.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.len) }
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours and nobody refers to it any more.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.len) };
    }
}
