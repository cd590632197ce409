//! Feeding: exactly once, whatever is killed and whoever else feeds too.

use std::sync::atomic::{AtomicU32, Ordering};

use ledgerstone_core::Code;

use super::*;
use crate::read_models::error::ReadModelError;
use crate::read_models::status::ReadModelState;

#[tokio::test]
async fn every_event_is_applied_once_in_batches() {
    let world = world().await;
    world.models.register(Arc::new(Sums::default())).await.expect("registers");
    world.numbers(50).await;
    let batches = AtomicU32::new(0);
    let count = |_| {
        batches.fetch_add(1, Ordering::SeqCst);
    };
    let progress = world.models.catch_up(&name("sums"), &count).await.expect("catches up");
    assert_eq!((progress.position.0, progress.head.0, progress.events, progress.parked), (50, 50, 50, 0));
    assert_eq!(batches.load(Ordering::SeqCst), 8, "fifty events in batches of seven");
    assert_eq!(world.documents("sums").await, expected(50));
    world.catch_up("sums").await;
    assert_eq!(world.documents("sums").await, expected(50), "catching up again adds nothing");
}

#[tokio::test]
async fn a_projector_killed_between_batches_loses_and_doubles_nothing() {
    killed_again_and_again(&world().await, 2).await;
}

#[tokio::test]
async fn a_projector_killed_at_any_moment_over_a_file_loses_and_doubles_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let (world, backend) = file_world(folder.path()).await;
    killed_again_and_again(&world, 9).await;
    drop(world);
    backend.close().await;
}

/// Drops the projector after ever more steps of its future, wherever that is, until it gets through.
async fn killed_again_and_again(world: &World, first: usize) {
    world.numbers(100).await;
    let mut kills = 0;
    for polls in first.. {
        let models = world.another();
        models.register(Arc::new(Sums::default())).await.expect("registers");
        match killed_after(polls, models.catch_up(&name("sums"), &|_| {})).await {
            Some(done) => {
                done.expect("catches up");
                break;
            }
            None => kills += 1,
        }
    }
    assert!(kills > 2, "it was killed {kills} times");
    assert_eq!(world.documents("sums").await, expected(100));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_projectors_at_once_apply_every_event_exactly_once() {
    let world = world().await;
    world.numbers(200).await;
    let handles = [world.models.clone(), world.another(), world.another()];
    let mut tasks = Vec::new();
    for models in handles {
        models.register(Arc::new(Sums::default())).await.expect("registers");
        tasks.push(tokio::spawn(async move { models.catch_up(&name("sums"), &|_| {}).await }));
    }
    for task in tasks {
        task.await.expect("no panic").expect("catches up");
    }
    assert_eq!(world.documents("sums").await, expected(200));
}

#[tokio::test]
async fn documents_belong_to_the_tenant_of_their_events() {
    let world = world().await;
    world.models.register(Arc::new(Sums::default())).await.expect("registers");
    let other = Tenant::new("acme").expect("a tenant");
    world.append("s-1", "Number", json!({"n": 1})).await;
    world.append_of(other.clone(), "s-1", "Number", json!({"n": 10})).await;
    world.catch_up("sums").await;
    let key = [DocumentKey::new("s-1").expect("a key")];
    for (tenant, sum) in [(Tenant::default(), 1), (other, 10)] {
        let found = world.models.get(&name("sums"), &tenant, &key).await.expect("gets");
        assert_eq!(found[0].as_ref().map(|document| document.body["sum"].clone()), Some(json!(sum)));
    }
}

#[tokio::test]
async fn waiting_wakes_as_soon_as_the_position_is_passed() {
    let world = world_with(ReadModelOptions { poll: Duration::from_secs(60), ..options() }).await;
    world.models.register(Arc::new(Sums::default())).await.expect("registers");
    let models = world.models.clone();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let running = tokio::spawn(async move { models.run(async { drop(stopped.await) }).await });
    for n in 1..=5 {
        let point = world.append("s-1", "Number", json!({"n": n})).await;
        let limit = Duration::from_secs(5);
        let reached = world.models.wait_for(&name("sums"), point, limit).await.expect("in time");
        assert!(reached.position >= point.position);
    }
    assert_eq!(world.sum("s-1").await, Some(15));
    drop(stop);
    running.await.expect("no panic").expect("ends");
}

#[tokio::test]
async fn waiting_in_vain_says_where_the_model_stands() {
    let world = world().await;
    world.models.register(Arc::new(Sums::default())).await.expect("registers");
    let point = world.append("s-1", "Number", json!({"n": 1})).await;
    let wait = |point| world.models.wait_for(&NAME, point, Duration::from_millis(60));
    static NAME: std::sync::LazyLock<CollectionName> = std::sync::LazyLock::new(|| name("sums"));
    let error = wait(point).await.expect_err("nobody feeds it");
    assert_eq!(error.code(), Code::WaitTimedOut);
    assert!(matches!(error, ReadModelError::WaitTimedOut { stands, .. } if stands.0 == 0), "{error}");
    let foreign =
        LogPoint { log: ledgerstone_core::LogIdentity { id: Uuid::from_u128(1), epoch: 1 }, ..point };
    assert_eq!(wait(foreign).await.expect_err("another log").code(), Code::ForeignPosition);
    let beyond = LogPoint { position: ledgerstone_core::Position(99), ..point };
    assert_eq!(wait(beyond).await.expect_err("beyond the head").code(), Code::ForeignPosition);
}

#[tokio::test]
async fn a_paused_model_answers_and_stands_still_until_it_is_resumed() {
    let world = world().await;
    world.models.register(Arc::new(Sums::default())).await.expect("registers");
    world.numbers(10).await;
    world.catch_up("sums").await;
    world.models.pause(&name("sums")).await.expect("pauses");
    world.numbers(10).await;
    world.catch_up("sums").await;
    let status = world.models.status(&name("sums")).await.expect("status");
    assert_eq!((status.state, status.lag, status.head.0), (ReadModelState::Paused, 10, 20));
    assert!(status.age.is_some());
    assert_eq!(world.documents("sums").await, expected(10));
    let another = world.another();
    another.register(Arc::new(Sums::default())).await.expect("registers");
    assert!(another.status(&name("sums")).await.expect("status").paused, "the pause outlives the process");
    world.models.resume(&name("sums")).await.expect("resumes");
    world.catch_up("sums").await;
    let status = world.models.status(&name("sums")).await.expect("status");
    assert_eq!((status.state, status.lag, status.age), (ReadModelState::Live, 0, None));
}

#[tokio::test]
async fn a_name_that_nobody_knows_names_the_nearest() {
    let world = world().await;
    world.models.register(Arc::new(Sums::default())).await.expect("registers");
    let error = world.models.query(Select::from(name("summs"))).await.expect_err("unknown");
    assert_eq!(error.code(), Code::UnknownReadModel);
    assert!(error.to_string().contains("did you mean sums?"), "{error}");
}
