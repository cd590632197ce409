//! The proof that each case can fail: every mutant is caught by the cases meant for it, and every case
//! catches a mutant.

#![expect(clippy::expect_used, reason = "a test says by a panic what it cannot do")]

mod event_mutants;
mod faulty;
mod histories;
mod servers;

use std::collections::BTreeSet;
use std::sync::{Arc, Once};

use futures_util::future::join_all;
use futures_util::{StreamExt, TryStreamExt, stream};
use ledgerstone_core::{
    Append, Batch, EventData, EventStore, EventType, ExpectedRevision, Selection, StreamId,
};
use ledgerstone_testkit::FixedClock;
use ledgerstone_testkit::conformance::{Case, CaseError, CaseResult, event_store, is_failure_of_the_store};
use uuid::Uuid;

use crate::event_mutants::Mutant;

/// Keeps the panics of cases, which are meant to happen here, out of the output.
fn hush() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            let in_a_case = std::thread::current().name().is_some_and(|name| name.starts_with("tokio"));
            if !in_a_case {
                hook(panic);
            }
        }));
    });
}

async fn run(case: Case<Arc<dyn EventStore>>, mutant: Mutant) -> CaseResult {
    // A mutant that does not open, or that only ever hangs, proves nothing of the case.
    let fresh = mutant.clone().open(Arc::new(FixedClock::default())).await.expect("opens");
    let result = case.run(fresh).await;
    let hangs = |error: &CaseError| error.to_string().starts_with("it did not end");
    assert!(!result.as_ref().is_err_and(hangs), "{} hangs in {}", mutant.name, case.name());
    result
}

/// Appends twice and reads something back: what a store can do that breaks one promise, and not all of them.
async fn works(mutant: Mutant) -> CaseResult {
    let store = mutant.open(Arc::new(FixedClock::default())).await?.store;
    for id in 1..=2 {
        let event = EventData::json(Uuid::from_u128(id), EventType::new("noted")?, "{}");
        let append = Append::to(StreamId::new(format!("plain-{id}"))?, ExpectedRevision::Any, vec![event]);
        store.append(Batch::of(append)).await?;
    }
    let frames: Vec<_> = store.read(Selection::all()).try_collect().await?;
    let read = frames.iter().flat_map(|frame| &frame.events).any(|event| event.event_type() == "noted");
    if read { Ok(()) } else { Err("nothing is read back".into()) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_event_store_mutant_appends_and_reads() {
    for mutant in event_mutants::all() {
        let name = mutant.name;
        works(mutant).await.unwrap_or_else(|error| panic!("{name} does nothing at all: {error}"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_event_store_mutant_is_caught_by_the_cases_meant_for_it() {
    hush();
    let suite = event_store::suite();
    let find = |name: &str| {
        let case = suite.cases().iter().find(|case| case.name() == name);
        *case.unwrap_or_else(|| panic!("there is no case {name}"))
    };
    let pairs = event_mutants::all().into_iter().flat_map(|mutant| {
        let cases: Vec<_> = mutant.caught_by.iter().map(|name| find(name)).collect();
        cases.into_iter().map(move |case| (mutant.clone(), case))
    });
    let pairs = pairs.map(|(mutant, case)| async move {
        match run(case, mutant.clone()).await {
            Ok(()) => Some(format!("{} survives {}", mutant.name, case.name())),
            // An error is an answer too, but not one that shows that the case looks at anything.
            Err(error) if is_failure_of_the_store(&error) => {
                Some(format!("{} only fails in {}: {error}", mutant.name, case.name()))
            }
            Err(_) => None,
        }
    });
    let survived: Vec<_> = stream::iter(pairs).buffer_unordered(8).collect().await;
    let survived: Vec<_> = survived.into_iter().flatten().collect();
    assert!(survived.is_empty(), "{survived:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_store_with_nothing_wrong_passes_every_case() {
    let suite = event_store::suite();
    let sound =
        suite.cases().iter().map(|case| async move { (case, run(*case, Mutant::new("nothing")).await) });
    for (case, result) in join_all(sound).await {
        if let Err(error) = result {
            panic!("{case:?} fails a store with nothing wrong: {error}");
        }
    }
}

#[test]
fn every_case_of_the_event_store_catches_a_mutant() {
    let mutants = event_mutants::all();
    assert!(mutants.iter().all(|mutant| !mutant.caught_by.is_empty()), "a mutant without a case");
    let catching: BTreeSet<_> = mutants.iter().flat_map(|mutant| mutant.caught_by.iter().copied()).collect();
    let suite = event_store::suite();
    let idle = suite.cases().iter().filter(|case| !catching.contains(case.name()));
    let idle: Vec<_> = idle.map(Case::name).collect();
    assert!(idle.is_empty(), "cases that no mutant is meant for: {idle:#?}");
}

#[test]
fn every_promise_of_the_event_store_has_a_case_and_no_sentence_stands_twice() {
    let suite = event_store::suite();
    let promises: BTreeSet<_> = suite.cases().iter().map(Case::promise).collect();
    assert_eq!(promises, (1..=15).collect());
    let names: BTreeSet<_> = suite.cases().iter().map(Case::name).collect();
    assert_eq!(names.len(), suite.cases().len());
}
