//! Large buffers that come back when their last reader lets go of them, so that they need not be made anew.

use parking_lot::Mutex;

/// From which size on a buffer is kept: smaller ones the allocator has at hand.
const LEAST: usize = 128 * 1024;
/// Up to which size: larger ones are rare.
const MOST: usize = 2 * 1024 * 1024;
/// How many are kept at most.
const KEPT: usize = 8;

/// Buffers that nobody uses, with what was read into them last.
static IDLE: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());

/// A buffer that is read from until it comes back.
#[derive(Debug)]
pub(crate) struct PageBuffer(Vec<u8>);

impl PageBuffer {
    /// Returns a buffer of this size, with anything in it.
    pub(crate) fn take(size: usize) -> Vec<u8> {
        let idle = if (LEAST..=MOST).contains(&size) { IDLE.lock().pop() } else { None };
        let mut buffer = idle.unwrap_or_default();
        buffer.resize(size, 0);
        buffer
    }

    /// Tells whether a buffer is worth keeping.
    pub(crate) fn keeps(buffer: &Vec<u8>) -> bool {
        (LEAST..=MOST).contains(&buffer.capacity())
    }

    /// Takes a buffer that is not written to any more.
    pub(crate) fn new(buffer: Vec<u8>) -> Self {
        Self(buffer)
    }
}

impl AsRef<[u8]> for PageBuffer {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for PageBuffer {
    fn drop(&mut self) {
        let mut idle = IDLE.lock();
        if idle.len() < KEPT {
            idle.push(std::mem::take(&mut self.0));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_has_the_size_that_was_asked_for() {
        for size in [10, LEAST, LEAST + 1, MOST, MOST + 1, LEAST] {
            let buffer = PageBuffer::take(size);
            assert_eq!(buffer.len(), size);
            if PageBuffer::keeps(&buffer) {
                drop(PageBuffer::new(buffer));
            }
        }
        assert!(IDLE.lock().len() <= KEPT);
    }
}
