//! A service over a store in memory, the wire to it, and nodes that call it.

use std::sync::Arc;
use std::time::Duration;

use example_users::HttpUsers;
use example_users::domain::{Email, Name, NewUser, PageSize, User, UserId, Users as _};
use example_users::service::{Fingerprints, UsersService, router};
use ledgerstone::http::Http;
use ledgerstone::resilience::{Policy, Retry};
use ledgerstone::stores::{Backend, Resources, open};
use uuid::Uuid;

use crate::wire::Wire;

/// A service with a wire to it.
pub(crate) struct World {
    pub(crate) backend: Backend,
    pub(crate) wire: Wire,
}

impl World {
    pub(crate) async fn new() -> Self {
        let locator = "memory:".parse().expect("a locator");
        let backend = open(&locator, &Resources::default()).await.expect("memory opens");
        let service = UsersService::open(&backend, Fingerprints::default()).await.expect("the service opens");
        Self { backend, wire: Wire::to(router(service)) }
    }

    /// Makes the client of a node, under a policy.
    pub(crate) fn http(&self, policy: Policy) -> Http {
        let http = Http::builder("users", Arc::new(self.wire.clone()), "http://users.test");
        http.policy(policy).build().expect("a client")
    }

    /// Makes a node as it is shipped; nothing tells it what changes.
    pub(crate) fn node(&self) -> HttpUsers {
        self.node_under(HttpUsers::policy().expect("a policy"))
    }

    pub(crate) fn node_under(&self, policy: Policy) -> HttpUsers {
        HttpUsers::new(self.http(policy), HttpUsers::cache_settings()).expect("a node")
    }

    /// Makes a node that follows the log.
    pub(crate) async fn following(&self) -> HttpUsers {
        let node = self.node();
        let invalidator = node.invalidator(Arc::clone(&self.backend.events)).expect("an invalidator");
        invalidator.catch_up().await.expect("it follows");
        tokio::spawn(invalidator.run());
        node
    }

    /// Returns how many users the service has, whatever nodes think.
    pub(crate) async fn count(&self) -> usize {
        let node = self.node();
        let size = PageSize::new(PageSize::MAX).expect("a size");
        let (mut count, mut from) = (0, None);
        loop {
            let page = node.page(size, from).await.expect("a page");
            count += page.users.len();
            match page.next {
                Some(next) => from = Some(next),
                None => return count,
            }
        }
    }
}

/// Makes a policy that retries twice at most, quickly, and has no breaker.
pub(crate) fn retrying() -> Policy {
    let retry = Retry::exponential(Duration::from_millis(10), Duration::from_millis(100));
    Policy::builder("users").retry(retry).build().expect("a policy")
}

pub(crate) fn name(text: &str) -> Name {
    Name::new(text).expect("a name")
}

pub(crate) fn email(text: &str) -> Email {
    Email::new(text).expect("an address")
}

/// The wish for a user of this name; each call is another wish.
pub(crate) fn wish(text: &str) -> NewUser {
    let address = format!("{}@example.org", text.to_lowercase());
    NewUser { wish: Uuid::now_v7(), name: name(text), email: email(&address) }
}

pub(crate) async fn create(node: &HttpUsers, text: &str) -> User {
    node.create(wish(text)).await.expect("created")
}

pub(crate) async fn find(node: &HttpUsers, id: UserId) -> User {
    node.find(id).await.expect("an answer").expect("a user")
}

/// Lets everything that is under way come to rest.
pub(crate) async fn rest() {
    tokio::time::sleep(Duration::from_millis(10)).await;
}
