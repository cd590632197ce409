//! The limits of a configuration: rules by limiter, written as text or as tables.

use std::fmt;
use std::time::Duration;

use ledgerstone_core::{RateAlgorithm, RateRule};
use serde::de::{Error, MapAccess, Visitor, value::MapAccessDeserializer};
use serde::{Deserialize, Deserializer};

use super::invalid_rule::InvalidRule;
use super::rule_set::RuleSet;
use super::rule_text::{name_of, parse_algorithm, parse_per, parse_rule, unknown};

/// One limiter of a configuration.
///
/// ```toml
/// [limits.api]
/// rules = ["100/s", "10000/d burst 500 gcra"]
/// shared = true
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RateSettings {
    /// The rules, all of which bind each key: `100/s`, or `{ limit = 100, per = "1s" }`.
    #[serde(deserialize_with = "rules")]
    pub rules: Vec<RateRule>,
    /// Whether all nodes share what a key has, in the shared store.
    #[serde(default)]
    pub shared: bool,
    /// How many keys this node remembers.
    #[serde(default = "max_keys")]
    pub max_keys: usize,
}

impl RateSettings {
    /// Makes the settings of a limiter of this process.
    pub fn local(rules: Vec<RateRule>) -> Self {
        Self { rules, shared: false, max_keys: max_keys() }
    }

    /// Checks the rules, alone and together.
    pub fn check(&self) -> Result<(), InvalidRule> {
        RuleSet::new(&self.rules, None).map(|_| ())
    }
}

fn max_keys() -> usize {
    super::local_rate_limiter::LocalRateLimiter::MAX_KEYS
}

/// Reads a rule such as `100/s`, `10000/d burst 500 gcra` or `5/10s fixed_window as logins`, and checks it.
pub fn parse_rate_rule(text: &str) -> Result<RateRule, InvalidRule> {
    let rule = parse_rule(text)?;
    RuleSet::new(std::slice::from_ref(&rule), None)?;
    Ok(rule)
}

fn rules<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<RateRule>, D::Error> {
    let written = Vec::<Written>::deserialize(deserializer)?;
    let rules: Vec<_> = written.into_iter().map(|written| written.0).collect();
    RuleSet::new(&rules, None).map_err(D::Error::custom)?;
    Ok(rules)
}

/// A rule in either writing.
struct Written(RateRule);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    limit: u32,
    per: String,
    burst: Option<u32>,
    algorithm: Option<String>,
    name: Option<String>,
}

impl Table {
    fn rule(self) -> Result<RateRule, String> {
        let per: Option<Duration> = parse_per(&self.per);
        let per = per.ok_or_else(|| format!("`{}` is no time; write it like `1s` or `1d`", self.per))?;
        let algorithm = match self.algorithm.as_deref() {
            None => RateAlgorithm::Gcra,
            Some(name) => parse_algorithm(name).ok_or_else(|| unknown(name))?,
        };
        let name = self.name.unwrap_or_else(|| name_of(&self.per));
        Ok(RateRule { name, limit: self.limit, per, burst: self.burst, algorithm })
    }
}

impl<'de> Deserialize<'de> for Written {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Not an untagged enum: its errors only say that nothing fits.
        struct Either;

        impl<'de> Visitor<'de> for Either {
            type Value = Written;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a rule, as `100/s` or as a table with `limit` and `per`")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Written, E> {
                parse_rule(text).map(Written).map_err(E::custom)
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Written, A::Error> {
                let table = Table::deserialize(MapAccessDeserializer::new(map))?;
                table.rule().map(Written).map_err(A::Error::custom)
            }
        }

        deserializer.deserialize_any(Either)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<RateSettings, String> {
        toml::from_str(text).map_err(|error| error.to_string())
    }

    #[test]
    fn rules_are_written_as_text_or_as_tables() {
        let text = r#"rules = ["100/s", { limit = 10000, per = "1d", burst = 500, algorithm = "gcra" }]"#;
        let settings = read(text).unwrap();
        assert_eq!(settings.rules, [parse_rule("100/s").unwrap(), parse_rule("10000/d burst 500").unwrap()]);
        assert!(!settings.shared);
    }

    #[test]
    fn what_is_wrong_is_said_where_it_stands() {
        for (text, why) in [
            (r#"rules = []"#, "0 rules"),
            (r#"rules = ["fast"]"#, "begin like `100/s`"),
            (r#"rules = ["0/s"]"#, "allows nothing"),
            (r#"rules = ["1/s", "2/s"]"#, "two rules are called per_second"),
            (r#"rules = ["1/s burst 5 fixed_window"]"#, "knows no burst"),
            (r#"rules = [5]"#, "a rule, as `100/s`"),
            (r#"rules = [{ limit = 5 }]"#, "per"),
            (r#"rules = [{ limit = 5, per = "soon" }]"#, "`soon` is no time"),
            (r#"rules = [{ limit = 5, per = "1s", bursts = 1 }]"#, "bursts"),
            ("rules = [\"1/s\"]\nshard = true", "shard"),
        ] {
            let refused = read(text).unwrap_err();
            assert!(refused.contains(why), "{text}: {refused}");
        }
    }
}
