//! The rules that bind a key together: taken from all of them, or from none.

use std::time::Duration;

use ledgerstone_core::{BackendError, ErrorKind, RateRule, RateState, RateVerdict};

use super::invalid_rule::InvalidRule;
use super::limit_counters::LimitCounters;
use super::meter::Meter;
use super::shared_rule::SharedRule;
use super::tally::Tally;

/// Rules that are checked and ready, with their counters.
#[derive(Debug)]
pub(crate) struct RuleSet {
    bound: Box<[Bound]>,
}

#[derive(Debug)]
struct Bound {
    rule: SharedRule,
    meter: Meter,
    most_at_once: u32,
    counters: LimitCounters,
}

impl Bound {
    /// Returns what a cost weighs: one that is more than can be had at once asks for all of it.
    #[inline]
    fn weight(&self, cost: u32, share: u32) -> u64 {
        (u64::from(cost) * u64::from(share)).min(u64::from(self.most_at_once))
    }

    #[inline]
    fn state(&self, tally: Tally, now: u64, share: u32) -> RateState {
        let (remaining, resets_in) = self.meter.standing(tally, now);
        RateState {
            rule: self.rule.share(),
            remaining: if share > 1 { remaining / share } else { remaining },
            resets_in: Duration::from_micros(resets_in),
        }
    }

    /// Counts a decision and tells it: a time to wait is a refusal.
    #[inline]
    fn verdict(&self, tally: Tally, now: u64, share: u32, wait: Option<u64>) -> RateVerdict {
        match wait {
            None => self.counters.allowed(),
            Some(_) => self.counters.refused(),
        }
        RateVerdict {
            is_allowed: wait.is_none(),
            tightest: Some(self.state(tally, now, share)),
            retry_after: wait.map(Duration::from_micros),
            is_degraded: false,
        }
    }
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
        Self::counted_by(rules, |rule| LimitCounters::of(counted_as, &rule.name))
    }

    /// Counts under one name whatever the rules are called, as an override may call them anything.
    pub(crate) fn new_override(rules: &[RateRule], counted_as: Option<&str>) -> Result<Self, InvalidRule> {
        Self::counted_by(rules, |_| LimitCounters::of(counted_as, "override"))
    }

    fn counted_by(
        rules: &[RateRule],
        counters: impl Fn(&RateRule) -> LimitCounters,
    ) -> Result<Self, InvalidRule> {
        if !(1..=RateRule::MAX_RULES).contains(&rules.len()) {
            return Err(InvalidRule::Count { count: rules.len() });
        }
        for (index, rule) in rules.iter().enumerate() {
            if rules[..index].iter().any(|other| other.name == rule.name) {
                return Err(InvalidRule::Twice { rule: rule.name.clone() });
            }
        }
        let bound = rules.iter().map(|rule| {
            Ok(Bound {
                meter: Meter::of(rule)?,
                most_at_once: rule.most_at_once(),
                counters: counters(rule),
                rule: SharedRule::new(rule),
            })
        });
        Ok(Self { bound: bound.collect::<Result<_, InvalidRule>>()? })
    }

    /// Returns how many rules there are.
    pub(crate) fn len(&self) -> usize {
        self.bound.len()
    }

    /// Returns the rules.
    pub(crate) fn rules(&self) -> impl Iterator<Item = &RateRule> {
        self.bound.iter().map(|bound| bound.rule.get())
    }

    /// Refuses a cost that no waiting will make room for.
    #[inline]
    pub(crate) fn check_cost(&self, cost: u32) -> Result<(), BackendError> {
        match self.bound.iter().find(|bound| cost > bound.most_at_once) {
            None => Ok(()),
            Some(bound) => Err(too_much(cost, bound.rule.get())),
        }
    }

    /// Takes the cost from every rule or from none; `share` is by how much more it weighs here.
    ///
    /// A cost that weighs more than a rule can have at once asks for all of it, or it would never pass.
    #[inline]
    pub(crate) fn take(&self, tallies: &mut Tallies, now: u64, cost: u32, share: u32) -> RateVerdict {
        if let [bound] = &*self.bound {
            let taken = bound.meter.take(tallies.first, now, bound.weight(cost, share));
            if let Ok(tally) = taken {
                tallies.first = tally;
            }
            return bound.verdict(tallies.first, now, share, taken.err());
        }
        self.take_of_all(tallies, now, cost, share)
    }

    fn take_of_all(&self, tallies: &mut Tallies, now: u64, cost: u32, share: u32) -> RateVerdict {
        let mut longest: Option<(usize, u64)> = None;
        let mut taken = [Tally::default(); RateRule::MAX_RULES];
        for (index, (bound, place)) in self.bound.iter().zip(&mut taken).enumerate() {
            match bound.meter.take(tallies.get(index), now, bound.weight(cost, share)) {
                Ok(tally) => *place = tally,
                Err(wait) if longest.is_none_or(|(_, other)| wait > other) => longest = Some((index, wait)),
                Err(_) => {}
            }
        }
        if let Some((index, wait)) = longest {
            return self.bound[index].verdict(tallies.get(index), now, share, Some(wait));
        }
        for (index, tally) in taken.iter().take(self.len()).enumerate() {
            tallies.set(index, *tally);
        }
        let remaining = |index: &usize| self.bound[*index].meter.remaining(tallies.get(*index), now);
        let tightest = (0..self.len()).min_by_key(remaining).unwrap_or(0);
        self.bound[tightest].verdict(tallies.get(tightest), now, share, None)
    }

    /// Returns where the tallies stand under each rule.
    pub(crate) fn states(&self, tallies: &Tallies, now: u64, share: u32) -> Vec<RateState> {
        let each = self.bound.iter().enumerate();
        each.map(|(index, bound)| bound.state(tallies.get(index), now, share)).collect()
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
            if let Some(state) = states.iter().find(|state| *state.rule == *bound.rule.get()) {
                tallies.set(index, bound.meter.with_remaining(state.remaining, now));
            }
        }
        tallies
    }

    /// Carries tallies over from other rules: those of rules that are the same stand, the others begin anew.
    pub(crate) fn carried(&self, from: &Self, tallies: &Tallies) -> Tallies {
        let mut carried = Tallies::for_rules(self.len());
        for (index, bound) in self.bound.iter().enumerate() {
            let same = from.bound.iter().position(|other| other.rule.get() == bound.rule.get());
            if let Some(same) = same {
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
