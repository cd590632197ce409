//! Where a key stands, as a person reads it: `limits explain KEY`.

use std::fmt;

use ledgerstone_core::{RateOverride, RateState};

use super::rule_text::per_text;

/// Where a key stands under each rule, and what binds it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RateReport {
    /// The limiter.
    pub limiter: String,
    /// The key.
    pub key: String,
    /// Where it stands under each rule that binds it.
    pub states: Vec<RateState>,
    /// What binds it instead of the common rules.
    pub overridden: Option<RateOverride>,
    /// Among how many nodes this one enforces its share, if the shared store is lost.
    pub share_of: Option<u32>,
}

impl RateReport {
    pub(crate) fn new(
        limiter: &str,
        key: &str,
        states: Vec<RateState>,
        overridden: Option<RateOverride>,
    ) -> Self {
        Self { limiter: limiter.to_owned(), key: key.to_owned(), states, overridden, share_of: None }
    }
}

impl fmt::Display for RateReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} of limiter {}", self.key, self.limiter)?;
        let binding = match &self.overridden {
            None => "the common rules",
            Some(RateOverride::Rules(_)) => "an override",
            Some(RateOverride::Unlimited) => "an override: it is unlimited",
            Some(RateOverride::Blocked) => "an override: it is blocked",
        };
        writeln!(f, "  bound by  {binding}")?;
        for state in &self.states {
            let rule = &state.rule;
            write!(f, "  {}  {}/{} {}", rule.name, rule.limit, per_text(rule.per), rule.algorithm.as_str())?;
            if let Some(burst) = rule.burst {
                write!(f, ", burst {burst}")?;
            }
            write!(f, ": {} of {} left", state.remaining, rule.most_at_once())?;
            if state.resets_in.is_zero() {
                writeln!(f, ", which is all")?;
            } else {
                writeln!(f, ", all again in {:?}", state.resets_in)?;
            }
        }
        match self.share_of {
            None => Ok(()),
            Some(nodes) => {
                writeln!(
                    f,
                    "  degraded: the shared store is lost, and this node enforces 1/{nodes} of each rule"
                )
            }
        }
    }
}
