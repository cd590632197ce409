//! Blocks of positions, as they stand in the table `postings`.
//!
//! A block is a byte that says whether revisions are known, the first revision (if so, as a varint), and
//! the positions after the first one, each as its distance from the one before, as a varint. If revisions
//! are known they rise by one with each position, as those of a stream do.

/// How large a block is at most: what is larger leaves its page of the tree for others.
const BLOCK_BYTES: usize = if cfg!(test) { 12 } else { 900 };

const PLAIN: u8 = 0;
const REVISIONS: u8 = 1;

/// A decoded block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Block {
    /// The revision at the first position, if every revision follows from it.
    pub(crate) first_revision: Option<u64>,
    /// The positions, rising.
    pub(crate) positions: Vec<u64>,
}

impl Block {
    /// Decodes what stands in the table; nothing if it is damaged.
    pub(crate) fn decode(first: u64, mut bytes: &[u8]) -> Option<Self> {
        let (kind, rest) = bytes.split_first()?;
        bytes = rest;
        let first_revision = match *kind {
            PLAIN => None,
            REVISIONS => Some(take_varint(&mut bytes)?),
            _ => return None,
        };
        let mut positions = Vec::with_capacity(bytes.len() + 1);
        let mut position = first;
        positions.push(position);
        while !bytes.is_empty() {
            position = position.checked_add(take_varint(&mut bytes)?)?;
            positions.push(position);
        }
        Some(Self { first_revision, positions })
    }

    /// Returns the position of a revision, if the block knows it.
    pub(crate) fn position_of(&self, revision: u64) -> Option<u64> {
        let at = usize::try_from(revision.checked_sub(self.first_revision?)?).ok()?;
        self.positions.get(at).copied()
    }
}

/// Encodes positions into blocks: hands the first position and the bytes of each to `block`.
pub(crate) fn encode_blocks(
    positions: impl Iterator<Item = u64>,
    first_revision: Option<u64>,
    mut block: impl FnMut(u64, &[u8]),
) {
    let mut bytes = Vec::with_capacity(64);
    let mut first = None;
    let mut last = 0;
    for (index, position) in positions.enumerate() {
        if bytes.len() > BLOCK_BYTES
            && let Some(first) = first.take()
        {
            block(first, &bytes);
        }
        match first {
            Some(_) => put_varint(&mut bytes, position - last),
            None => {
                first = Some(position);
                bytes.clear();
                match first_revision {
                    None => bytes.push(PLAIN),
                    Some(revision) => {
                        bytes.push(REVISIONS);
                        put_varint(&mut bytes, revision + index as u64);
                    }
                }
            }
        }
        last = position;
    }
    if let Some(first) = first {
        block(first, &bytes);
    }
}

fn put_varint(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

fn take_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_encoded_decodes(
            positions in proptest::collection::btree_set(1..40_000_u64, 1..3000),
            revision in proptest::option::of(0..1_000_000_u64),
        ) {
            let positions: Vec<_> = positions.into_iter().collect();
            let mut decoded = Vec::new();
            encode_blocks(positions.iter().copied(), revision, |first, bytes| {
                let block = Block::decode(first, bytes).expect("a sound block");
                assert!(bytes.len() <= BLOCK_BYTES + 10);
                assert_eq!(block.first_revision, revision.map(|revision| revision + decoded.len() as u64));
                decoded.extend(block.positions);
            });
            prop_assert_eq!(decoded, positions);
        }

        #[test]
        fn damaged_blocks_never_panic(first in any::<u64>(), bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = Block::decode(first, &bytes);
        }
    }
}
