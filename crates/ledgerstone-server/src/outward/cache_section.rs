//! A cache in the configuration: how it behaves, whether nodes share it, and which events make it untrue.

use ledgerstone::cache::{Cache, CacheInvalidator, CacheSettings};
use ledgerstone::core::{CacheTarget, EventType, InvalidName, LogKind, RecordedEvent, Tag};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use super::event_template::EventTemplate;
use super::stored_value::StoredValue;

/// A section `[caches.NAME]`: the keys of [`CacheSettings`], `shared` and `invalidate_on`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct CacheSection {
    /// How the cache behaves.
    pub(crate) settings: CacheSettings,
    /// Whether all nodes share what it holds, in Redis.
    pub(crate) shared: bool,
    /// Which events make entries untrue.
    pub(crate) invalidate_on: Vec<InvalidateOn>,
}

impl<'de> Deserialize<'de> for CacheSection {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut table = toml::Table::deserialize(deserializer)?;
        let shared = match table.remove("shared") {
            None => false,
            Some(value) => value.try_into().map_err(|_| D::Error::custom("shared is true or false"))?,
        };
        let invalidate_on = match table.remove("invalidate_on") {
            None => Vec::new(),
            Some(value) => value.try_into::<Vec<InvalidateOn>>().map_err(D::Error::custom)?,
        };
        let weighs = table.contains_key("max_weight");
        let mut settings: CacheSettings = toml::Value::Table(table).try_into().map_err(D::Error::custom)?;
        if !weighs {
            // Here the weight is in bytes.
            settings.max_weight = 64 * 1024 * 1024;
        }
        Ok(Self { settings, shared, invalidate_on })
    }
}

impl CacheSection {
    /// Lets the events of the section invalidate its cache.
    pub(crate) fn follow(
        &self,
        invalidator: CacheInvalidator,
        cache: &Cache<StoredValue>,
    ) -> Result<CacheInvalidator, InvalidName> {
        self.invalidate_on.iter().try_fold(invalidator, |invalidator, rule| {
            let (rule, event_type) = (rule.clone(), rule.event_type.clone());
            invalidator.invalidate_on(cache, event_type, move |event| rule.targets(event))
        })
    }
}

/// A rule: events of a type make these entries untrue.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct InvalidateOn {
    /// The type of the events.
    #[serde(rename = "type", deserialize_with = "event_type")]
    event_type: EventType,
    /// The keys, such as `user:{id}`.
    #[serde(default, deserialize_with = "templates")]
    keys: Vec<EventTemplate>,
    /// The tags.
    #[serde(default, deserialize_with = "templates")]
    tags: Vec<EventTemplate>,
    /// The beginnings of keys.
    #[serde(default, deserialize_with = "templates")]
    prefixes: Vec<EventTemplate>,
}

impl InvalidateOn {
    /// Returns what an event makes untrue: everything, where a gap cannot be filled or no target is named, since an
    /// entry that stays though it is untrue is worse than one that is loaded again.
    pub(crate) fn targets(&self, event: &RecordedEvent) -> Vec<CacheTarget> {
        let keys = self.keys.iter().map(|key| key.fill(event).map(CacheTarget::Key));
        let prefixes = self.prefixes.iter().map(|prefix| prefix.fill(event).map(CacheTarget::Prefix));
        let tag = |template: &EventTemplate| Tag::new(template.fill(event)?).ok().map(CacheTarget::Tag);
        let all = keys.chain(self.tags.iter().map(tag)).chain(prefixes);
        match all.collect::<Option<Vec<_>>>() {
            Some(targets) if !targets.is_empty() => targets,
            _ => vec![CacheTarget::All],
        }
    }
}

/// Reads a type of the application's events: system events have positions of their own.
fn event_type<'de, D: Deserializer<'de>>(deserializer: D) -> Result<EventType, D::Error> {
    let event_type = EventType::new(String::deserialize(deserializer)?).map_err(D::Error::custom)?;
    match event_type.log() {
        LogKind::Application => Ok(event_type),
        LogKind::System => {
            Err(D::Error::custom(format!("{event_type} is a system event; name one of yours")))
        }
    }
}

fn templates<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<EventTemplate>, D::Error> {
    let texts = Vec::<String>::deserialize(deserializer)?;
    texts.iter().map(|text| EventTemplate::parse(text).map_err(D::Error::custom)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn read(text: &str) -> Result<CacheSection, toml::de::Error> {
        toml::from_str(text)
    }

    #[test]
    fn a_section_has_the_keys_of_a_cache_and_two_more() {
        let section =
            read("ttl = '5m'\nshared = true\n[[invalidate_on]]\ntype = 'UserMoved'\nkeys = ['user:{id}']");
        let section = section.expect("a section");
        assert!(section.shared);
        assert_eq!(section.settings.ttl, Duration::from_secs(300));
        assert_eq!(section.settings.max_weight, 64 * 1024 * 1024);
        assert_eq!(section.invalidate_on.len(), 1);
    }

    #[test]
    fn mistakes_are_told() {
        for (text, told) in [
            ("tttl = '5m'", "tttl"),
            ("shared = 1", "shared is true or false"),
            ("[[invalidate_on]]\ntype = 'A'\nkeys = ['{x}']", "there are {stream}"),
            ("[[invalidate_on]]\ntype = 'A'\nkey = 'a'", "unknown field `key`"),
        ] {
            let error = read(text).expect_err(text).to_string();
            assert!(error.contains(told), "{text}: {error}");
        }
    }
}
