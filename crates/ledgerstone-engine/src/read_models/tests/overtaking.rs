//! Parked keys and another process: whoever is overtaken by a replay, a discard or a feed begins again.

use ledgerstone_core::{LogKind, Selection};

use super::interrupted::{Call, Interrupted};
use super::*;
use crate::read_models::parked_keys::ParkedSelection;

/// A world whose handle can be interrupted, and a handle of another process.
struct Two {
    world: World,
    store: Arc<Interrupted>,
    other: ReadModels,
}

/// Parks the key a-1 at its second event in both, and mends the rules.
async fn two() -> Two {
    two_over(world().await).await
}

async fn two_over(world: World) -> Two {
    let store = Interrupted::new(&world.documents);
    let documents = Arc::clone(&store) as Arc<dyn DocumentStore>;
    let models = ReadModels::new(Arc::clone(&world.events), documents, options());
    let other = world.another();
    let world = World { models, ..world };
    let sums = Arc::new(Sums::default());
    for handle in [&world.models, &other] {
        handle.register(Arc::clone(&sums) as Arc<dyn Projection>).await.expect("registers");
    }
    for (event_type, n) in [("Number", 1), ("Poison", 10), ("Number", 100)] {
        world.append("a-1", event_type, json!({"n": n})).await;
    }
    world.catch_up("sums").await;
    sums.mend();
    Two { world, store, other }
}

async fn replay(models: &ReadModels) -> (u64, u64) {
    let report = models.replay_parked(&name("sums"), &ParkedSelection::All).await.expect("replays");
    assert!(report.failed.is_empty(), "{:?}", report.failed);
    (report.replayed, report.events)
}

async fn parked(models: &ReadModels) -> usize {
    models.parked(&name("sums")).await.expect("lists").len()
}

#[tokio::test]
async fn a_replay_that_another_process_overtakes_applies_nothing_twice() {
    for call in [Call::Get, Call::Commit] {
        let Two { world, store, other } = two().await;
        store.before(call, async move { assert_eq!(replay(&other).await, (1, 2)) });
        assert_eq!(replay(&world.models).await, (0, 0), "the other one did it, at {call:?}");
        assert_eq!(world.sum("a-1").await, Some(111));
        assert_eq!(parked(&world.models).await, 0);
    }
}

#[tokio::test]
async fn over_a_file_nobody_who_is_overtaken_applies_anything_twice() {
    for feeds in [true, false] {
        let folder = tempfile::tempdir().expect("a folder");
        let (world, backend) = file_world(folder.path()).await;
        let Two { world, store, other } = two_over(world).await;
        world.append("a-1", "Number", json!({"n": 1000})).await;
        store.before(Call::Commit, async move { assert_eq!(replay(&other).await, (1, 2)) });
        if feeds {
            world.catch_up("sums").await;
        }
        assert_eq!(replay(&world.models).await, (0, 0));
        world.catch_up("sums").await;
        assert_eq!(world.sum("a-1").await, Some(1111));
        assert_eq!(parked(&world.models).await, 0);
        backend.close().await;
    }
}

#[tokio::test]
async fn a_replay_that_a_discard_overtakes_applies_nothing() {
    let Two { world, store, other } = two().await;
    store.before(Call::Commit, async move {
        let discarded = other.discard_parked(&name("sums"), &ParkedSelection::All, "entered twice").await;
        assert_eq!(discarded.expect("discards"), 1);
    });
    assert_eq!(replay(&world.models).await, (0, 0));
    assert_eq!(world.sum("a-1").await, Some(1));
}

#[tokio::test]
async fn a_discard_that_died_before_its_commit_is_recorded_once_by_the_next_one() {
    let Two { world, store, other } = two().await;
    let (reached, commits) = tokio::sync::oneshot::channel();
    store.before(Call::Commit, async move {
        reached.send(()).expect("somebody waits");
        std::future::pending().await
    });
    let sums = name("sums");
    tokio::select! {
        _ = world.models.discard_parked(&sums, &ParkedSelection::All, "entered twice") => panic!("it dies"),
        died = commits => died.expect("it came to the commit"),
    }
    assert_eq!(parked(&other).await, 1);
    let again = other.discard_parked(&sums, &ParkedSelection::All, "entered twice").await;
    assert_eq!((again.expect("discards"), parked(&other).await), (1, 0));
    let stream = StreamId::new(crate::read_models::declarations::STREAM).expect("a stream");
    let selection = Selection::stream(stream).log(LogKind::System);
    let recorded = crate::account::read(&world.events, selection).await;
    assert_eq!(recorded.iter().filter(|event| event.event_type() == "$parked_discarded").count(), 1);
}

#[tokio::test]
async fn a_replay_goes_by_the_rules_that_stand_when_its_turn_comes() {
    let world = world().await;
    world.models.register(Arc::new(Sums::default())).await.expect("registers");
    world.append("a-1", "Poison", json!({"n": 10})).await;
    world.catch_up("sums").await;
    let sums = name("sums");
    let model = world.models.inner.require(&sums).expect("known");
    let gate = model.gate.lock().await;
    let mended = Arc::new(Sums::default());
    mended.mend();
    let release = async {
        world.models.register(mended).await.expect("registers");
        drop(gate);
    };
    let (report, ()) = tokio::join!(world.models.replay_parked(&sums, &ParkedSelection::All), release);
    assert_eq!(report.expect("replays").replayed, 1);
    assert_eq!(world.sum("a-1").await, Some(10));
}

#[tokio::test]
async fn a_feed_that_a_replay_overtakes_does_not_park_the_key_again() {
    let Two { world, store, other } = two().await;
    world.append("a-1", "Number", json!({"n": 1000})).await;
    store.before(Call::Commit, async move { assert_eq!(replay(&other).await, (1, 2)) });
    world.catch_up("sums").await;
    assert_eq!(world.sum("a-1").await, Some(1111));
    assert_eq!(parked(&world.models).await, 0);
}

#[tokio::test]
async fn a_replay_that_a_feed_overtakes_applies_what_was_held_meanwhile() {
    let Two { world, store, other } = two().await;
    world.append("a-1", "Number", json!({"n": 1000})).await;
    store.before(Call::Commit, async move {
        other.catch_up(&name("sums"), &|_| {}).await.expect("catches up");
    });
    assert_eq!(replay(&world.models).await, (1, 3));
    assert_eq!(world.sum("a-1").await, Some(1111));
}

#[tokio::test]
async fn the_fences_of_parked_keys_go_with_their_generation() {
    let Two { world, other, .. } = two().await;
    replay(&world.models).await;
    replay(&other).await;
    let live = world.models.inner.require(&name("sums")).expect("known").live_id();
    let fences = || async {
        let collections = world.documents.alter(Vec::new()).await.expect("lists");
        crate::fence::fences(&collections, &live).expect("names").len()
    };
    assert_eq!(fences().await, 1, "whoever takes the fence drops the one before");
    world.models.rebuild(&name("sums"), &|_| {}).await.expect("rebuilds");
    assert_eq!(fences().await, 0);
}
