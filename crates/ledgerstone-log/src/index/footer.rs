//! The end of the file of a run: what it covers, and where everything stands.
//!
//! All integers are little-endian. The file is: blocks of lists, blocks of ids, fences, filters, and
//!
//! | at | bytes | what |
//! |---|---|---|
//! | 0 | 8 × 4 | the application positions before and at the end, the same of the system positions |
//! | 32 | 8 | number of blocks of lists |
//! | 40 | 8 | number of blocks of ids |
//! | 48 | 8 | bytes of the fences |
//! | 56 | 8 | bytes of the filters |
//! | 64 | 8 | number of terms |
//! | 72 | 8 | number of ids |
//! | 80 | 8 | of which segments of which log it was made, as its name says too |
//! | 88 | 4 | bytes of a block |
//! | 92 | 4 | CRC32C of fences and filters |
//! | 96 | 4 | CRC32C of the footer without this |
//! | 100 | 4 | version of the format: 3 |
//! | 104 | 8 | `LEDGIDX` and a zero |

use crate::index::block::{BLOCK_BYTES, LEAST_BLOCK_BYTES};
use crate::index::covers::Covers;
use crate::index::failure::IndexError;
use crate::segment_header::{array, u32_at, u64_at};

/// How many bytes a footer has.
pub(super) const FOOTER_BYTES: usize = 112;
/// The newest version of the format that is known here.
const FORMAT: u32 = 3;
const MAGIC: &[u8; 8] = b"LEDGIDX\0";
const CHECKSUM_AT: usize = 96;

/// The footer of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Footer {
    pub(super) covers: Covers,
    pub(super) list_blocks: u64,
    pub(super) id_blocks: u64,
    pub(super) fence_bytes: u64,
    pub(super) filter_bytes: u64,
    pub(super) terms: u64,
    pub(super) ids: u64,
    pub(super) stamp: u64,
    pub(super) block_bytes: u32,
    pub(super) checksum: u32,
}

impl Footer {
    /// Returns the bytes of the footer.
    pub(super) fn encode(&self) -> [u8; FOOTER_BYTES] {
        let mut bytes = [0; FOOTER_BYTES];
        let mut at = 0;
        let mut put = |part: &[u8]| {
            if let Some(place) = bytes.get_mut(at..at + part.len()) {
                place.copy_from_slice(part);
            }
            at += part.len();
        };
        put(&self.covers.to_bytes());
        let counts = [self.list_blocks, self.id_blocks, self.fence_bytes, self.filter_bytes];
        let numbers = counts.into_iter().chain([self.terms, self.ids, self.stamp]);
        numbers.for_each(|number| put(&number.to_le_bytes()));
        put(&self.block_bytes.to_le_bytes());
        put(&self.checksum.to_le_bytes());
        put(&[0; 4]);
        put(&FORMAT.to_le_bytes());
        put(MAGIC);
        let checksum = checksum(&bytes).to_le_bytes();
        if let Some(place) = bytes.get_mut(CHECKSUM_AT..CHECKSUM_AT + 4) {
            place.copy_from_slice(&checksum);
        }
        bytes
    }

    /// Reads the footer of a file of this size.
    pub(super) fn decode(bytes: &[u8; FOOTER_BYTES], size: u64) -> Result<Self, IndexError> {
        let at = size.saturating_sub(FOOTER_BYTES as u64);
        if !bytes.ends_with(MAGIC) {
            return Err(IndexError::Damaged { at, why: "it does not end like an index" });
        }
        let found = u32_at(bytes, 100);
        if found > FORMAT {
            return Err(IndexError::Newer { found, known: FORMAT });
        }
        if found < FORMAT {
            return Err(IndexError::Damaged { at, why: "an older version wrote it" });
        }
        let footer = Self {
            covers: Covers::from_bytes(array(bytes, 0)),
            list_blocks: u64_at(bytes, 32),
            id_blocks: u64_at(bytes, 40),
            fence_bytes: u64_at(bytes, 48),
            filter_bytes: u64_at(bytes, 56),
            terms: u64_at(bytes, 64),
            ids: u64_at(bytes, 72),
            stamp: u64_at(bytes, 80),
            block_bytes: u32_at(bytes, 88),
            checksum: u32_at(bytes, 92),
        };
        if checksum(bytes) != u32_at(bytes, CHECKSUM_AT) || !footer.covers.is_sound() {
            return Err(IndexError::Damaged { at, why: "the checksum of the footer does not match" });
        }
        let known_size = (LEAST_BLOCK_BYTES..=BLOCK_BYTES).contains(&(footer.block_bytes as usize));
        if !known_size || footer.size() != Some(size) {
            return Err(IndexError::Damaged { at, why: "the size is not the one that the footer tells" });
        }
        Ok(footer)
    }

    /// Returns where the fences stand.
    pub(super) fn fences_at(&self) -> u64 {
        (self.list_blocks + self.id_blocks) * u64::from(self.block_bytes)
    }

    fn size(&self) -> Option<u64> {
        let blocks = self.list_blocks.checked_add(self.id_blocks)?;
        let front = blocks.checked_mul(u64::from(self.block_bytes))?.checked_add(self.fence_bytes)?;
        front.checked_add(self.filter_bytes)?.checked_add(FOOTER_BYTES as u64)
    }
}

fn checksum(bytes: &[u8; FOOTER_BYTES]) -> u32 {
    let (front, rest) = bytes.split_at(CHECKSUM_AT);
    crc32c::crc32c_append(crc32c::crc32c(front), rest.get(4..).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use ledgerstone_core::{Heads, Position};

    use super::*;

    fn footer() -> Footer {
        let heads =
            |application, system| Heads { application: Position(application), system: Position(system) };
        Footer {
            covers: Covers::between(heads(5, 1), heads(90, 3)),
            list_blocks: 3,
            id_blocks: 2,
            fence_bytes: 17,
            filter_bytes: 9,
            terms: 30,
            ids: 87,
            stamp: 5,
            block_bytes: 4096,
            checksum: 77,
        }
    }

    #[test]
    fn a_footer_reads_back_for_the_size_that_it_tells() {
        let footer = footer();
        let size = 5 * 4096 + 17 + 9 + FOOTER_BYTES as u64;
        assert_eq!(Footer::decode(&footer.encode(), size).expect("sound"), footer);
        assert!(Footer::decode(&footer.encode(), size + 1).is_err());
        let vast = Footer { block_bytes: 8192, ..footer };
        assert!(Footer::decode(&vast.encode(), size + 5 * 4096).is_err());
        let endless = Footer { list_blocks: u64::MAX, ..footer };
        assert!(Footer::decode(&endless.encode(), size).is_err());
    }

    #[test]
    fn a_footer_with_any_bit_flipped_is_refused() {
        let sound = footer().encode();
        for bit in 0..FOOTER_BYTES * 8 {
            let mut bytes = sound;
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(Footer::decode(&bytes, 5 * 4096 + 17 + 9 + FOOTER_BYTES as u64).is_err(), "bit {bit}");
        }
    }
}
