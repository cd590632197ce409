//! Swapping: another generation is filled beside the live one, and no query ever notices.

use std::sync::atomic::{AtomicU64, AtomicUsize};

use ledgerstone_core::CollectionState;
use proptest::prelude::*;

use super::*;

async fn generations(world: &World) -> Vec<CollectionState> {
    let collections = world.documents.alter(Vec::new()).await.expect("lists");
    let ours = collections.iter().filter(|collection| collection.definition.id.name == name("sums"));
    ours.map(|collection| collection.state).collect()
}

#[tokio::test]
async fn a_rebuild_equals_the_live_one_and_takes_its_place() {
    let world = world().await;
    world.models.register(Arc::new(Sums::default())).await.expect("registers");
    world.numbers(40).await;
    world.catch_up("sums").await;
    let before = world.models.status(&name("sums")).await.expect("status");
    let steps = AtomicUsize::new(0);
    let count = |_| {
        steps.fetch_add(1, Ordering::SeqCst);
    };
    world.models.rebuild(&name("sums"), &count).await.expect("rebuilds");
    let after = world.models.status(&name("sums")).await.expect("status");
    assert_ne!(before.definition, after.definition);
    assert_eq!(before.checkpoint, after.checkpoint);
    assert!(steps.load(Ordering::SeqCst) >= 6, "progress was told");
    assert_eq!(world.documents("sums").await, expected(40));
    assert_eq!(generations(&world).await, [CollectionState::Live], "the old one is gone");
    let another = world.another();
    another.register(Arc::new(Sums::default())).await.expect("registers");
    assert!(another.status(&name("sums")).await.expect("status").building.is_none(), "it stays rebuilt");
}

#[tokio::test]
async fn a_rebuild_that_was_killed_is_gone_on_with() {
    let world = world().await;
    world.models.register(Arc::new(Sums::default())).await.expect("registers");
    world.numbers(60).await;
    world.catch_up("sums").await;
    let model = name("sums");
    let killed = killed_after(4, world.models.rebuild(&model, &|_| {})).await;
    assert!(killed.is_none(), "it should have been killed");
    let another = world.another();
    another.register(Arc::new(Sums::default())).await.expect("registers");
    let building = another.status(&name("sums")).await.expect("status").building.expect("still being filled");
    assert!(building.position.0 >= 14, "it stands at {}", building.position);
    assert_eq!(world.documents("sums").await, expected(60), "the live one answers meanwhile");
    let first = AtomicU64::new(0);
    let report = |progress: crate::read_models::progress::Progress| {
        let _ = first.compare_exchange(0, progress.position.0, Ordering::SeqCst, Ordering::SeqCst);
    };
    another.rebuild(&name("sums"), &report).await.expect("rebuilds");
    assert!(first.load(Ordering::SeqCst) > building.position.0, "it went on where it was killed");
    let status = another.status(&name("sums")).await.expect("status");
    assert_eq!(status.definition, Some(building.definition));
    assert_eq!(world.documents("sums").await, expected(60));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn queries_never_fail_while_events_come_in_and_generations_are_swapped() {
    let world = Arc::new(world().await);
    world.models.register(Arc::new(Sums::default())).await.expect("registers");
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let ended = |mut stopped: tokio::sync::watch::Receiver<bool>| async move {
        drop(stopped.wait_for(|stop| *stop).await);
    };
    let runner = world.models.clone();
    let running = tokio::spawn(runner.clone_run(ended(stopped.clone())));
    let reading = Arc::clone(&world);
    let until = stopped.clone();
    let reader = tokio::spawn(async move {
        let (mut queries, mut seen) = (0_u64, 0_i64);
        while !*until.borrow() {
            let page = reading.models.query(Select::from(name("sums")).size(500)).await.expect("answers");
            let total: i64 =
                page.documents.iter().filter_map(|document| document.body["events"].as_i64()).sum();
            assert!(total >= seen, "events that were seen are never unseen: {total} after {seen}");
            (queries, seen) = (queries + 1, total);
            tokio::task::yield_now().await;
        }
        queries
    });
    let writing = Arc::clone(&world);
    let writer = tokio::spawn(async move { writing.numbers(400).await });
    for _ in 0..4 {
        world.models.rebuild(&name("sums"), &|_| {}).await.expect("rebuilds");
    }
    writer.await.expect("writes");
    world.models.rebuild(&name("sums"), &|_| {}).await.expect("rebuilds");
    world.catch_up("sums").await;
    stop.send_replace(true);
    assert!(reader.await.expect("reads") > 10);
    running.await.expect("no panic");
    assert_eq!(world.documents("sums").await, expected(400));
    assert_eq!(generations(&world).await, [CollectionState::Live]);
}

#[tokio::test]
async fn a_reset_begins_again_from_nothing() {
    let world = world().await;
    world.models.register(Arc::new(Sums::default())).await.expect("registers");
    world.numbers(10).await;
    world.catch_up("sums").await;
    world.models.reset(&name("sums")).await.expect("resets");
    assert!(world.documents("sums").await.is_empty());
    world.catch_up("sums").await;
    assert_eq!(world.documents("sums").await, expected(10));
}

#[tokio::test]
async fn a_swap_by_another_process_is_followed() {
    let world = world().await;
    world.models.register(Arc::new(Sums::default())).await.expect("registers");
    world.numbers(10).await;
    world.catch_up("sums").await;
    let another = world.another();
    another.register(Arc::new(Sums::default())).await.expect("registers");
    another.rebuild(&name("sums"), &|_| {}).await.expect("rebuilds");
    for n in 11..=20_u64 {
        world.append(&format!("s-{}", n % 5), "Number", json!({"n": n})).await;
    }
    world.catch_up("sums").await;
    assert_eq!(world.documents("sums").await, expected(20));
}

impl ReadModels {
    /// Runs without borrowing the handle.
    async fn clone_run(self, shutdown: impl Future<Output = ()> + Send) {
        self.run(shutdown).await.expect("runs");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whatever comes, in whatever batches, and wherever the projector is dropped: the documents are the same.
    #[test]
    fn documents_depend_on_the_events_alone(
        events in prop::collection::vec((0_u8..4, 0_u8..8, -5_i64..5), 1..60),
        batch in 1_usize..20,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let small = world_with(ReadModelOptions { batch_events: batch, ..options() }).await;
            small.models.register(Arc::new(Sums::default())).await.expect("registers");
            for (stream, kind, n) in &events {
                let event_type = if *kind == 0 { "Poison" } else { "Number" };
                small.append(&format!("s-{stream}"), event_type, json!({"n": n})).await;
                if kind % 3 == 0 {
                    small.catch_up("sums").await;
                }
            }
            small.catch_up("sums").await;
            let live = (small.documents("sums").await, held(&small).await);
            small.models.rebuild(&name("sums"), &|_| {}).await.expect("rebuilds");
            let rebuilt = (small.documents("sums").await, held(&small).await);
            assert_eq!(live, rebuilt);
        });
    }
}

async fn held(world: &World) -> Vec<(String, u64, u64)> {
    let rows = world.models.parked(&name("sums")).await.expect("lists");
    rows.into_iter().map(|row| (row.key, row.first.0, row.events)).collect()
}
