//! Storms: what a dead service sees of a thousand callers. T-06.

use std::time::Duration;

use example_users::HttpUsers;
use example_users::domain::{UserId, Users as _};
use ledgerstone::resilience::{Policy, Retry};

use crate::wire::Does;
use crate::world::World;

const CALLERS: u128 = 1_000;

async fn storm(node: &HttpUsers) {
    let callers: Vec<_> = (0..CALLERS)
        .map(|number| {
            let (node, id) = (node.clone(), UserId::from(uuid::Uuid::from_u128(number)));
            tokio::spawn(async move { node.exists(id).await })
        })
        .collect();
    for caller in callers {
        caller.await.expect("it ends").expect_err("it is down");
    }
}

#[tokio::test(start_paused = true)]
async fn a_storm_of_callers_on_a_dead_service_stays_within_the_budget() {
    let world = World::new().await;
    // No breaker, and nine retries for each caller if it went by the policy alone.
    let retry = Retry::exponential(Duration::from_millis(10), Duration::from_secs(1)).with_attempts(10);
    let node = world.node_under(Policy::builder("users").retry(retry).build().expect("a policy"));
    world.wire.now(Does::IsDown);
    storm(&node).await;
    let seen = world.wire.requests();
    assert!((1_000..=1_210).contains(&seen), "{seen} requests for a thousand calls");
}

#[tokio::test(start_paused = true)]
async fn with_the_breaker_a_dead_service_is_left_alone_and_found_again() {
    let world = World::new().await;
    let node = world.node();
    world.wire.now(Does::IsDown);
    storm(&node).await;
    storm(&node).await;
    let seen = world.wire.requests();
    assert!(seen < 200, "{seen} requests for two thousand calls");
    world.wire.now(Does::Delivers);
    tokio::time::sleep(Duration::from_secs(6)).await;
    for number in 0..10 {
        let id = UserId::from(uuid::Uuid::from_u128(number));
        assert_eq!(node.exists(id).await, Ok(false));
    }
}
