//! What is told when something fails: T-04, and results by their class.

use example_users::domain::{User, Users as _, UsersError};

use crate::wire::Does;
use crate::world::{World, create, email, find, name, retrying, wish};

fn nobody() -> example_users::domain::UserId {
    uuid::Uuid::from_u128(7).into()
}

#[tokio::test(start_paused = true)]
async fn a_failing_exists_is_an_error_and_not_false() {
    let world = World::new().await;
    let node = world.node();
    let ada = create(&node, "Ada").await;
    world.wire.now(Does::IsDown);
    assert_eq!(node.exists(ada.id).await, Err(UsersError::Unavailable { retry_after: None }));
    world.wire.now(Does::Delivers);
    assert_eq!(node.exists(ada.id).await, Ok(true));
    assert_eq!(node.exists(nobody()).await, Ok(false));
}

#[tokio::test(start_paused = true)]
async fn a_404_that_the_service_did_not_write_is_an_error_and_not_false() {
    let world = World::new().await;
    let node = world.node();
    // As from a proxy that knows no such path.
    world.wire.now(Does::Answers(404, None));
    let error = node.exists(nobody()).await.expect_err("nobody has looked");
    assert!(matches!(error, UsersError::Broken(_)), "{error}");
    world.wire.now(Does::Delivers);
    assert_eq!(node.exists(nobody()).await, Ok(false));
}

#[tokio::test(start_paused = true)]
async fn a_failure_inside_the_service_is_told_as_one_and_not_repeated() {
    let world = World::new().await;
    let node = world.node();
    world.wire.now(Does::Answers(500, None));
    let error = node.find(nobody()).await.expect_err("it broke");
    assert!(matches!(error, UsersError::Broken(_)), "{error}");
    assert_eq!(world.wire.requests(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_address_that_is_taken_is_told_apart_and_is_free_again_when_its_user_goes() {
    let world = World::new().await;
    let node = world.node();
    let ada = create(&node, "Ada").await;
    let grace = create(&node, "Grace").await;
    assert_eq!(node.create(wish("ADA")).await, Err(UsersError::Taken));
    let greedy = User { email: ada.email.clone(), ..grace.clone() };
    assert_eq!(node.update(greedy.clone()).await, Err(UsersError::Taken));

    let moved = User { email: email("king@example.org"), ..ada.clone() };
    let ada = node.update(moved).await.expect("a free address");
    let grace = node.update(greedy).await.expect("free now");
    assert_eq!(node.create(wish("Ada")).await, Err(UsersError::Taken));
    node.delete(grace.id).await.expect("deleted");
    let second = create(&node, "Ada").await;
    assert_ne!(second.id, ada.id);
    assert_eq!(world.count().await, 2);
}

#[tokio::test(start_paused = true)]
async fn of_many_who_want_one_address_at_once_one_gets_it() {
    let world = World::new().await;
    let node = world.node();
    let wishes = (0..50).map(|_| node.create(wish("Ada")));
    let answers = futures_util::future::join_all(wishes).await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1);
    assert!(answers.iter().all(|answer| answer.is_ok() || *answer == Err(UsersError::Taken)));
}

#[tokio::test(start_paused = true)]
async fn a_user_that_is_gone_is_none_and_cannot_be_changed() {
    let world = World::new().await;
    let node = world.node();
    let ada = create(&node, "Ada").await;
    // Its answer is lost, and the second one finds nothing left to do.
    world.wire.next([Does::LosesTheAnswer]);
    node.delete(ada.id).await.expect("deleted");
    assert_eq!(node.find(ada.id).await, Ok(None));
    assert_eq!(node.update(User { name: name("King"), ..ada }).await, Err(UsersError::NotFound));
    assert_eq!(node.delete(nobody()).await, Err(UsersError::NotFound));
}

#[tokio::test(start_paused = true)]
async fn nothing_personal_stands_in_errors_tags_streams_and_marks() {
    let world = World::new().await;
    let node = world.node_under(retrying());
    // A name that no hexadecimal number spells by chance.
    create(&node, "Grace").await;
    let taken = node.create(wish("Grace")).await.expect_err("taken");
    world.wire.now(Does::Answers(400, None));
    let refused = node.create(wish("Grace")).await.expect_err("refused");
    let marks =
        world.backend.events.marks(ledgerstone::core::TenantScope::default(), "").await.expect("marks");
    let marks: Vec<_> = marks.iter().map(|mark| (&mark.name, String::from_utf8_lossy(&mark.value))).collect();
    let event = first_event(&world).await;
    let told = format!("{taken} {taken:?} {refused} {refused:?} {marks:?} {:?} {:?}", event.stream(), {
        event.tags().map(|tag| tag.to_string()).collect::<Vec<_>>()
    });
    assert!(!told.to_lowercase().contains("grace"), "{told}");
    assert!(event.subject().is_some(), "what is personal can be made unreadable with its subject's key");
    assert_eq!(marks.len(), 1);
}

async fn first_event(world: &World) -> ledgerstone::core::RecordedEvent {
    use futures_util::TryStreamExt as _;
    use ledgerstone::core::{Query, Selection};
    let mut frames = world.backend.events.read(Selection::query(Query::all()).limit(1));
    while let Some(frame) = frames.try_next().await.expect("a frame") {
        if let Some(event) = frame.events.into_iter().next() {
            return event;
        }
    }
    panic!("the log is empty");
}

#[tokio::test(start_paused = true)]
async fn what_is_created_is_found() {
    let world = World::new().await;
    let node = world.node();
    let ada = create(&node, "Ada").await;
    assert_eq!((ada.name.as_str(), ada.email.as_str(), ada.version), ("Ada", "ada@example.org", 1));
    assert_eq!(find(&node, ada.id).await, ada);
}
