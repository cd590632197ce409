//! The rules that bind a key together: taken from all of them, or from none.

use std::sync::Arc;
use std::time::Duration;

use ledgerstone_core::{BackendError, ErrorKind, RateRule, RateState, RateVerdict};

use super::invalid_rule::InvalidRule;
use super::limit_counters::LimitCounters;
use super::meter::Meter;
use super::tally::Tally;

/// Rules that are checked and ready, with their counters.
#[derive(Debug, Clone)]
pub(crate) struct RuleSet {
    bound: Vec<Bound>,
}

#[derive(Debug, Clone)]
struct Bound {
    rule: Arc<RateRule>,
    meter: Meter,
    counters: LimitCounters,
}

/// The tallies of one key, in the order of its rules; most keys have one rule, which needs no list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Tallies {
    first: Tally,
    rest: Box<[Tally]>,
}

impl Tallies {
    /// Makes the tallies of a key that has everything.
    pub(crate) fn for_rules(count: usize) -> Self {
        let rest = vec![Tally::default(); count.saturating_sub(1)];
        Self { first: Tally::default(), rest: rest.into_boxed_slice() }
    }

    #[inline]
    fn get(&self, index: usize) -> Tally {
        if index == 0 { self.first } else { self.rest.get(index - 1).copied().unwrap_or_default() }
    }

    #[inline]
    fn set(&mut self, index: usize, tally: Tally) {
        if index == 0 {
            self.first = tally;
        } else if let Some(place) = self.rest.get_mut(index - 1) {
            *place = tally;
        }
    }
}

impl RuleSet {
    /// Checks the rules; a limiter with a name counts what it decides.
    pub(crate) fn new(rules: &[RateRule], counted_as: Option<&str>) -> Result<Self, InvalidRule> {
        if !(1..=RateRule::MAX_RULES).contains(&rules.len()) {
            return Err(InvalidRule::Count { count: rules.len() });
        }
        for (index, rule) in rules.iter().enumerate() {
            if rules[..index].iter().any(|other| other.name == rule.name) {
                return Err(InvalidRule::Twice { rule: rule.name.clone() });
            }
        }
        let bound = rules.iter().map(|rule| {
            let counters = LimitCounters::of(counted_as, &rule.name);
            Ok(Bound { rule: Arc::new(rule.clone()), meter: Meter::of(rule)?, counters })
        });
        Ok(Self { bound: bound.collect::<Result<_, InvalidRule>>()? })
    }

    /// Counts under one name whatever the rules are called, as an override may call them anything.
    pub(crate) fn new_override(rules: &[RateRule], counted_as: Option<&str>) -> Result<Self, InvalidRule> {
        let mut set = Self::new(rules, None)?;
        for bound in &mut set.bound {
            bound.counters = LimitCounters::of(counted_as, "override");
        }
        Ok(set)
    }

    /// Returns the same rules behind counts of references of their own.
    ///
    /// A verdict shares its rule; threads that all counted on one place would wait for one another.
    pub(crate) fn apart(&self) -> Self {
        let apart = |bound: &Bound| Bound { rule: Arc::new(RateRule::clone(&bound.rule)), ..bound.clone() };
        Self { bound: self.bound.iter().map(apart).collect() }
    }

    /// Returns how many rules there are.
    pub(crate) fn len(&self) -> usize {
        self.bound.len()
    }

    /// Returns the rules.
    pub(crate) fn rules(&self) -> impl Iterator<Item = &RateRule> {
        self.bound.iter().map(|bound| &*bound.rule)
    }

    /// Refuses a cost that no waiting will make room for.
    #[inline]
    pub(crate) fn check_cost(&self, cost: u32) -> Result<(), BackendError> {
        match self.bound.iter().find(|bound| cost > bound.rule.most_at_once()) {
            None => Ok(()),
            Some(bound) => Err(too_much(cost, &bound.rule)),
        }
    }

    /// Takes the cost from every rule or from none; `share` is by how much more it weighs here.
    ///
    /// A cost that weighs more than a rule can have at once asks for all of it, or it would never pass.
    #[inline]
    pub(crate) fn take(&self, tallies: &mut Tallies, now: u64, cost: u32, share: u32) -> RateVerdict {
        let weighs = |bound: &Bound| {
            let weight = u64::from(cost) * u64::from(share);
            weight.min(u64::from(bound.rule.most_at_once()))
        };
        let mut longest: Option<(usize, u64)> = None;
        let mut taken = Tally::default();
        for (index, bound) in self.bound.iter().enumerate() {
            match bound.meter.take(tallies.get(index), now, weighs(bound)) {
                Ok(tally) => taken = tally,
                Err(wait) if longest.is_none_or(|(_, other)| wait > other) => longest = Some((index, wait)),
                Err(_) => {}
            }
        }
        if let Some((index, wait)) = longest {
            return self.refused(tallies, now, share, (index, wait));
        }
        if self.bound.len() == 1 {
            tallies.set(0, taken);
        } else {
            for (index, bound) in self.bound.iter().enumerate() {
                if let Ok(tally) = bound.meter.take(tallies.get(index), now, weighs(bound)) {
                    tallies.set(index, tally);
                }
            }
        }
        let remaining = |index: &usize| self.bound[*index].meter.remaining(tallies.get(*index), now);
        let tightest =
            if self.bound.len() == 1 { 0 } else { (0..self.len()).min_by_key(remaining).unwrap_or(0) };
        self.bound[tightest].counters.allowed();
        RateVerdict {
            is_allowed: true,
            tightest: Some(self.state(tallies, now, share, tightest)),
            retry_after: None,
            is_degraded: false,
        }
    }

    fn refused(&self, tallies: &Tallies, now: u64, share: u32, longest: (usize, u64)) -> RateVerdict {
        let (index, wait) = longest;
        self.bound[index].counters.refused();
        RateVerdict {
            is_allowed: false,
            tightest: Some(self.state(tallies, now, share, index)),
            retry_after: Some(Duration::from_micros(wait)),
            is_degraded: false,
        }
    }

    #[inline]
    fn state(&self, tallies: &Tallies, now: u64, share: u32, index: usize) -> RateState {
        let Bound { rule, meter, .. } = &self.bound[index];
        let tally = tallies.get(index);
        RateState {
            rule: Arc::clone(rule),
            remaining: meter.remaining(tally, now) / share.max(1),
            resets_in: Duration::from_micros(meter.resets_in(tally, now)),
        }
    }

    /// Returns where the tallies stand under each rule.
    pub(crate) fn states(&self, tallies: &Tallies, now: u64, share: u32) -> Vec<RateState> {
        (0..self.len()).map(|index| self.state(tallies, now, share, index)).collect()
    }

    /// Returns how long until the key has everything again, and may be forgotten.
    pub(crate) fn resets_in(&self, tallies: &Tallies, now: u64) -> u64 {
        let each = self.bound.iter().enumerate();
        each.map(|(index, bound)| bound.meter.resets_in(tallies.get(index), now)).max().unwrap_or(0)
    }

    /// Makes the tallies of a key of which another limiter says what it has left.
    pub(crate) fn mirrored(&self, states: &[RateState], now: u64) -> Tallies {
        let mut tallies = Tallies::for_rules(self.len());
        for (index, bound) in self.bound.iter().enumerate() {
            if let Some(state) = states.iter().find(|state| *state.rule == *bound.rule) {
                tallies.set(index, bound.meter.with_remaining(state.remaining, now));
            }
        }
        tallies
    }

    /// Carries tallies over from other rules: those of rules that are the same stand, the others begin anew.
    pub(crate) fn carried(&self, from: &Self, tallies: &Tallies) -> Tallies {
        let mut carried = Tallies::for_rules(self.len());
        for (index, bound) in self.bound.iter().enumerate() {
            if let Some(same) = from.bound.iter().position(|other| other.rule == bound.rule) {
                carried.set(index, tallies.get(same));
            }
        }
        carried
    }
}

/// The error for a cost that a rule can never have room for.
pub(crate) fn too_much(cost: u32, rule: &RateRule) -> BackendError {
    let most = rule.most_at_once();
    let message = format!(
        "a cost of {cost} is above the {most} that rule {} can ever have at once; ask for less, or raise the rule",
        rule.name
    );
    BackendError::new(ErrorKind::Invalid, "rate_limit", "take", message)
}

/// Refuses a key that is empty or too long.
#[inline]
pub(crate) fn check_key(key: &str) -> Result<(), BackendError> {
    if (1..=RateRule::MAX_KEY_BYTES).contains(&key.len()) {
        return Ok(());
    }
    let most = RateRule::MAX_KEY_BYTES;
    let message = format!("a key is 1 to {most} bytes, and this one is {}; shorten or hash it", key.len());
    Err(BackendError::new(ErrorKind::Invalid, "rate_limit", "take", message))
}
