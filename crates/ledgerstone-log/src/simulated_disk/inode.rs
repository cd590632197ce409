//! What a simulated file holds, for who reads it now and for who finds it after a power loss.

use super::random::Random;
use super::sectors::{Leftovers, SECTOR, pieces, put};

/// What a file holds.
#[derive(Debug, Clone, Default)]
pub(super) struct Inode {
    /// What readers see.
    pub(super) cached: Vec<u8>,
    durable: Vec<u8>,
    /// What was done since the last sync, whether that succeeded or not.
    pending: Vec<Change>,
}

#[derive(Debug, Clone)]
struct Change {
    /// What was written where; without it only the size was set.
    write: Option<(usize, Vec<u8>)>,
    size_before: usize,
    size_after: usize,
}

impl Inode {
    pub(super) fn write(&mut self, at: usize, bytes: &[u8]) {
        let size_before = self.cached.len();
        put(&mut self.cached, at, bytes);
        let write = Some((at, bytes.to_vec()));
        self.pending.push(Change { write, size_before, size_after: self.cached.len() });
    }

    pub(super) fn set_size(&mut self, size: usize) {
        let size_before = self.cached.len();
        self.cached.resize(size, 0);
        self.pending.push(Change { write: None, size_before, size_after: size });
    }

    pub(super) fn is_clean(&self) -> bool {
        self.pending.is_empty()
    }

    /// Makes durable what was done since the last sync, and nothing that an earlier, failed one lost.
    pub(super) fn sync(&mut self) {
        let resized = self.pending.iter().any(Change::resizes);
        for change in std::mem::take(&mut self.pending) {
            match change.write {
                Some((at, bytes)) => put(&mut self.durable, at, &bytes),
                None => self.durable.resize(change.size_after, 0),
            }
        }
        // The size is one number, so whoever syncs a new one leaves nothing of an older.
        if resized {
            self.durable.resize(self.cached.len(), 0);
        }
    }

    /// Settles, unseen by readers, what of the pending changes is durable: some, and it stays at that.
    pub(super) fn fail_sync(&mut self, random: &mut Random, leftovers: &Leftovers) {
        self.durable = self.fate(random, leftovers);
        self.pending.clear();
    }

    /// Returns the file as it could be found after a power loss.
    pub(super) fn crashed(&self, random: &mut Random, leftovers: &Leftovers) -> Self {
        let durable = self.fate(random, leftovers);
        Self { cached: durable.clone(), durable, pending: Vec::new() }
    }

    /// Flips a bit wherever the byte is held; false if it is nowhere.
    pub(super) fn flip(&mut self, at: usize, bit: u32) -> bool {
        let writes = self.pending.iter_mut().filter_map(|change| change.write.as_mut());
        let pending = writes.filter_map(|(start, bytes)| bytes.get_mut(at.checked_sub(*start)?));
        let mut found = false;
        for byte in self.cached.get_mut(at).into_iter().chain(self.durable.get_mut(at)).chain(pending) {
            *byte ^= 1 << (bit % 8);
            found = true;
        }
        found
    }

    /// Decides which changes reach the medium, in which order and how whole.
    fn fate(&self, random: &mut Random, leftovers: &Leftovers) -> Vec<u8> {
        let mut content = self.durable.clone();
        // From 0, when nothing survives, to 4, when all does.
        let luck = random.below(5);
        // Sometimes the medium kept the order, and only the newest is lost.
        let count = self.pending.len();
        let kept = if random.one_in(3) { random.below(count + 1) } else { count };
        for change in self.pending.iter().take(kept) {
            match &change.write {
                Some((at, bytes)) => tear(&mut content, *at, bytes, luck, random, leftovers),
                None if random.below(4) < luck => content.resize(change.size_after, 0),
                None => {}
            }
        }
        if let Some(size) = self.fate_of_size(random) {
            content.truncate(size);
            leftovers.grow(&mut content, size, random);
        }
        content
    }

    /// Decides the size; nothing if it is what the surviving bytes make it.
    fn fate_of_size(&self, random: &mut Random) -> Option<usize> {
        let resizes: Vec<_> = self.pending.iter().filter(|change| change.resizes()).collect();
        let newest = resizes.last()?.size_after;
        // A cut happens as one step with the loss of what is beyond it.
        if resizes.iter().any(|change| change.size_after < change.size_before) {
            return None;
        }
        match random.below(4) {
            0 | 1 => None,
            2 => Some(newest),
            _ => match resizes.get(random.below(resizes.len() + 1)) {
                None => Some(self.durable.len()),
                Some(change) if change.write.is_none() || random.coin() => Some(change.size_after),
                Some(change) => {
                    let grown = change.size_after - change.size_before;
                    let size = change.size_before + random.below(grown);
                    Some(change.size_before.max(size / SECTOR * SECTOR))
                }
            },
        }
    }
}

impl Change {
    fn resizes(&self) -> bool {
        self.size_before != self.size_after
    }
}

/// Lets a write reach the medium whole, up to a sector, in some sectors, or not at all.
fn tear(
    content: &mut Vec<u8>,
    at: usize,
    bytes: &[u8],
    luck: usize,
    random: &mut Random,
    leftovers: &Leftovers,
) {
    let sectors = pieces(at, bytes);
    let whole = random.below(4) < luck;
    let prefix = if luck == 0 || random.coin() { 0 } else { random.below(sectors.len()) };
    let scattered = random.one_in(3);
    for (index, (at, piece)) in sectors.into_iter().enumerate() {
        let survives = if scattered { random.below(4) < luck } else { whole || index < prefix };
        if survives {
            leftovers.grow(content, at, random);
            put(content, at, piece);
        }
    }
}
