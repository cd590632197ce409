//! Scenarios: what an aggregate decides, given what has happened.

use std::fmt::Debug;

use ledgerstone_core::{Aggregate, DomainEvent};

/// What has happened to an aggregate so far.
///
/// Every event passes through its JSON on the way, so that nothing counts which a store would lose.
/// A scenario panics where it does not hold, with what was expected and what came.
#[derive(Debug, Clone)]
pub struct Scenario<A: Aggregate> {
    state: A,
    happened: Vec<String>,
}

impl<A: Aggregate> Scenario<A> {
    /// Begins with what has happened.
    #[track_caller]
    pub fn given(events: impl IntoIterator<Item = A::Event>) -> Self {
        let mut scenario = Self { state: A::default(), happened: Vec::new() };
        for event in events {
            scenario.evolve(&event);
        }
        scenario
    }

    /// Hands a command over.
    pub fn when(self, command: A::Command) -> Decision<A> {
        let outcome = self.state.decide(command);
        Decision { scenario: self, outcome }
    }

    /// Returns the state that the events led to.
    pub fn state(&self) -> &A {
        &self.state
    }

    #[track_caller]
    fn evolve(&mut self, event: &A::Event) {
        self.happened.push(format!("{event:?}"));
        self.state.evolve(&stored(event));
    }
}

/// Returns an event as a store would give it back.
#[track_caller]
fn stored<E: DomainEvent>(event: &E) -> E {
    let name = event.event_type();
    let json = match event.to_json() {
        Ok(json) => json,
        Err(error) => panic!("{event:?} cannot be stored as JSON: {error}"),
    };
    match E::from_json(name, &json) {
        Some(Ok(back)) => back,
        Some(Err(error)) => panic!("{event:?} does not come back from its JSON: {error}"),
        None => panic!("{event:?} does not know its own type {name}"),
    }
}

/// What an aggregate decided.
#[derive(Debug)]
#[must_use = "a decision that nobody looks at proves nothing; end with then, then_nothing or then_refused"]
pub struct Decision<A: Aggregate> {
    scenario: Scenario<A>,
    outcome: Result<Vec<A::Event>, A::Refusal>,
}

impl<A: Aggregate> Decision<A> {
    /// Holds that exactly these events follow, and goes on from there.
    #[track_caller]
    pub fn then(self, expected: impl IntoIterator<Item = A::Event>) -> Scenario<A>
    where
        A::Event: PartialEq,
    {
        let expected: Vec<_> = expected.into_iter().collect();
        let decided = match &self.outcome {
            Ok(decided) if *decided == expected => decided,
            Ok(decided) => self.failed(&list(&expected), &list(decided)),
            Err(refusal) => self.failed(&list(&expected), &format!("a refusal: {refusal}")),
        };
        let mut scenario = self.scenario.clone();
        for event in decided {
            assert!(stored(event) == *event, "{event:?} comes back from its JSON as {:?}", stored(event));
            scenario.evolve(event);
        }
        scenario
    }

    /// Holds that nothing is to be done, and goes on from there.
    #[track_caller]
    pub fn then_nothing(self) -> Scenario<A> {
        match &self.outcome {
            Ok(decided) if decided.is_empty() => self.scenario,
            Ok(decided) => self.failed("nothing", &list(decided)),
            Err(refusal) => self.failed("nothing", &format!("a refusal: {refusal}")),
        }
    }

    /// Holds that the command is refused, for a reason that `is_expected` accepts, and goes on from there.
    #[track_caller]
    pub fn then_refused(self, is_expected: impl FnOnce(&A::Refusal) -> bool) -> Scenario<A> {
        match &self.outcome {
            Err(refusal) if is_expected(refusal) => self.scenario,
            Err(refusal) => self.failed("another refusal", &format!("{refusal} ({refusal:?})")),
            Ok(decided) => self.failed("a refusal", &list(decided)),
        }
    }

    #[track_caller]
    fn failed(&self, expected: &str, actual: &str) -> ! {
        let given = lines(self.scenario.happened.iter().cloned());
        panic!("the scenario does not hold\n   given: {given}\nexpected: {expected}\n     got: {actual}\n")
    }
}

fn list(events: &[impl Debug]) -> String {
    lines(events.iter().map(|event| format!("{event:?}")))
}

fn lines(texts: impl Iterator<Item = String>) -> String {
    let texts: Vec<_> = texts.collect();
    if texts.is_empty() { "nothing".to_owned() } else { texts.join("\n          ") }
}

#[cfg(test)]
#[path = "scenario_tests.rs"]
mod tests;
