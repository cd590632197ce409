//! Replaying: held events are applied once and in order, whoever asks for it and whatever else is parked.

use ledgerstone_core::Alteration;

use super::*;
use crate::read_models::parked_keys::ParkedSelection;

async fn sums_of(world: &World) -> Arc<Sums> {
    let sums = Arc::new(Sums::default());
    world.models.register(Arc::clone(&sums) as Arc<dyn Projection>).await.expect("registers");
    sums
}

async fn parked(world: &World) -> Vec<(String, u64)> {
    let rows = world.models.parked(&name("sums")).await.expect("lists");
    rows.into_iter().map(|row| (row.key, row.events)).collect()
}

/// Parks the key a-1 at its second event and, as a whole, the third event, which is of a-1 too.
async fn overlapping() -> (World, Arc<Sums>) {
    let world = world().await;
    let sums = sums_of(&world).await;
    for (event_type, n) in [("Number", 1), ("Poison", 10), ("Keyless", 100), ("Number", 1000)] {
        world.append("a-1", event_type, json!({"n": n})).await;
    }
    world.catch_up("sums").await;
    assert_eq!(parked(&world).await, [("a-1".to_owned(), 2), ("$event:3".to_owned(), 1)]);
    sums.mend();
    (world, sums)
}

async fn replay(world: &World, key: &str) -> u64 {
    let which = ParkedSelection::Key(Tenant::default(), key.to_owned());
    let report = world.models.replay_parked(&name("sums"), &which).await.expect("replays");
    assert!(report.failed.is_empty(), "{:?}", report.failed);
    report.events
}

#[tokio::test]
async fn two_replays_at_once_apply_what_was_held_once() {
    let world = world().await;
    let sums = sums_of(&world).await;
    for (event_type, n) in [("Number", 1), ("Poison", 10), ("Number", 100)] {
        world.append("a-1", event_type, json!({"n": n})).await;
    }
    world.catch_up("sums").await;
    sums.mend();
    let model = world.models.inner.require(&name("sums")).expect("known");
    let gate = model.gate.lock().await;
    let sums = name("sums");
    let replay = || world.models.replay_parked(&sums, &ParkedSelection::All);
    let discard = world.models.discard_parked(&sums, &ParkedSelection::All, "too late");
    let (one, other, discarded, ()) = tokio::join!(replay(), replay(), discard, async move { drop(gate) });
    let (one, other) = (one.expect("replays"), other.expect("replays"));
    assert_eq!(world.sum("a-1").await, Some(111));
    assert_eq!((one.replayed + other.replayed, one.events + other.events), (1, 2));
    assert_eq!(discarded.expect("discards"), 0, "nothing was left to discard");
}

#[tokio::test]
async fn a_key_that_is_replayed_leaves_events_that_are_parked_whole() {
    let (world, _) = overlapping().await;
    assert_eq!(replay(&world, "a-1").await, 2);
    assert_eq!(world.sum("a-1").await, Some(1011), "the third event has a row of its own");
    assert_eq!(replay(&world, "$event:3").await, 1);
    assert_eq!(world.sum("a-1").await, Some(1111));
    assert!(parked(&world).await.is_empty());
}

#[tokio::test]
async fn an_event_that_is_replayed_is_held_by_a_key_that_was_parked_before_it() {
    let (world, _) = overlapping().await;
    assert_eq!(replay(&world, "$event:3").await, 0);
    assert_eq!(world.sum("a-1").await, Some(1), "the key stands as it was before the poison");
    assert_eq!(parked(&world).await, [("a-1".to_owned(), 3)]);
    assert_eq!(replay(&world, "a-1").await, 3);
    assert_eq!(world.sum("a-1").await, Some(1111));
}

#[tokio::test]
async fn an_event_and_a_key_that_overlap_are_replayed_together() {
    let (world, _) = overlapping().await;
    let report = world.models.replay_parked(&name("sums"), &ParkedSelection::All).await.expect("replays");
    assert_eq!((report.replayed, report.events, report.failed.len()), (2, 3, 0));
    assert_eq!(world.documents("sums").await["a-1"], json!({"events": 4, "sum": 1111}));
    assert!(parked(&world).await.is_empty());
}

#[tokio::test]
async fn parked_keys_that_a_dropped_generation_left_behind_freeze_nothing() {
    let world = world().await;
    let sums = sums_of(&world).await;
    world.append("a-1", "Poison", json!({"n": 1})).await;
    world.catch_up("sums").await;
    sums.mend();
    let live = world.models.inner.require(&name("sums")).expect("known").live_id();
    world.documents.alter(vec![Alteration::Drop(live)]).await.expect("drops");
    let another = World { models: world.another(), ..world };
    another.models.register(sums).await.expect("registers");
    another.append("a-1", "Number", json!({"n": 10})).await;
    another.catch_up("sums").await;
    assert_eq!(another.sum("a-1").await, Some(11));
    assert!(parked(&another).await.is_empty());
}

#[tokio::test]
async fn a_refused_document_does_not_park_the_same_key_of_another_tenant() {
    let world = world().await;
    sums_of(&world).await;
    let tenant = |text: &str| Tenant::new(text).expect("a tenant");
    world.append_of(tenant("acme"), "a-1", "Number", json!({"n": 1})).await;
    world.append_of(tenant("beta"), "a-1", "Misfit", json!({"n": 1})).await;
    world.catch_up("sums").await;
    let rows = world.models.parked(&name("sums")).await.expect("lists");
    let tenants: Vec<_> = rows.iter().map(|row| row.tenant.as_str()).collect();
    assert_eq!(tenants, ["beta"]);
}

#[tokio::test]
async fn an_event_that_was_discarded_is_skipped_by_a_key_that_was_parked_before_it() {
    let (world, _) = overlapping().await;
    let which = ParkedSelection::Key(Tenant::default(), "$event:3".to_owned());
    let sums = name("sums");
    let discard = || world.models.discard_parked(&sums, &which, "entered twice");
    assert_eq!(discard().await.expect("discards"), 1);
    assert!(discard().await.is_err(), "it is no longer parked");
    assert_eq!(parked(&world).await, [("a-1".to_owned(), 2)]);
    assert_eq!(world.models.status(&sums).await.expect("status").parked, 1);
    assert_eq!(replay(&world, "a-1").await, 2);
    assert_eq!(world.sum("a-1").await, Some(1011), "the third event was given up");
    assert!(parked(&world).await.is_empty());
}

#[tokio::test]
async fn a_key_named_like_a_whole_event_stays_parked_beside_it() {
    let world = world().await;
    let sums = sums_of(&world).await;
    let key = "$event:2";
    world.append("a-1", "Poison", json!({"n": 10, "key": key})).await;
    world.append("a-1", "Keyless", json!({"n": 1})).await;
    world.catch_up("sums").await;
    world.append("a-1", "Number", json!({"n": 100, "key": key})).await;
    world.catch_up("sums").await;
    assert_eq!(world.sum(key).await, None, "it stands as it was before the poison");
    assert_eq!(parked(&world).await, [(key.to_owned(), 2), (key.to_owned(), 1)]);
    sums.mend();
    let report = world.models.replay_parked(&name("sums"), &ParkedSelection::All).await.expect("replays");
    assert_eq!((report.replayed, report.events, report.failed.len()), (2, 3, 0));
    assert_eq!((world.sum(key).await, world.sum("a-1").await), (Some(110), Some(1)));
}
