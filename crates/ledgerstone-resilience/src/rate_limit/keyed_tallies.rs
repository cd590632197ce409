//! The tallies of many keys, in shards, in a bounded amount of memory.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use ledgerstone_core::{BackendError, Clock, ErrorKind, RateOverride, RateRule, RateState, RateVerdict};
use parking_lot::{Mutex, RwLock};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::invalid_rule::InvalidRule;
use super::limit_counters::LimitCounters;
use super::local_time::LocalTime;
use super::rule_set::{RuleSet, check_key};
use super::tally_shard::{Entry, HashedKey, Overridden, Shard};

/// More shards than cores, so that two threads seldom meet at one.
const SHARDS: usize = 64;
/// Fewer keys than this are not worth a shard, and a small bound is kept exactly.
const KEYS_OF_A_SHARD: usize = 64;

/// Every key's tallies.
///
/// A key that has everything again is forgotten as new ones come. If there are too many that have not,
/// the one of eight that will have everything soonest is forgotten: the one that gains least by it.
/// A key with an override is kept until the override is lifted.
pub(crate) struct KeyedTallies {
    time: LocalTime,
    /// Drawn for each limiter, so that nobody can choose keys that meet in one place.
    seed: u64,
    shards: Box<[Padded]>,
    common: RwLock<Arc<RuleSet>>,
    name: Option<String>,
    max_keys: usize,
}

/// A shard with a cache line of its own, or its neighbours' locks would slow it down.
#[repr(align(128))]
struct Padded(Mutex<Shard>);

impl KeyedTallies {
    /// Makes room for `max_keys`; a limiter with a name counts what it decides.
    pub(crate) fn new(
        rules: &[RateRule],
        name: Option<String>,
        max_keys: usize,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, InvalidRule> {
        let common = Arc::new(RuleSet::new(rules, name.as_deref())?);
        let shards = (max_keys / KEYS_OF_A_SHARD).clamp(1, SHARDS);
        // A power of two, so that a mask finds the shard.
        let shards = 1 << shards.ilog2();
        let of_a_shard = max_keys.div_ceil(shards).max(1);
        let unbound = LimitCounters::of(name.as_deref(), "override");
        let shard = || Padded(Mutex::new(Shard::new(Arc::clone(&common), of_a_shard, unbound.clone())));
        Ok(Self {
            time: LocalTime::new(clock),
            seed: RandomState::new().hash_one(0),
            shards: (0..shards).map(|_| shard()).collect(),
            common: RwLock::new(common),
            name,
            max_keys: max_keys.max(1),
        })
    }

    /// Returns the rules that bind keys without an override.
    pub(crate) fn rules(&self) -> Vec<RateRule> {
        self.common.read().rules().cloned().collect()
    }

    /// Returns how many keys are remembered.
    pub(crate) fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.0.lock().len()).sum()
    }

    /// Takes a cost that weighs `share` times as much.
    #[inline]
    pub(crate) fn take(&self, key: &str, cost: u32, share: u32) -> Result<RateVerdict, BackendError> {
        check_key(key)?;
        let (key, shard) = self.find(key);
        let now = self.time.now();
        let mut shard = shard.lock();
        shard.take(key, now, cost, share)
    }

    /// Returns where a key stands, where a cost weighs `share` times as much.
    pub(crate) fn states(&self, key: &str, share: u32) -> Result<Vec<RateState>, BackendError> {
        check_key(key)?;
        let (key, shard) = self.find(key);
        let now = self.time.now();
        Ok(shard.lock().states(key, now, share))
    }

    /// Returns what binds the key instead of the common rules.
    pub(crate) fn override_of(&self, key: &str) -> Option<RateOverride> {
        let (key, shard) = self.find(key);
        shard.lock().override_of(key)
    }

    /// Lets other rules bind a key, or the common ones again.
    pub(crate) fn set_override(&self, key: &str, rules: Option<&RateOverride>) -> Result<(), BackendError> {
        check_key(key)?;
        let overridden = rules.map(|rules| self.overridden(rules)).transpose()?;
        let (key, shard) = self.find(key);
        let now = self.time.now();
        if shard.lock().set_override(key, overridden, now) {
            return Ok(());
        }
        let message = format!(
            "there is room for {} keys, and too many of them have an override; lift some, or raise max_keys",
            self.max_keys
        );
        Err(BackendError::new(ErrorKind::Invalid, "rate_limit", "set_override", message))
    }

    fn overridden(&self, rules: &RateOverride) -> Result<Overridden, InvalidRule> {
        Ok(match rules {
            RateOverride::Unlimited => Overridden::Unlimited,
            RateOverride::Blocked => Overridden::Blocked,
            RateOverride::Rules(rules) => {
                Overridden::Rules(Arc::new(RuleSet::new_override(rules, self.name.as_deref())?))
            }
        })
    }

    /// Gives a key everything back.
    pub(crate) fn reset(&self, key: &str) -> Result<(), BackendError> {
        check_key(key)?;
        let (key, shard) = self.find(key);
        shard.lock().reset(key);
        Ok(())
    }

    /// Lets a key stand where another limiter says that it stands.
    pub(crate) fn mirror(&self, key: &str, rules: Option<&RateOverride>, states: &[RateState]) {
        // Only a change is worth checking the rules of an override again.
        if self.override_of(key).as_ref() != rules && self.set_override(key, rules).is_err() {
            return;
        }
        let (key, shard) = self.find(key);
        let now = self.time.now();
        shard.lock().mirror(key, states, now);
    }

    /// Lets other rules bind every key without an override; tallies of rules that are the same stand.
    pub(crate) fn set_rules(&self, rules: &[RateRule]) -> Result<(), InvalidRule> {
        let common = Arc::new(RuleSet::new(rules, self.name.as_deref())?);
        let mut current = self.common.write();
        for shard in &self.shards {
            shard.0.lock().set_rules(Arc::clone(&common));
        }
        *current = common;
        Ok(())
    }

    #[inline]
    fn find<'a>(&self, key: &'a str) -> (HashedKey<'a>, &Mutex<Shard>) {
        let hash = xxh3_64_with_seed(key.as_bytes(), self.seed);
        // The table within a shard goes by the low bits.
        let index = usize::try_from(hash >> 48).unwrap_or_default() & (self.shards.len() - 1);
        (HashedKey { hash, text: key }, &self.shards[index].0)
    }
}

impl fmt::Debug for KeyedTallies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyedTallies")
            .field("rules", &self.rules())
            .field("max_keys", &self.max_keys)
            .finish_non_exhaustive()
    }
}

const _: () = assert!(size_of::<Entry>() <= 64, "a key costs more memory than was meant");
