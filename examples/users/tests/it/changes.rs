//! Changes that meet: nobody writes over what they have not seen.

use example_users::domain::{User, Users as _, UsersError};

use crate::wire::Does;
use crate::world::{World, create, email, find, name};

#[tokio::test(start_paused = true)]
async fn of_two_who_change_the_same_version_the_second_is_told() {
    let world = World::new().await;
    let (here, there) = (world.node(), world.node());
    let ada = create(&here, "Ada").await;
    let there_seen = find(&there, ada.id).await;
    let king = here.update(User { name: name("Ada King"), ..ada }).await.expect("changed");
    assert_eq!(king.version, 2);
    let late = there.update(User { name: name("Ada Byron"), ..there_seen }).await;
    assert_eq!(late, Err(UsersError::Changed));
    // Whoever was told reads again, past what was cached, and decides again.
    let seen = find(&there, king.id).await;
    assert_eq!(seen, king);
    let byron = User { name: name("Ada Byron"), email: email("byron@example.org"), ..seen };
    assert_eq!(there.update(byron).await.expect("changed").version, 4);
}

#[tokio::test(start_paused = true)]
async fn an_update_whose_answer_was_lost_is_no_conflict_with_itself() {
    let world = World::new().await;
    let node = world.node();
    let ada = create(&node, "Ada").await;
    world.wire.taken();
    world.wire.next([Does::LosesTheAnswer]);
    let king = node.update(User { name: name("Ada King"), ..ada }).await.expect("changed");
    assert_eq!((king.version, world.wire.requests()), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn a_change_that_names_no_version_is_refused() {
    let world = World::new().await;
    let (node, http) = (world.node(), world.http(ledgerstone::resilience::Policy::none("users")));
    let ada = create(&node, "Ada").await;
    let body = serde_json::json!({ "name": "Ada King", "email": "ada@example.org" });
    let call = http.put("/users/{id}").parameter("id", ada.id).body_json(&body);
    assert_eq!(call.send().await.expect_err("which version?").status(), Some(428));
}

#[tokio::test(start_paused = true)]
async fn this_node_sees_its_own_changes_at_once_even_if_their_answers_were_lost() {
    let world = World::new().await;
    let node = world.node().with_retries(Some(0));
    let ada = create(&node, "Ada").await;
    find(&node, ada.id).await;
    world.wire.next([Does::LosesTheAnswer]);
    let king = User { name: name("Ada King"), ..ada };
    node.update(king.clone()).await.expect_err("the answer is lost");
    assert_eq!(find(&node, king.id).await.name, king.name);
}
