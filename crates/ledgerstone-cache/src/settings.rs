//! The settings of a cache: how long, how stale, how much; contradictions are refused with the reason.

use std::time::Duration;

use ledgerstone_core::CacheEntry;
use serde::Deserialize;

use crate::duration_text::{span, span_or_off, text};

/// How a cache behaves; every field has a value that is sound by itself.
///
/// Spans of time are written as `250ms`, `2s`, `1m`, `12h`, `7d`; what may be absent is switched off by `off`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CacheSettings {
    /// The age up to which an entry is fresh.
    #[serde(deserialize_with = "span")]
    pub ttl: Duration,
    /// How long it is known that there is nothing under a key.
    #[serde(deserialize_with = "span")]
    pub negative_ttl: Duration,
    /// The share of the ttl by which it is shortened at random, from 0 to 1, so that what was loaded together
    /// does not end together.
    pub jitter: f64,
    /// The share of the ttl, between 0 and 1, from which a hit begins a load ahead of time.
    pub eager_refresh: Option<f64>,
    /// The age up to which a stale entry is served at once while it is loaded anew.
    #[serde(deserialize_with = "span_or_off")]
    pub stale_while_revalidate: Option<Duration>,
    /// The age up to which a stale entry is served if the load fails or is slow.
    #[serde(deserialize_with = "span_or_off")]
    pub stale_on_error: Option<Duration>,
    /// How long after a failed load a stale entry is served without another.
    #[serde(deserialize_with = "span")]
    pub error_throttle: Duration,
    /// How long a caller who could have a stale entry waits for a load, which goes on without it.
    #[serde(deserialize_with = "span_or_off")]
    pub soft_timeout: Option<Duration>,
    /// How long a load may take at all.
    #[serde(deserialize_with = "span")]
    pub hard_timeout: Duration,
    /// The most that the memory tier holds, in the unit of the weigher: entries, if none is given.
    pub max_weight: u64,
    /// The longest time for which an entry in memory is believed without a word from the other nodes.
    ///
    /// It binds caches with a shared tier (ten seconds if nothing is said), and others where it is set.
    #[serde(deserialize_with = "span_or_off")]
    pub max_staleness: Option<Duration>,
    /// How long a node has the right to load a key alone; off for a load on each node.
    #[serde(deserialize_with = "span_or_off")]
    pub lease: Option<Duration>,
    /// How long a node waits for another one's load before it loads by itself.
    #[serde(deserialize_with = "span")]
    pub lease_wait: Duration,
    /// How long a shared tier that failed is left alone.
    #[serde(deserialize_with = "span")]
    pub shared_rest: Duration,
    /// The version of the values' shape: what another version wrote to the shared tier is not read.
    pub version: u32,
}

impl Default for CacheSettings {
    fn default() -> Self {
        Self {
            ttl: Duration::from_secs(60),
            negative_ttl: Duration::from_secs(10),
            jitter: 0.1,
            eager_refresh: None,
            stale_while_revalidate: None,
            stale_on_error: None,
            error_throttle: Duration::from_secs(1),
            soft_timeout: None,
            hard_timeout: Duration::from_secs(30),
            max_weight: 10_000,
            max_staleness: None,
            lease: None,
            lease_wait: Duration::from_secs(2),
            shared_rest: Duration::from_secs(1),
            version: 1,
        }
    }
}

impl CacheSettings {
    /// The bound of staleness of a cache with a shared tier, where none is set.
    pub const DEFAULT_MAX_STALENESS: Duration = Duration::from_secs(10);

    /// Makes settings with this ttl and nothing else changed.
    pub fn with_ttl(ttl: Duration) -> Self {
        Self { ttl, negative_ttl: Self::default().negative_ttl.min(ttl), ..Self::default() }
    }

    /// Refuses contradictions, with the reason.
    pub fn check(&self) -> Result<(), InvalidCacheSettings> {
        self.check_spans()?;
        self.check_shares()?;
        self.check_stale()
    }

    /// Returns the age from which an entry with this ttl is of no use any more.
    pub(crate) fn life(&self, ttl: Duration) -> Duration {
        let kept = self.stale_while_revalidate.max(self.stale_on_error).unwrap_or_default();
        ttl.max(kept)
    }

    fn check_spans(&self) -> Result<(), InvalidCacheSettings> {
        for (key, value) in [
            ("ttl", self.ttl),
            ("negative_ttl", self.negative_ttl),
            ("hard_timeout", self.hard_timeout),
            ("shared_rest", self.shared_rest),
        ] {
            if value.is_zero() {
                return refuse(key, "it is nothing; give it a span above zero".into());
            }
        }
        let life = self.life(self.ttl.max(self.negative_ttl));
        if life > CacheEntry::MAX_LIFE {
            let key = if self.ttl > CacheEntry::MAX_LIFE { "ttl" } else { "stale_on_error" };
            return refuse(key, format!("{} is above 366 days, the longest life of an entry", text(life)));
        }
        if self.hard_timeout > CacheEntry::MAX_LOAD {
            let reason = format!("{} is above one hour, the longest load", text(self.hard_timeout));
            return refuse("hard_timeout", reason);
        }
        if self.max_weight == 0 {
            return refuse("max_weight", "a cache of nothing is none; give it room for an entry".into());
        }
        if self.max_staleness.is_some_and(|bound| bound.is_zero()) {
            return refuse(
                "max_staleness",
                "nothing could be served from memory; leave it off, or raise it".into(),
            );
        }
        match self.lease {
            Some(lease) if lease < self.hard_timeout => {
                let (lease, hard) = (text(lease), text(self.hard_timeout));
                let reason =
                    format!("{lease} would end before the hard timeout of {hard}, and two would load");
                refuse("lease", reason)
            }
            _ => Ok(()),
        }
    }

    fn check_shares(&self) -> Result<(), InvalidCacheSettings> {
        if !(0.0..=1.0).contains(&self.jitter) {
            return refuse("jitter", format!("{} is not between 0 and 1", self.jitter));
        }
        match self.eager_refresh {
            Some(share) if !(share > 0.0 && share < 1.0) => {
                let reason = format!("{share} is not between 0 and 1, both left out; 0.8 is usual");
                refuse("eager_refresh", reason)
            }
            _ => Ok(()),
        }
    }

    fn check_stale(&self) -> Result<(), InvalidCacheSettings> {
        let stale = [
            ("stale_while_revalidate", self.stale_while_revalidate),
            ("stale_on_error", self.stale_on_error),
        ];
        for (key, age) in stale {
            if age.is_some_and(|age| age < self.ttl) {
                let (age, ttl) = (text(age.unwrap_or_default()), text(self.ttl));
                let reason =
                    format!("{age} is an age, and shorter than the ttl of {ttl}: nothing is stale yet");
                return refuse(key, reason);
            }
        }
        let Some(soft) = self.soft_timeout else { return Ok(()) };
        if soft > self.hard_timeout {
            let reason = format!("{} is above the hard timeout of {}", text(soft), text(self.hard_timeout));
            return refuse("soft_timeout", reason);
        }
        if self.stale_on_error.is_none() {
            let reason = "there is nothing to serve after it without stale_on_error; set that, too";
            return refuse("soft_timeout", reason.into());
        }
        Ok(())
    }
}

fn refuse(key: &'static str, reason: String) -> Result<(), InvalidCacheSettings> {
    Err(InvalidCacheSettings { key, reason })
}

/// Why settings cannot be those of a cache.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {reason}")]
pub struct InvalidCacheSettings {
    /// The setting.
    pub key: &'static str,
    /// What is wrong with it, and what to do.
    pub reason: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        let settings: CacheSettings = serde_json::from_str(text).expect("it can be read");
        settings.check().expect_err("a contradiction").to_string()
    }

    #[test]
    fn what_is_not_said_is_sound() {
        assert_eq!(CacheSettings::default().check(), Ok(()));
        assert_eq!(
            serde_json::from_str::<CacheSettings>("{}").expect("nothing said"),
            CacheSettings::default()
        );
    }

    #[test]
    fn contradictions_are_refused_with_their_reason() {
        let soft = r#"{"soft_timeout":"31s","stale_on_error":"1h"}"#;
        assert_eq!(refused(soft), "soft_timeout: 31s is above the hard timeout of 30s");
        assert!(refused(r#"{"soft_timeout":"1s"}"#).contains("stale_on_error"));
        assert!(
            refused(r#"{"ttl":"1m","stale_on_error":"59s"}"#).starts_with("stale_on_error: 59s is an age")
        );
        assert!(refused(r#"{"eager_refresh":1.0}"#).starts_with("eager_refresh"));
        assert!(refused(r#"{"jitter":1.5}"#).starts_with("jitter"));
        assert!(refused(r#"{"lease":"5s"}"#).contains("two would load"));
        assert!(refused(r#"{"ttl":"0s"}"#).starts_with("ttl"));
        assert!(refused(r#"{"ttl":"400d"}"#).starts_with("ttl"));
        assert!(refused(r#"{"max_weight":0}"#).starts_with("max_weight"));
    }

    #[test]
    fn unknown_settings_and_bare_numbers_are_refused() {
        for wrong in [r#"{"tll":"1s"}"#, r#"{"ttl":60}"#, r#"{"ttl":"1 minute"}"#] {
            assert!(serde_json::from_str::<CacheSettings>(wrong).is_err(), "{wrong}");
        }
    }
}
