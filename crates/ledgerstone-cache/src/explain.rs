//! What is known of one key: where it is, how old, who made it, and why it is not served if it is not.

use std::fmt;
use std::time::Duration;

use ledgerstone_core::{CacheHit, CacheStamp, Tag};
use serde::Serialize;

use crate::cache::Cache;
use crate::slot::{Origin, Slot, Standing, nanos};

/// What a cache knows of a key.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Explanation {
    /// The cache's name.
    pub cache: String,
    /// The key.
    pub key: String,
    /// What is in memory on this node.
    pub memory: Option<EntryReport>,
    /// What is in the shared tier.
    pub shared: Option<EntryReport>,
    /// Why the shared tier has nothing to say, if it has not.
    pub shared_error: Option<String>,
}

/// What is known of an entry in one tier.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EntryReport {
    /// What it is good for, and why for nothing more.
    pub state: String,
    /// Whether it says that there is nothing under the key.
    pub is_absent: bool,
    /// How long ago it was made.
    pub age: Duration,
    /// The age from which it is stale.
    pub fresh_for: Duration,
    /// The age from which it is not read any more.
    pub expires_after: Duration,
    /// By which it is invalidated.
    pub tags: Vec<Tag>,
    /// Who made it, and how long that took; nothing where it does not read back.
    pub origin: Option<Origin>,
    /// Whether it came to memory from the shared tier.
    pub from_shared: bool,
    /// How many invalidations without a position its load knew of.
    pub generation: u64,
    /// Up to where of the log its load knew.
    pub position: Option<String>,
}

impl<T: Send + Sync + 'static> Cache<T> {
    /// Tells where a key is, how old it is, who made it, and why it is stale if it is.
    pub async fn explain(&self, key: &str) -> Explanation {
        let inner = &self.inner;
        let memory = inner.memory.kept(key).map(|slot| self.report_slot(key, &slot));
        let (mut shared, mut shared_error) = (None, None);
        if let Some((tier, codec)) = &inner.shared {
            match tier.read(&[key]).await {
                Some(read) => {
                    let version = inner.settings.version;
                    let report = |hit| report_hit(hit, |bytes| Some((codec.decode)(version, bytes)?.origin));
                    shared = read.found.into_iter().next().flatten().map(report);
                }
                None => {
                    let error = tier.health().last_error;
                    shared_error = error.or_else(|| Some("it has yet to be told of invalidations".into()));
                }
            }
        }
        Explanation { cache: inner.name.to_string(), key: key.to_owned(), memory, shared, shared_error }
    }

    fn report_slot(&self, key: &str, slot: &Slot<T>) -> EntryReport {
        let memory = &self.inner.memory;
        let now = memory.now();
        let state = if !memory.is_valid(key, slot) {
            "invalidated after its load had begun"
        } else if !memory.is_trusted(slot, now) {
            "not believed: no news for longer than max_staleness, or a gap in them"
        } else {
            state_of(slot.standing(now, memory.ages()))
        };
        EntryReport {
            state: state.into(),
            is_absent: slot.value.is_none(),
            age: Duration::from_nanos(slot.age(now)),
            fresh_for: Duration::from_nanos(slot.stale_at.saturating_sub(slot.made_at)),
            expires_after: Duration::from_nanos(slot.gone_at.saturating_sub(slot.made_at)),
            tags: slot.tags.clone(),
            origin: Some(slot.origin.clone()),
            from_shared: slot.from_shared,
            generation: slot.stamp.generation,
            position: position_of(slot.stamp),
        }
    }
}

fn state_of(standing: Standing) -> &'static str {
    match standing {
        Standing::Fresh => "fresh",
        Standing::Eager => "fresh, and loaded ahead of its end when it is next asked for",
        Standing::Revalidating => "stale by age, and served while it is loaded anew",
        Standing::Resting => "stale by age, and served since a load failed a moment ago",
        Standing::Spare => "stale by age, and served only if a load fails or is slow",
        Standing::Gone => "expired",
    }
}

fn position_of(stamp: CacheStamp) -> Option<String> {
    stamp.log.map(|point| point.to_string())
}

fn report_hit(hit: CacheHit, origin: impl Fn(&[u8]) -> Option<Origin>) -> EntryReport {
    let stamp = hit.entry.stamp.unwrap_or_default();
    let origin = origin(&hit.entry.value);
    let is_stale = nanos(hit.age) >= nanos(hit.entry.fresh_for);
    let state = match (&origin, is_stale) {
        (None, _) => "does not read back: of another version, or damaged",
        (_, true) => "stale by age",
        (_, false) => "fresh",
    };
    EntryReport {
        state: state.into(),
        is_absent: false,
        age: hit.age,
        fresh_for: hit.entry.fresh_for,
        expires_after: hit.entry.expires_after,
        tags: hit.entry.tags,
        origin,
        from_shared: true,
        generation: stamp.generation,
        position: position_of(stamp),
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} in the cache {}", self.key, self.cache)?;
        let mut tier = |name: &str, report: &Option<EntryReport>| match report {
            Some(report) => writeln!(f, "{name}: {report}"),
            None => writeln!(f, "{name}: nothing"),
        };
        tier("memory", &self.memory)?;
        match &self.shared_error {
            Some(error) => writeln!(f, "shared: {error}"),
            None => tier("shared", &self.shared),
        }
    }
}

impl fmt::Display for EntryReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}; {:?} old, fresh for {:?}, kept for {:?}",
            self.state, self.age, self.fresh_for, self.expires_after
        )?;
        match &self.origin {
            Some(Origin::Loader { node, took_ms }) => write!(f, "; loaded by {node} in {took_ms} ms")?,
            Some(Origin::Set { node }) => write!(f, "; set by {node}")?,
            None => {}
        }
        if !self.tags.is_empty() {
            let tags: Vec<_> = self.tags.iter().map(Tag::as_str).collect();
            write!(f, "; tags {}", tags.join(", "))?;
        }
        write!(f, "; stamp {}", self.generation)?;
        self.position.as_ref().map_or(Ok(()), |position| write!(f, " at {position}"))
    }
}
