//! Failures that are planned: the next call of a kind, or any call by a seed.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use ledgerstone_core::{BackendError, ErrorKind};
use parking_lot::Mutex;

use crate::random::Random;

/// What is made to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Call {
    /// `EventStore::append`.
    Append,
    /// `EventStore::read`.
    Read,
    /// `EventStore::head`.
    Head,
    /// `EventStore::marks`.
    Marks,
    /// `DocumentStore::alter`.
    Alter,
    /// `DocumentStore::get`.
    Get,
    /// `DocumentStore::query`.
    Query,
    /// `DocumentStore::count`.
    Count,
    /// `DocumentStore::checkpoint`.
    Checkpoint,
    /// `DocumentStore::commit`.
    Commit,
}

/// How a call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It does not reach the store.
    Before,
    /// It reaches the store and does what it does, but the answer is lost; a reading breaks off after
    /// its first frame.
    After,
}

/// A plan of failures, shared by its clones.
#[derive(Debug, Clone)]
pub struct Faults {
    plan: Arc<Mutex<Plan>>,
}

#[derive(Debug)]
struct Plan {
    script: HashMap<Call, VecDeque<Fault>>,
    chance: Option<(Random, usize)>,
    happened: u64,
}

impl Faults {
    /// Plans no failure yet.
    pub fn none() -> Self {
        Self::plan(None)
    }

    /// Fails one call in `one_in`, drawn from a seed, half of them after the store has done its part.
    pub fn seeded(seed: u64, one_in: u32) -> Self {
        Self::plan(Some((Random::new(seed), usize::try_from(one_in.max(1)).unwrap_or(usize::MAX))))
    }

    fn plan(chance: Option<(Random, usize)>) -> Self {
        let plan = Plan { script: HashMap::new(), chance, happened: 0 };
        Self { plan: Arc::new(Mutex::new(plan)) }
    }

    /// Fails the next call of a kind, or the one after those that are planned already.
    pub fn fail(&self, call: Call, fault: Fault) -> &Self {
        self.plan.lock().script.entry(call).or_default().push_back(fault);
        self
    }

    /// Returns how many calls have failed so far.
    pub fn happened(&self) -> u64 {
        self.plan.lock().happened
    }

    /// Tells how the call that is being made fails, if it does.
    pub(crate) fn next(&self, call: Call) -> Option<Fault> {
        let mut plan = self.plan.lock();
        let scripted = plan.script.get_mut(&call).and_then(VecDeque::pop_front);
        let drawn = plan.chance.as_mut().and_then(|(random, one_in)| {
            let fails = random.below(*one_in) == 0;
            let fault = if random.below(2) == 0 { Fault::Before } else { Fault::After };
            fails.then_some(fault)
        });
        let fault = scripted.or(drawn);
        plan.happened += u64::from(fault.is_some());
        fault
    }

    pub(crate) fn error(operation: &'static str) -> BackendError {
        BackendError::new(ErrorKind::Unavailable, "faulty", operation, "this failure was planned; try again")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scripted_failure_happens_once_and_to_its_call_only() {
        let faults = Faults::none();
        faults.fail(Call::Append, Fault::After).fail(Call::Append, Fault::Before);
        assert_eq!(faults.next(Call::Read), None);
        assert_eq!(faults.next(Call::Append), Some(Fault::After));
        assert_eq!(faults.next(Call::Append), Some(Fault::Before));
        assert_eq!(faults.next(Call::Append), None);
        assert_eq!(faults.happened(), 2);
    }

    #[test]
    fn the_same_seed_fails_the_same_calls() {
        let draw = |seed| {
            let faults = Faults::seeded(seed, 4);
            (0..100).map(|_| faults.next(Call::Append)).collect::<Vec<_>>()
        };
        assert_eq!(draw(3), draw(3));
        let failed = draw(3).iter().flatten().count();
        assert!((10..45).contains(&failed), "{failed} of a hundred");
    }
}
