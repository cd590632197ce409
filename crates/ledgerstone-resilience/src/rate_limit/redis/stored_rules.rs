//! Rules as the script reads them: what was written, and the numbers worked out.

use std::time::Duration;

use ledgerstone_core::{BackendError, ErrorKind, RateOverride, RateRule};
use serde::{Deserialize, Serialize};

use crate::rate_limit::invalid_rule::InvalidRule;
use crate::rate_limit::meter::Meter;
use crate::rate_limit::rule_set::RuleSet;
use crate::rate_limit::rule_text::parse_algorithm;
use crate::rate_limit::scale::micros;

/// What binds a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(super) enum StoredRules {
    Unlimited,
    Blocked,
    Rules { rules: Vec<StoredRule> },
}

/// A rule, and the numbers of its algorithm; those it does not need are 0.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct StoredRule {
    name: String,
    /// The algorithm.
    kind: String,
    limit: u64,
    per_micros: u64,
    burst: Option<u32>,
    /// Under which its tally is kept: rules that differ in anything count apart.
    id: String,
    most: u32,
    tick: u64,
    per: u64,
    token: u64,
    refill: u64,
    room: u64,
    parts: u64,
    step: u64,
    whole: u64,
    rest: u64,
    ahead: u64,
    ahead_rest: u64,
}

impl StoredRules {
    /// Checks rules and works out their numbers.
    pub(super) fn of(rules: &[RateRule]) -> Result<Self, InvalidRule> {
        RuleSet::new(rules, None)?;
        let rules = rules.iter().map(StoredRule::of).collect::<Result<_, _>>()?;
        Ok(Self::Rules { rules })
    }

    /// Checks an override and works out its numbers.
    pub(super) fn of_override(rules: &RateOverride) -> Result<Self, InvalidRule> {
        match rules {
            RateOverride::Unlimited => Ok(Self::Unlimited),
            RateOverride::Blocked => Ok(Self::Blocked),
            RateOverride::Rules(rules) => Self::of(rules),
        }
    }

    /// Writes the rules for the script.
    pub(super) fn to_json(&self) -> Result<String, BackendError> {
        serde_json::to_string(self).map_err(|error| {
            BackendError::new(ErrorKind::Internal, "redis", "rules", "the rules cannot be written as JSON")
                .with_source(error)
        })
    }

    /// Reads an override that a node has stored.
    pub(super) fn override_of(json: &str) -> Result<RateOverride, BackendError> {
        let stored: Self = serde_json::from_str(json).map_err(|error| corrupt().with_source(error))?;
        match stored {
            Self::Unlimited => Ok(RateOverride::Unlimited),
            Self::Blocked => Ok(RateOverride::Blocked),
            Self::Rules { rules } => {
                let rules = rules.iter().map(StoredRule::rule).collect::<Option<_>>();
                rules.map(RateOverride::Rules).ok_or_else(corrupt)
            }
        }
    }
}

fn corrupt() -> BackendError {
    let message = "a stored override does not read back; set it anew";
    BackendError::new(ErrorKind::Corrupt, "redis", "take", message)
}

impl StoredRule {
    fn of(rule: &RateRule) -> Result<Self, InvalidRule> {
        let per_micros = micros(rule.per);
        let kind = rule.algorithm.as_str().to_owned();
        let most = rule.most_at_once();
        let stored = Self {
            id: format!("{}:{kind}:{}:{per_micros}:{most}", rule.name, rule.limit),
            name: rule.name.clone(),
            kind,
            limit: u64::from(rule.limit),
            per_micros,
            burst: rule.burst,
            most,
            tick: 1,
            per: per_micros,
            ..Self::default()
        };
        Ok(match Meter::of(rule)? {
            Meter::FixedWindow(_) => stored,
            Meter::SlidingWindow(meter) => Self { tick: meter.scale.tick, per: meter.scale.per, ..stored },
            Meter::TokenBucket(meter) => Self {
                tick: meter.scale.tick,
                per: meter.scale.per,
                token: meter.token,
                refill: meter.refill,
                room: meter.room,
                ..stored
            },
            Meter::Gcra(meter) => Self {
                tick: meter.scale.tick,
                per: meter.scale.per,
                parts: meter.parts,
                step: meter.step.get(),
                whole: meter.whole,
                rest: meter.rest,
                ahead: meter.ahead,
                ahead_rest: meter.ahead_rest,
                ..stored
            },
        })
    }

    fn rule(&self) -> Option<RateRule> {
        Some(RateRule {
            name: self.name.clone(),
            limit: u32::try_from(self.limit).ok()?,
            per: Duration::from_micros(self.per_micros),
            burst: self.burst,
            algorithm: parse_algorithm(&self.kind)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rate_limit::rule_text::parse_rule;

    #[test]
    fn an_override_reads_back_as_it_was_set() {
        let rules = ["100/s burst 7 token_bucket", "3/h fixed_window", "9/m sliding_window", "7/d"];
        let rules = rules.map(|text| parse_rule(text).unwrap()).to_vec();
        for set in [RateOverride::Unlimited, RateOverride::Blocked, RateOverride::Rules(rules)] {
            let json = StoredRules::of_override(&set).unwrap().to_json().unwrap();
            assert_eq!(StoredRules::override_of(&json).unwrap(), set);
        }
        assert_eq!(StoredRules::override_of("{}").unwrap_err().kind(), ErrorKind::Corrupt);
    }
}
