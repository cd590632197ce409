//! Resetting: a model is emptied in one step, and nobody is told of a checkpoint that is gone.

use super::*;

#[tokio::test]
async fn a_reset_that_is_killed_anywhere_leaves_a_collection_to_query() {
    for polls in 1..24 {
        let folder = tempfile::tempdir().expect("a folder");
        let (world, backend) = file_world(folder.path()).await;
        let sums = name("sums");
        world.models.register(Arc::new(Sums::default())).await.expect("registers");
        world.numbers(3).await;
        world.append("a-1", "Poison", json!({"n": 1})).await;
        world.catch_up("sums").await;
        let ended = killed_after(polls, world.models.reset(&sums)).await.is_some();
        // What was begun in the store ends there, before or after this.
        for _ in 0..3 {
            world.models.query(Select::from(sums.clone())).await.expect("answers");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        let another = world.another();
        another.register(Arc::new(Sums::default())).await.expect("registers");
        another.catch_up(&sums, &|_| {}).await.expect("catches up");
        assert_eq!(world.documents("sums").await, expected(3));
        assert_eq!(another.parked(&sums).await.expect("lists").len(), 1);
        drop((world, another));
        backend.close().await;
        if ended {
            return;
        }
    }
    panic!("the reset never ended");
}

#[tokio::test]
async fn what_stands_in_the_store_is_told_behind_the_gate_only() {
    let world = world().await;
    world.models.register(Arc::new(Sums::default())).await.expect("registers");
    let another = world.another();
    another.register(Arc::new(Sums::default())).await.expect("registers");
    world.numbers(3).await;
    world.catch_up("sums").await;
    let sums = name("sums");
    let model = another.inner.require(&sums).expect("known");
    let gate = model.gate.lock().await;
    let caught = another.catch_up(&sums, &|_| {});
    let waited = tokio::time::timeout(Duration::from_millis(50), caught).await;
    assert!(waited.is_err(), "it waits for the gate");
    assert!(model.checkpoint.borrow().is_none(), "a reset may be under way");
    drop(gate);
    another.catch_up(&sums, &|_| {}).await.expect("catches up");
    assert!(model.checkpoint.borrow().is_some());
}
