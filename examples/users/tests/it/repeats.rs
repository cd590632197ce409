//! What is repeated, how often and when: T-05 and T-06.

use std::time::Duration;

use example_users::domain::{Users as _, UsersError};
use ledgerstone::core::Code;
use ledgerstone::resilience::{Policy, Retry};
use tokio::time::Instant;

use crate::wire::Does;
use crate::world::{World, create, find, retrying, wish};

#[tokio::test(start_paused = true)]
async fn retries_of_zero_mean_one_request() {
    let world = World::new().await;
    let node = world.node_under(retrying());
    let ada = create(&node, "Ada").await;
    world.wire.now(Does::IsDown);
    world.wire.taken();
    let never = node.clone().with_retries(Some(0));
    never.find(ada.id).await.expect_err("it is down");
    never.create(wish("Grace")).await.expect_err("it is down");
    never.delete(ada.id).await.expect_err("it is down");
    assert_eq!(world.wire.requests(), 3);
    // Nothing said is what the policy says: three attempts.
    node.find(ada.id).await.expect_err("it is down");
    assert_eq!(world.wire.requests(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_post_without_a_key_is_not_repeated() {
    let world = World::new().await;
    let http = world.http(retrying());
    let body = serde_json::json!({ "name": "Ada", "email": "ada@example.org" });
    world.wire.next([Does::LosesTheAnswer]);
    let error = http.post("/users").body_json(&body).send().await.expect_err("the answer is lost");
    assert_eq!((world.wire.requests(), error.code()), (1, Code::Indeterminate));
    assert_eq!(world.count().await, 1);
}

#[tokio::test(start_paused = true)]
async fn a_post_with_a_key_creates_once_though_its_answer_was_lost() {
    let world = World::new().await;
    let node = world.node_under(retrying());
    world.wire.next([Does::LosesTheAnswer, Does::IsDown]);
    let ada = create(&node, "Ada").await;
    assert_eq!(world.wire.taken(), ["POST /users"; 3]);
    assert_eq!((find(&node, ada.id).await, world.count().await), (ada, 1));
}

#[tokio::test(start_paused = true)]
async fn a_wish_that_is_made_again_later_is_fulfilled_once() {
    let world = World::new().await;
    let node = world.node_under(Policy::none("users"));
    let ada = wish("Ada");
    world.wire.next([Does::LosesTheAnswer]);
    node.create(ada.clone()).await.expect_err("the answer is lost");
    let created = node.create(ada.clone()).await.expect("the first answer");
    assert_eq!(node.create(ada.clone()).await.as_ref(), Ok(&created));
    let at_once = (0..20).map(|_| node.create(ada.clone()));
    for answer in futures_util::future::join_all(at_once).await {
        assert_eq!(answer.as_ref(), Ok(&created));
    }
    assert_eq!(world.count().await, 1);
    // Another wish under the same key is neither.
    let other = example_users::domain::NewUser { wish: ada.wish, ..wish("Grace") };
    assert!(matches!(node.create(other).await, Err(UsersError::Invalid(_))));
}

#[tokio::test(start_paused = true)]
async fn what_the_caller_did_wrong_is_asked_once() {
    let world = World::new().await;
    let node = world.node_under(retrying());
    let ada = create(&node, "Ada").await;
    world.wire.taken();
    for status in 400..500 {
        world.wire.now(Does::Answers(status, None));
        let error = node.find(ada.id).await.expect_err("refused");
        // "It took you too long" and "too much at once" are no mistakes that would be made again.
        let may_pass = status == 408 || status == 429;
        assert_eq!(error.is_retryable(), may_pass, "{status}: {error}");
        assert_eq!(world.wire.requests(), if may_pass { 3 } else { 1 }, "{status}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_that_asks_to_be_left_alone_is_asked_again_no_sooner() {
    let world = World::new().await;
    let node = world.node_under(retrying());
    let ada = create(&node, "Ada").await;
    world.wire.taken();
    world.wire.next([Does::Answers(503, Some(("retry-after", "7")))]);
    let begun = Instant::now();
    assert_eq!(find(&node, ada.id).await, ada);
    assert_eq!(world.wire.requests(), 2);
    assert!((7_000..7_200).contains(&begun.elapsed().as_millis()), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn whom_nobody_waits_for_that_long_is_told_how_long() {
    let world = World::new().await;
    let node = world.node_under(retrying());
    let ada = create(&node, "Ada").await;
    world.wire.taken();
    world.wire.now(Does::Answers(503, Some(("retry-after", "3600"))));
    let begun = Instant::now();
    let error = node.find(ada.id).await.expect_err("it is away");
    assert_eq!(error, UsersError::Unavailable { retry_after: Some(Duration::from_secs(3_600)) });
    assert_eq!((world.wire.requests(), begun.elapsed()), (1, Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn a_retry_that_cannot_end_in_time_is_not_begun() {
    let world = World::new().await;
    let retry = Retry::fixed(Duration::from_secs(1)).with_attempts(10);
    let policy = Policy::builder("users").total_timeout(Duration::from_millis(2_500)).retry(retry).build();
    let node = world.node_under(policy.expect("a policy"));
    world.wire.now(Does::IsDown);
    let begun = Instant::now();
    node.create(wish("Ada")).await.expect_err("it is down");
    assert_eq!((world.wire.requests(), begun.elapsed()), (3, Duration::from_secs(2)));
}
