//! Scenarios that hold, and what those say that do not.

use std::panic::{AssertUnwindSafe, catch_unwind};

use ledgerstone_core::{Aggregate, DomainEvent, EventSchema, serde_json};

use super::Scenario;

/// A lamp, switched with a number of its lumens; what it forgets in its JSON is its colour.
#[derive(Debug, Clone, Default)]
struct Lamp {
    lumens: u64,
}

#[derive(Debug, Clone, PartialEq)]
struct Switched {
    lumens: u64,
    colour: Option<&'static str>,
}

#[derive(Debug, thiserror::Error)]
#[error("the lamp takes at most 800 lumens")]
struct TooBright;

impl DomainEvent for Switched {
    const SCHEMAS: &'static [EventSchema] = &[EventSchema { event_type: "Switched", version: 1 }];

    fn event_type(&self) -> &'static str {
        "Switched"
    }

    fn to_json(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec(&self.lumens)
    }

    fn from_json(event_type: &str, data: &[u8]) -> Option<Result<Self, serde_json::Error>> {
        let switched = |lumens| Self { lumens, colour: None };
        (event_type == "Switched").then(|| serde_json::from_slice(data).map(switched))
    }
}

impl Aggregate for Lamp {
    type Event = Switched;
    type Command = (u64, Option<&'static str>);
    type Refusal = TooBright;

    const CATEGORY: &'static str = "lamp";

    fn decide(&self, (lumens, colour): Self::Command) -> Result<Vec<Switched>, TooBright> {
        match lumens {
            801.. => Err(TooBright),
            same if same == self.lumens => Ok(Vec::new()),
            lumens => Ok(vec![Switched { lumens, colour }]),
        }
    }

    fn evolve(&mut self, event: &Switched) {
        self.lumens = event.lumens;
    }
}

fn switched(lumens: u64) -> Switched {
    Switched { lumens, colour: None }
}

fn complaint(scenario: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(scenario)).expect_err("the scenario holds");
    panic.downcast_ref::<String>().cloned().unwrap_or_default()
}

#[test]
fn a_scenario_goes_on_from_what_was_decided() {
    let lamp = Scenario::<Lamp>::given([switched(100)])
        .when((400, None))
        .then([switched(400)])
        .when((400, None))
        .then_nothing()
        .when((900, None))
        .then_refused(|TooBright| true);
    assert_eq!(lamp.state().lumens, 400);
}

#[test]
fn other_events_than_expected_are_shown_beside_what_was_given() {
    let said = complaint(|| {
        let _ = Scenario::<Lamp>::given([switched(100)]).when((400, None)).then([switched(500)]);
    });
    for part in
        ["given: Switched { lumens: 100", "expected: Switched { lumens: 500", "got: Switched { lumens: 400"]
    {
        assert!(said.contains(part), "{part} is missing in {said}");
    }
}

#[test]
fn a_refusal_is_shown_where_events_were_expected() {
    let said = complaint(|| {
        let _ = Scenario::<Lamp>::given([]).when((900, None)).then_nothing();
    });
    assert!(said.contains("got: a refusal: the lamp takes at most 800 lumens"), "{said}");
    let said = complaint(|| {
        let _ = Scenario::<Lamp>::given([]).when((900, None)).then_refused(|_| false);
    });
    assert!(said.contains("expected: another refusal"), "{said}");
    let said = complaint(|| {
        let _ = Scenario::<Lamp>::given([]).when((9, None)).then_refused(|_| true);
    });
    assert!(said.contains("expected: a refusal"), "{said}");
}

#[test]
fn an_event_that_forgets_something_in_its_json_is_caught() {
    let said = complaint(|| {
        let warm = Switched { lumens: 9, colour: Some("warm") };
        let _ = Scenario::<Lamp>::given([]).when((9, Some("warm"))).then([warm]);
    });
    assert!(said.contains("comes back from its JSON as"), "{said}");
}
