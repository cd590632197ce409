//! Edits of files, read from bytes: each byte string says some, so that a fuzzer can look for those that hurt.

use super::File;

/// Numbers that lengths and counts are likeliest to go wrong by.
const NUMBERS: [u64; 12] =
    [0, 1, 2, 0x7f, 0xff, 0xffff, 0x10000, 0x7fff_ffff, 0xffff_ffff, 1 << 40, 1 << 63, u64::MAX];

/// Edits to be read.
#[derive(Debug)]
pub(super) struct Edits<'a>(&'a [u8]);

impl<'a> Edits<'a> {
    pub(super) fn of(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }
}

impl Iterator for Edits<'_> {
    type Item = Edit;

    fn next(&mut self) -> Option<Edit> {
        let (bytes, rest) = self.0.split_first_chunk::<6>()?;
        self.0 = rest;
        let [file, what, low, high, value, more] = *bytes;
        Some(Edit { file, what, at: u16::from_le_bytes([low, high]), value, more })
    }
}

/// A change of one file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Edit {
    file: u8,
    what: u8,
    at: u16,
    value: u8,
    more: u8,
}

impl Edit {
    /// Changes the file that it means; a place behind its end counts from its beginning again.
    pub(super) fn apply(self, files: &mut [File]) {
        let Some(file) = usize::from(self.file).checked_rem(files.len()) else { return };
        let Some((_, bytes)) = files.get_mut(file) else { return };
        let Some(at) = usize::from(self.at).checked_rem(bytes.len()) else { return };
        let number = NUMBERS[usize::from(self.value) % NUMBERS.len()].to_le_bytes();
        match self.what % 8 {
            0 => put(bytes, at, &[self.value]),
            1 => put(bytes, at, &number[..2]),
            2 => put(bytes, at, &number[..4]),
            3 => put(bytes, at, &number),
            4 => bytes.truncate(at),
            5 => bytes.extend(std::iter::repeat_n(self.value, usize::from(self.more))),
            6 => {
                let end = bytes.len().min(at + usize::from(self.more));
                let part: Vec<u8> = bytes.drain(at..end).collect();
                let to = usize::from(self.value).min(bytes.len());
                bytes.splice(to..to, part);
            }
            // In the first bytes stand headers, of which there are few.
            _ => {
                let at = usize::from(self.more) % bytes.len();
                put(bytes, at, &number[..usize::from(self.at % 9).min(8)]);
            }
        }
    }
}

fn put(bytes: &mut [u8], at: usize, part: &[u8]) {
    for (place, byte) in bytes.iter_mut().skip(at).zip(part) {
        *place = *byte;
    }
}
