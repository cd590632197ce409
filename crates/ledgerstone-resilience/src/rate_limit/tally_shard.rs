//! One shard of the keys: who is remembered, who is forgotten, and what binds whom.

use std::hash::{BuildHasherDefault, Hash, Hasher};
use std::sync::Arc;

use indexmap::{Equivalent, IndexMap};
use ledgerstone_core::{BackendError, RateOverride, RateState, RateVerdict};

use super::limit_counters::LimitCounters;
use super::rule_set::{RuleSet, Tallies};

/// A key as it is looked for, hashed once for the shard and its table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HashedKey<'a> {
    pub(crate) hash: u64,
    pub(crate) text: &'a str,
}

/// A key as it is kept.
#[derive(Debug, PartialEq, Eq)]
struct KeptKey {
    hash: u64,
    text: Box<str>,
}

impl Hash for HashedKey<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

impl Hash for KeptKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

impl Equivalent<KeptKey> for HashedKey<'_> {
    fn equivalent(&self, kept: &KeptKey) -> bool {
        self.hash == kept.hash && *self.text == *kept.text
    }
}

/// Takes a hash that is one already.
#[derive(Debug, Default)]
struct Hashed(u64);

impl Hasher for Hashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        // Keys write one u64, below; this is here since the trait asks for it.
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

/// What binds a key instead of the common rules.
#[derive(Debug, Clone)]
pub(crate) enum Overridden {
    Unlimited,
    Blocked,
    Rules(Arc<RuleSet>),
}

/// What is remembered of a key.
#[derive(Debug, Default)]
pub(crate) struct Entry {
    tallies: Tallies,
    overridden: Option<Overridden>,
}

impl Entry {
    /// Returns the rules that bind the key, if any do.
    fn rules<'a>(&'a self, common: &'a RuleSet) -> Option<&'a RuleSet> {
        match &self.overridden {
            None => Some(common),
            Some(Overridden::Rules(rules)) => Some(rules),
            Some(Overridden::Unlimited | Overridden::Blocked) => None,
        }
    }

    fn of(common: &RuleSet, overridden: Option<Overridden>) -> Self {
        let mut entry = Self { tallies: Tallies::default(), overridden };
        entry.tallies = Tallies::for_rules(entry.rules(common).map_or(1, RuleSet::len));
        entry
    }

    /// Returns how long the key must be remembered still; nothing for as long as its override stands.
    fn resets_in(&self, common: &RuleSet, now: u64) -> Option<u64> {
        if self.overridden.is_some() { None } else { Some(common.resets_in(&self.tallies, now)) }
    }
}

/// Some of the keys, and the rules that bind them.
#[derive(Debug)]
pub(crate) struct Shard {
    common: Arc<RuleSet>,
    entries: IndexMap<KeptKey, Entry, BuildHasherDefault<Hashed>>,
    overrides: usize,
    /// What counts the calls of keys that are blocked or unlimited.
    unbound: LimitCounters,
    most: usize,
    /// Where the next look for keys to forget begins.
    hand: usize,
}

impl Shard {
    /// How many keys a new one looks at for one to forget; two even if there is room.
    const LOOKED_AT: usize = 8;
    const LOOKED_AT_IDLY: usize = 2;

    pub(crate) fn new(common: Arc<RuleSet>, most: usize, unbound: LimitCounters) -> Self {
        Self { common, entries: IndexMap::default(), overrides: 0, unbound, most, hand: 0 }
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    #[inline]
    pub(crate) fn take(
        &mut self,
        key: HashedKey<'_>,
        now: u64,
        cost: u32,
        share: u32,
    ) -> Result<RateVerdict, BackendError> {
        let Some(entry) = self.entries.get_mut(&key) else {
            self.common.check_cost(cost)?;
            let mut entry = Entry::of(&self.common, None);
            let verdict = self.common.take(&mut entry.tallies, now, cost, share);
            if cost > 0 {
                self.insert(key, entry, now);
            }
            return Ok(verdict);
        };
        let rules = match &entry.overridden {
            None => &self.common,
            Some(Overridden::Rules(rules)) => rules,
            Some(Overridden::Unlimited) => return Ok(unbound(true, &self.unbound)),
            Some(Overridden::Blocked) => return Ok(unbound(false, &self.unbound)),
        };
        rules.check_cost(cost)?;
        Ok(rules.take(&mut entry.tallies, now, cost, share))
    }

    pub(crate) fn states(&self, key: HashedKey<'_>, now: u64, share: u32) -> Vec<RateState> {
        match self.entries.get(&key) {
            None => self.common.states(&Tallies::for_rules(self.common.len()), now, share),
            Some(entry) => match entry.rules(&self.common) {
                Some(rules) => rules.states(&entry.tallies, now, share),
                None => Vec::new(),
            },
        }
    }

    pub(crate) fn override_of(&self, key: HashedKey<'_>) -> Option<RateOverride> {
        Some(match self.entries.get(&key)?.overridden.as_ref()? {
            Overridden::Unlimited => RateOverride::Unlimited,
            Overridden::Blocked => RateOverride::Blocked,
            Overridden::Rules(rules) => RateOverride::Rules(rules.rules().cloned().collect()),
        })
    }

    /// Sets or lifts an override; tells whether there was room for it.
    pub(crate) fn set_override(
        &mut self,
        key: HashedKey<'_>,
        overridden: Option<Overridden>,
        now: u64,
    ) -> bool {
        let had = self.entries.get(&key).is_some_and(|entry| entry.overridden.is_some());
        // Some room is left for keys that are bound by the common rules.
        if overridden.is_some() && !had && self.overrides >= self.most.div_ceil(2) {
            return false;
        }
        if overridden.is_none() && !had {
            return true;
        }
        self.overrides = self.overrides + usize::from(overridden.is_some()) - usize::from(had);
        let entry = Entry::of(&self.common, overridden);
        if let Some(kept) = self.entries.get_mut(&key) {
            *kept = entry;
        } else {
            self.insert(key, entry, now);
        }
        true
    }

    pub(crate) fn reset(&mut self, key: HashedKey<'_>) {
        if let Some(entry) = self.entries.get_mut(&key) {
            *entry = Entry::of(&self.common, entry.overridden.take());
        }
    }

    pub(crate) fn mirror(&mut self, key: HashedKey<'_>, states: &[RateState], now: u64) {
        if !self.entries.contains_key(&key) {
            self.insert(key, Entry::of(&self.common, None), now);
        }
        if let Some(entry) = self.entries.get_mut(&key) {
            let mirrored = entry.rules(&self.common).map(|rules| rules.mirrored(states, now));
            entry.tallies = mirrored.unwrap_or_default();
        }
    }

    pub(crate) fn set_rules(&mut self, common: Arc<RuleSet>) {
        for entry in self.entries.values_mut().filter(|entry| entry.overridden.is_none()) {
            entry.tallies = common.carried(&self.common, &entry.tallies);
        }
        self.common = common;
    }

    fn insert(&mut self, key: HashedKey<'_>, entry: Entry, now: u64) {
        self.forget(now);
        self.entries.insert(KeptKey { hash: key.hash, text: key.text.into() }, entry);
    }

    /// Forgets keys that have everything again, and one that has not if there is no room left.
    fn forget(&mut self, now: u64) {
        let is_full = self.entries.len() >= self.most;
        // While there is plenty of room, keys that come and go are cheaper kept than forgotten and met anew.
        if self.entries.len() < self.most / 4 {
            return;
        }
        let mut soonest: Option<(u64, usize)> = None;
        let mut forgotten = false;
        for _ in 0..if is_full { Self::LOOKED_AT } else { Self::LOOKED_AT_IDLY } {
            if self.entries.is_empty() {
                return;
            }
            let index = self.hand % self.entries.len();
            let resets_in =
                self.entries.get_index(index).and_then(|(_, entry)| entry.resets_in(&self.common, now));
            match resets_in {
                Some(0) => {
                    self.entries.swap_remove_index(index);
                    // The last key has moved here; the hand looks at it next, and the one found so far may be it.
                    (forgotten, soonest) = (true, None);
                }
                Some(resets_in) => {
                    if soonest.is_none_or(|(other, _)| resets_in < other) {
                        soonest = Some((resets_in, index));
                    }
                    self.hand = index + 1;
                }
                None => self.hand = index + 1,
            }
        }
        if is_full && !forgotten {
            // Overrides take half the room at most, so that a look further ahead finds another key.
            let found = soonest.map(|(_, index)| index).or_else(|| self.next_common());
            if let Some(index) = found {
                self.entries.swap_remove_index(index);
            }
        }
    }

    fn next_common(&self) -> Option<usize> {
        self.entries.values().position(|entry| entry.overridden.is_none())
    }
}

/// The verdict where no rule binds.
fn unbound(is_allowed: bool, counters: &LimitCounters) -> RateVerdict {
    if is_allowed {
        counters.allowed()
    } else {
        counters.refused()
    }
    RateVerdict { is_allowed, tightest: None, retry_after: None, is_degraded: false }
}

#[cfg(test)]
#[path = "tally_shard_tests.rs"]
mod tests;
