//! What is answered from memory, and for how long: T-17 and T-18.

use std::time::Duration;

use example_users::HttpUsers;
use example_users::domain::{User, Users as _, UsersError};
use tokio::time::{Instant, advance};

use crate::wire::Does;
use crate::world::{World, create, find, name, rest};

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test(start_paused = true)]
async fn what_is_known_is_not_asked_again_and_neither_is_that_there_is_nothing() {
    let world = World::new().await;
    let node = world.node();
    let ada = create(&node, "Ada").await;
    let nobody = uuid::Uuid::from_u128(7).into();
    world.wire.taken();
    for _ in 0..5 {
        assert_eq!(find(&node, ada.id).await, ada);
        assert_eq!(node.exists(nobody).await, Ok(false));
    }
    assert_eq!(world.wire.requests(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_update_by_somebody_else_reaches_this_node_through_the_log() {
    let world = World::new().await;
    let (here, there) = (world.following().await, world.node());
    let ada = create(&there, "Ada").await;
    let grace = create(&there, "Grace").await;
    rest().await;
    find(&here, ada.id).await;
    find(&here, grace.id).await;
    world.wire.taken();

    let king = there.update(User { name: name("Ada King"), ..ada }).await.expect("changed");
    rest().await;
    assert_eq!(find(&here, king.id).await, king, "long before its minute is over");
    find(&here, grace.id).await;
    assert_eq!(world.wire.taken().len(), 2, "the change and one question: the other user stayed");
    there.delete(king.id).await.expect("deleted");
    rest().await;
    assert_eq!(here.exists(king.id).await, Ok(false));
}

#[tokio::test(start_paused = true)]
async fn without_the_log_a_change_by_somebody_else_is_seen_when_the_ttl_is_over() {
    let world = World::new().await;
    let (deaf, there) = (world.node(), world.node());
    let ada = create(&there, "Ada").await;
    find(&deaf, ada.id).await;
    let king = there.update(User { name: name("Ada King"), ..ada.clone() }).await.expect("changed");
    assert_eq!(find(&deaf, ada.id).await, ada, "this is the trap: nobody told it");
    advance(MINUTE).await;
    assert_eq!(find(&deaf, ada.id).await, king);
}

#[tokio::test(start_paused = true)]
async fn a_stale_answer_is_served_while_the_service_is_down_and_no_longer_than_its_bound() {
    let world = World::new().await;
    let node = world.following().await;
    let ada = create(&node, "Ada").await;
    rest().await;
    let loaded = Instant::now();
    find(&node, ada.id).await;
    world.wire.now(Does::IsDown);
    let bound = HttpUsers::cache_settings().stale_on_error.expect("a bound");
    while loaded.elapsed() + MINUTE < bound {
        advance(MINUTE).await;
        assert_eq!(find(&node, ada.id).await, ada, "{:?}", loaded.elapsed());
    }
    assert!(world.wire.requests() > 5, "it was asked all the while");
    advance(bound - loaded.elapsed()).await;
    let error = node.find(ada.id).await.expect_err("too old to be served");
    assert!(matches!(error, UsersError::Unavailable { .. }), "{error}");
    world.wire.now(Does::Delivers);
    advance(MINUTE).await;
    assert_eq!(find(&node, ada.id).await, ada);
}

#[tokio::test(start_paused = true)]
async fn what_the_log_says_has_changed_is_not_served_even_while_the_service_is_down() {
    let world = World::new().await;
    let (here, there) = (world.following().await, world.node());
    let ada = create(&there, "Ada").await;
    rest().await;
    find(&here, ada.id).await;
    there.delete(ada.id).await.expect("deleted");
    rest().await;
    world.wire.now(Does::IsDown);
    assert!(here.exists(ada.id).await.is_err(), "an error is better than a user who is gone");
}

#[tokio::test(start_paused = true)]
async fn callers_who_miss_the_same_user_at_once_ask_once() {
    let world = World::new().await;
    let node = world.node();
    let ada = create(&node, "Ada").await;
    world.wire.taken();
    world.wire.now(Does::DeliversAfter(Duration::from_millis(200)));
    let callers: Vec<_> = (0..1_000)
        .map(|_| {
            let (node, id) = (node.clone(), ada.id);
            tokio::spawn(async move { find(&node, id).await })
        })
        .collect();
    for caller in callers {
        assert_eq!(caller.await.expect("it ends"), ada);
    }
    assert_eq!(world.wire.requests(), 1);
}
