//! Sectors, the pieces that a disk writes whole, and what lies in those that were never written.

use super::random::Random;

/// The bytes of a sector: what every disk writes whole.
pub(super) const SECTOR: usize = 512;

/// Cuts bytes for a place into pieces that each lie in one sector, with their places.
pub(super) fn pieces(at: usize, bytes: &[u8]) -> Vec<(usize, &[u8])> {
    let mut pieces = Vec::new();
    let (mut at, mut rest) = (at, bytes);
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(rest.len().min(SECTOR - at % SECTOR));
        pieces.push((at, piece));
        at += piece.len();
        rest = after;
    }
    pieces
}

/// Puts bytes at a place, with zeros before them if the content ends earlier.
pub(super) fn put(content: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    let end = at + bytes.len();
    if !bytes.is_empty() && content.len() < end {
        content.resize(end, 0);
    }
    if let Some(place) = content.get_mut(at..end) {
        place.copy_from_slice(bytes);
    }
}

/// What a sector may hold that a file was given and never wrote.
#[derive(Debug, Clone, Default)]
pub(super) struct Leftovers(pub(super) Vec<Vec<u8>>);

impl Leftovers {
    /// Grows content to a size by sectors of zeros, or of what other files left there.
    pub(super) fn grow(&self, content: &mut Vec<u8>, size: usize, random: &mut Random) {
        while content.len() < size {
            let end = size.min((content.len() / SECTOR + 1) * SECTOR);
            // The rest of a sector that was in use already is zeros.
            if content.len().is_multiple_of(SECTOR) && !self.0.is_empty() && random.one_in(4) {
                let left = self.0.get(random.below(self.0.len())).map_or(&[][..], Vec::as_slice);
                content.extend(left.iter().take(end - content.len()));
            }
            content.resize(end, 0);
        }
    }
}
