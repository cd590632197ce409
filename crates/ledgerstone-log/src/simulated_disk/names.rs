//! The names of a simulated folder, those that are seen and those that a power loss leaves.

use std::collections::BTreeMap;
use std::io;

use super::random::Random;

/// The names of a folder, each with the number of its file.
#[derive(Debug, Clone, Default)]
pub(super) struct Names {
    /// What readers see.
    pub(super) cached: BTreeMap<String, usize>,
    durable: BTreeMap<String, usize>,
    pending: Vec<Change>,
}

#[derive(Debug, Clone)]
enum Change {
    Created(String, usize),
    Renamed(String, String, usize),
    Removed(String),
}

impl Names {
    pub(super) fn of(&self, name: &str) -> io::Result<usize> {
        self.cached.get(name).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    pub(super) fn create(&mut self, name: &str, inode: usize) -> io::Result<()> {
        if self.cached.contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        self.change(Change::Created(name.to_owned(), inode));
        Ok(())
    }

    pub(super) fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        let inode = self.of(from)?;
        if from != to {
            self.change(Change::Renamed(from.to_owned(), to.to_owned(), inode));
        }
        Ok(())
    }

    pub(super) fn remove(&mut self, name: &str) -> io::Result<()> {
        self.of(name)?;
        self.change(Change::Removed(name.to_owned()));
        Ok(())
    }

    fn change(&mut self, change: Change) {
        change.apply(&mut self.cached);
        self.pending.push(change);
    }

    pub(super) fn is_clean(&self) -> bool {
        self.pending.is_empty()
    }

    /// Makes durable what was done since the last sync, and nothing that an earlier, failed one lost.
    pub(super) fn sync(&mut self) {
        for change in std::mem::take(&mut self.pending) {
            change.apply(&mut self.durable);
        }
    }

    /// Settles, unseen by readers, what of the pending changes is durable.
    pub(super) fn fail_sync(&mut self, random: &mut Random) {
        self.durable = self.fate(random);
        self.pending.clear();
    }

    /// Returns the names as they could be found after a power loss.
    pub(super) fn crashed(&self, random: &mut Random) -> Self {
        let durable = self.fate(random);
        Self { cached: durable.clone(), durable, pending: Vec::new() }
    }

    fn fate(&self, random: &mut Random) -> BTreeMap<String, usize> {
        let mut names = self.durable.clone();
        // From 0, when nothing survives, to 4, when all does; and sometimes in order.
        let luck = random.below(5);
        let count = self.pending.len();
        let kept = if random.one_in(3) { random.below(count + 1) } else { count };
        for change in self.pending.iter().take(kept) {
            if random.below(4) < luck {
                change.apply(&mut names);
            }
        }
        names
    }
}

impl Change {
    fn apply(&self, names: &mut BTreeMap<String, usize>) {
        match self {
            Self::Created(name, inode) => {
                names.insert(name.clone(), *inode);
            }
            Self::Renamed(from, to, inode) => {
                names.remove(from);
                // A rename is one step, so a file never bears two names.
                names.retain(|_, held| held != inode);
                names.insert(to.clone(), *inode);
            }
            Self::Removed(name) => {
                names.remove(name);
            }
        }
    }
}
