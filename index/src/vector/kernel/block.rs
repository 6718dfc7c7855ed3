//! Memory that codes and links lie in.

use super::LINE;
use std::fmt;
use std::ops::Deref;

/// Memory that starts at a cache line and, from a few megabytes on, asks for huge pages: a search reads
/// at random, and on small pages it pays for a page walk with nearly every read.
pub(in crate::vector) struct Block {
    memory: Memory,
    from: usize,
    len: usize,
}

/// Pages that an allocator has used before stay small whatever it is advised, and after a build it has many of those: what is
/// to lie on huge pages is mapped anew.
enum Memory {
    Allocated(Vec<u8>),
    #[cfg(target_os = "linux")]
    Mapped(mapped::Pages),
}

impl Block {
    /// Zeros.
    pub(in crate::vector) fn zeroed(len: usize) -> Self {
        #[cfg(target_os = "linux")]
        if len >= 2 * mapped::HUGE
            && let Some((pages, from)) = mapped::Pages::huge(len)
        {
            return Self { memory: Memory::Mapped(pages), from, len };
        }
        let memory = vec![0; len + LINE];
        let from = (memory.as_ptr() as usize).next_multiple_of(LINE) - memory.as_ptr() as usize;
        Self { memory: Memory::Allocated(memory), from, len }
    }

    /// A copy.
    pub(in crate::vector) fn copy_of(bytes: &[u8]) -> Self {
        let mut block = Self::zeroed(bytes.len());
        block.bytes_mut().copy_from_slice(bytes);
        block
    }

    /// To be filled.
    pub(in crate::vector) fn bytes_mut(&mut self) -> &mut [u8] {
        let within = self.from..self.from + self.len;
        match &mut self.memory {
            Memory::Allocated(memory) => &mut memory[within],
            #[cfg(target_os = "linux")]
            Memory::Mapped(pages) => &mut pages.bytes_mut()[within],
        }
    }
}

impl Deref for Block {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        let within = self.from..self.from + self.len;
        match &self.memory {
            Memory::Allocated(memory) => &memory[within],
            #[cfg(target_os = "linux")]
            Memory::Mapped(pages) => &pages.bytes()[within],
        }
    }
}

impl fmt::Debug for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Block({} bytes)", self.len)
    }
}

#[cfg(target_os = "linux")]
mod mapped {
    use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap_anonymous, munmap};
    use std::ptr::{NonNull, null_mut};

    /// Bytes of a huge page.
    pub(super) const HUGE: usize = 2 << 20;

    /// Zeroed pages of our own, given back when this is dropped.
    pub(super) struct Pages {
        start: NonNull<u8>,
        len: usize,
    }

    // SAFETY: nobody else has the pages, and they are written through a unique borrow alone.
    unsafe impl Send for Pages {}
    // SAFETY: as above.
    unsafe impl Sync for Pages {}

    impl Pages {
        /// Pages with room for `len` bytes from a huge page's start on, and where that is; `None` where there are none to be had.
        pub(super) fn huge(len: usize) -> Option<(Self, usize)> {
            let room = len.checked_add(HUGE)?;
            // SAFETY: the system chooses where; nothing that is mapped is touched.
            let start =
                unsafe { mmap_anonymous(null_mut(), room, ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE) };
            let pages = Self { start: NonNull::new(start.ok()?.cast())?, len: room };
            let from = pages.start.as_ptr().align_offset(HUGE);
            // SAFETY: the range lies inside the pages; this advice changes how they are paged, not what they hold. Where it is
            // refused, nothing changes.
            let _ = unsafe { madvise(pages.start.as_ptr().wrapping_add(from).cast(), len, Advice::LinuxHugepage) };
            Some((pages, from))
        }

        #[inline]
        pub(super) fn bytes(&self) -> &[u8] {
            // SAFETY: so many bytes are mapped from there on, zeroed by the system, for as long as this lives.
            unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len) }
        }

        pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
            // SAFETY: as in `bytes`, and this borrow is unique.
            unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.len) }
        }
    }

    impl Drop for Pages {
        fn drop(&mut self) {
            // SAFETY: these are the pages of `huge`, and no borrow outlives them.
            let _ = unsafe { munmap(self.start.as_ptr().cast(), self.len) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vector::kernel::tests::few;

    #[test]
    fn a_block_starts_at_a_line() {
        for &len in few(&[0, 1, 64, 5 << 20], 3) {
            let block = Block::copy_of(&vec![7; len]);
            assert_eq!((block.len(), block.as_ptr() as usize % LINE), (len, 0));
            assert!(block.iter().all(|byte| *byte == 7));
        }
    }
}
