//! Pages of users: T-17, and that nobody can ask for everything.

use example_users::HttpUsers;
use example_users::domain::{PageSize, User, UserPage, Users as _, UsersError};
use ledgerstone::resilience::Policy;

use crate::world::{World, create, name, rest};

fn size(size: u16) -> PageSize {
    PageSize::new(size).expect("a size")
}

async fn pages(node: &HttpUsers, of: u16) -> Vec<UserPage> {
    let mut pages = Vec::new();
    let mut from = None;
    loop {
        let page = node.page(size(of), from).await.expect("a page");
        let next = page.next.clone();
        pages.push(page);
        match next {
            Some(next) => from = Some(next),
            None => return pages,
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_empty_list_is_a_hit_until_the_log_says_otherwise() {
    let world = World::new().await;
    let node = world.following().await;
    for _ in 0..5 {
        assert_eq!(node.page(size(10), None).await, Ok(UserPage { users: Vec::new(), next: None }));
    }
    assert_eq!(world.wire.requests(), 1);
    create(&world.node(), "Ada").await;
    rest().await;
    assert_eq!(node.page(size(10), None).await.expect("a page").users.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_listing_goes_by_bounded_pages_and_shows_everybody_once() {
    let world = World::new().await;
    let node = world.node();
    for number in 0..25 {
        create(&node, &format!("User{number}")).await;
    }
    let pages = pages(&node, 10).await;
    let sizes: Vec<_> = pages.iter().map(|page| page.users.len()).collect();
    assert_eq!(sizes.iter().sum::<usize>(), 25);
    assert!(sizes.iter().all(|size| *size <= 10), "{sizes:?}");
    let mut ids: Vec<_> = pages.iter().flat_map(|page| &page.users).map(|user| user.id).collect();
    assert!(ids.is_sorted());
    ids.dedup();
    assert_eq!(ids.len(), 25);
}

#[tokio::test(start_paused = true)]
async fn nobody_gets_more_than_a_page_by_asking_for_more() {
    assert!(PageSize::new(PageSize::MAX + 1).is_err() && PageSize::new(0).is_err());
    let world = World::new().await;
    let http = world.http(Policy::none("users"));
    for limit in ["51", "1000000", "-1", "all"] {
        let error = http.get("/users").query("limit", limit).send().await.expect_err(limit);
        assert_eq!(error.status(), Some(400), "{limit}");
    }
    let foreign = example_users::domain::PageToken::new("nothing of ours");
    let error = world.node().page(size(10), Some(foreign)).await.expect_err("no such page");
    assert!(matches!(error, UsersError::Invalid(_)), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_rename_drops_the_page_that_shows_the_user_and_leaves_the_others() {
    let world = World::new().await;
    let (node, there) = (world.following().await, world.node());
    for number in 0..9 {
        create(&there, &format!("User{number}")).await;
    }
    rest().await;
    let first = pages(&node, 3).await;
    let renamed = first[1].users[0].clone();
    world.wire.taken();
    there.update(User { name: name("Ada"), ..renamed }).await.expect("renamed");
    rest().await;
    assert_eq!(world.wire.requests(), 1);
    assert_eq!(pages(&node, 3).await[1].users[0].name, name("Ada"));
    assert_eq!(world.wire.requests(), 1, "only the second page was asked for");
}
