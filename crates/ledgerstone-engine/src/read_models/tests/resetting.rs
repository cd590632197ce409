//! Resetting: a model is emptied in one step, and nobody is told of a checkpoint that is gone.

use ledgerstone_core::Alteration;

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

#[tokio::test]
async fn another_handle_that_begins_in_the_midst_of_a_reset_takes_no_old_row_for_its_own() {
    let world = world().await;
    let another = world.another();
    let sums = Arc::new(Sums::default());
    for models in [&world.models, &another] {
        models.register(Arc::clone(&sums) as Arc<dyn Projection>).await.expect("registers");
    }
    world.append("a-1", "Poison", json!({"n": 1})).await;
    world.append("a-1", "Number", json!({"n": 10})).await;
    world.catch_up("sums").await;
    another.catch_up(&name("sums"), &|_| {}).await.expect("catches up");
    sums.mend();
    // A reset has emptied the generation, and has not come to its parked keys yet.
    let live = world.models.inner.require(&name("sums")).expect("known").live_id();
    let emptied = vec![Alteration::Drop(live), Alteration::Declare(sums.definition())];
    world.documents.alter(emptied).await.expect("empties");
    another.catch_up(&name("sums"), &|_| {}).await.expect("catches up");
    world.models.register(sums).await.expect("the reset goes on");
    assert_eq!(world.sum("a-1").await, Some(11));
    assert!(another.parked(&name("sums")).await.expect("lists").is_empty());
}
