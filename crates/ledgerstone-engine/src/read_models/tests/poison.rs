//! Poison: a key that cannot be fed is parked, and everything else goes on.

use ledgerstone_core::{Code, LogKind, Selection};

use super::interrupted::Interrupted;
use super::*;
use crate::account::read;
use crate::read_models::declarations::STREAM;
use crate::read_models::parked_keys::ParkedSelection;
use crate::read_models::status::ReadModelState;

async fn poisoned() -> (World, Arc<Sums>) {
    let world = world().await;
    let sums = Arc::new(Sums::default());
    world.models.register(Arc::clone(&sums) as Arc<dyn Projection>).await.expect("registers");
    (world, sums)
}

#[tokio::test]
async fn poison_parks_its_key_and_the_rest_goes_on() {
    let (world, _) = poisoned().await;
    world.append("a-1", "Number", json!({"n": 1})).await;
    world.append("a-1", "Poison", json!({"n": 10})).await;
    world.append("a-1", "Number", json!({"n": 100})).await;
    world.append("b-1", "Panic", json!({"n": 5})).await;
    world.numbers(20).await;
    world.append("a-1", "Number", json!({"n": 1000})).await;
    world.catch_up("sums").await;

    assert_eq!(world.sum("a-1").await, Some(1), "it stands as it was before the poison");
    assert_eq!(world.sum("b-1").await, None);
    let mut others = world.documents("sums").await;
    others.remove("a-1");
    assert_eq!(others, expected(20));
    let parked = world.models.parked(&name("sums")).await.expect("lists");
    let shown: Vec<_> = parked
        .iter()
        .map(|row| (row.key.as_str(), row.first.0, row.last.0, row.events, row.cause.as_str()))
        .collect();
    let panicked = "the projection panicked: out of order";
    assert_eq!(shown, [("a-1", 2, 25, 3, "poison"), ("b-1", 4, 4, 1, panicked)]);
    let status = world.models.status(&name("sums")).await.expect("status");
    assert_eq!((status.parked, status.lag, status.state), (2, 0, ReadModelState::Live));
}

#[tokio::test]
async fn a_replay_applies_what_was_held_and_only_that() {
    let (world, sums) = poisoned().await;
    for (event_type, n) in [("Number", 1), ("Poison", 10), ("Number", 100)] {
        world.append("a-1", event_type, json!({"n": n})).await;
    }
    world.numbers(20).await;
    world.catch_up("sums").await;
    let again = world.models.replay_parked(&name("sums"), &ParkedSelection::All).await.expect("replays");
    assert_eq!((again.replayed, again.failed.len()), (0, 1), "it is still poison");
    sums.mend();
    let which = ParkedSelection::Key(Tenant::default(), "a-1".to_owned());
    let report = world.models.replay_parked(&name("sums"), &which).await.expect("replays");
    assert_eq!((report.replayed, report.events, report.failed.len()), (1, 2, 0));
    assert_eq!(world.sum("a-1").await, Some(111));
    assert!(world.models.parked(&name("sums")).await.expect("lists").is_empty());
    world.append("a-1", "Number", json!({"n": 1000})).await;
    world.catch_up("sums").await;
    assert_eq!(world.sum("a-1").await, Some(1111), "later events are applied again");
    let missing = world.models.replay_parked(&name("sums"), &which).await;
    assert!(missing.is_err(), "nothing is parked any more");
}

#[tokio::test]
async fn a_document_that_the_store_refuses_is_parked_too() {
    let (world, sums) = poisoned().await;
    world.append("a-1", "Number", json!({"n": 1})).await;
    world.catch_up("sums").await;
    world.append("a-1", "Misfit", json!({"n": 10})).await;
    world.append("a-2", "Misfit", json!({"n": 10})).await;
    world.numbers(5).await;
    world.catch_up("sums").await;
    assert_eq!(world.sum("a-1").await, Some(1));
    assert_eq!(world.sum("s-1").await, Some(1));
    let parked = world.models.parked(&name("sums")).await.expect("lists");
    assert_eq!(parked.iter().map(|row| row.key.as_str()).collect::<Vec<_>>(), ["a-1", "a-2"]);
    assert!(parked[0].cause.contains("sum"), "{}", parked[0].cause);
    sums.mend();
    let report = world.models.replay_parked(&name("sums"), &ParkedSelection::All).await.expect("replays");
    assert_eq!(report.replayed, 2);
    assert_eq!(world.sum("a-1").await, Some(11));
}

#[tokio::test]
async fn all_documents_of_a_batch_that_the_store_refuses_are_parked_in_one_round() {
    let world = world().await;
    let store = Interrupted::new(&world.documents);
    let documents = Arc::clone(&store) as Arc<dyn DocumentStore>;
    let models = ReadModels::new(Arc::clone(&world.events), documents, options());
    let world = World { models, ..world };
    world.models.register(Arc::new(Sums::default())).await.expect("registers");
    for n in 1..=5 {
        world.append(&format!("a-{n}"), "Misfit", json!({"n": n})).await;
    }
    world.append("b-1", "Number", json!({"n": 1})).await;
    world.catch_up("sums").await;
    assert_eq!(store.commits(), 2, "the whole batch, and what is left of it");
    let parked = world.models.parked(&name("sums")).await.expect("lists");
    assert_eq!(parked.len(), 5);
    assert!(parked.iter().all(|row| row.cause.contains("sum")), "{parked:?}");
    assert_eq!((world.sum("a-1").await, world.sum("b-1").await), (None, Some(1)));
}

#[tokio::test]
async fn an_event_without_keys_is_parked_by_its_position() {
    let (world, sums) = poisoned().await;
    world.append("a-1", "Keyless", json!({"n": 3})).await;
    world.append("a-1", "Number", json!({"n": 1})).await;
    world.catch_up("sums").await;
    let parked = world.models.parked(&name("sums")).await.expect("lists");
    assert_eq!(parked.iter().map(|row| row.key.as_str()).collect::<Vec<_>>(), ["$event:1"]);
    assert_eq!(world.sum("a-1").await, Some(1));
    sums.mend();
    world.models.replay_parked(&name("sums"), &ParkedSelection::All).await.expect("replays");
    assert_eq!(world.sum("a-1").await, Some(4));
}

#[tokio::test]
async fn what_is_discarded_is_recorded_with_its_reason() {
    let (world, _) = poisoned().await;
    world.append("a-1", "Number", json!({"n": 1})).await;
    world.append("a-1", "Poison", json!({"n": 10})).await;
    world.catch_up("sums").await;
    let discard = |reason: &'static str| world.models.discard_parked(&SUMS, &ParkedSelection::All, reason);
    static SUMS: std::sync::LazyLock<CollectionName> = std::sync::LazyLock::new(|| name("sums"));
    assert!(discard(" ").await.is_err(), "a reason is needed");
    assert_eq!(discard("entered twice").await.expect("discards"), 1);
    world.append("a-1", "Number", json!({"n": 100})).await;
    world.catch_up("sums").await;
    assert_eq!(world.sum("a-1").await, Some(101), "later events are applied to the document as it was");
    let stream = StreamId::new(STREAM).expect("a stream");
    let recorded = read(&world.events, Selection::stream(stream).log(LogKind::System)).await;
    let payload: Value = serde_json::from_slice(recorded[0].payload()).expect("json");
    assert_eq!(recorded[0].event_type(), "$parked_discarded");
    assert_eq!((&payload["key"], &payload["reason"]), (&json!("a-1"), &json!("entered twice")));
}

#[tokio::test]
async fn too_many_parked_keys_stop_the_model_and_nothing_of_the_batch_is_kept() {
    let world = world_with(ReadModelOptions { max_parked: 2, ..options() }).await;
    world.models.register(Arc::new(Sums::default())).await.expect("registers");
    world.numbers(7).await;
    for key in 1..=3 {
        world.append(&format!("a-{key}"), "Poison", json!({})).await;
    }
    let error = world.models.catch_up(&name("sums"), &|_| {}).await.expect_err("too many");
    assert_eq!(error.code(), Code::TooManyParked);
    let status = world.models.status(&name("sums")).await.expect("status");
    assert_eq!((status.state, status.parked, status.lag), (ReadModelState::Stopped, 0, 3));
    assert!(status.stopped.expect("a reason").contains("the bound is 2"));
    let listed = world.models.list().await.expect("lists");
    assert_eq!((listed.len(), listed[0].state), (1, ReadModelState::Stopped));
    assert_eq!(world.documents("sums").await, expected(7), "it goes on answering");
}
