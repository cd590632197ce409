//! The repository of users over HTTP: cached, bounded, and told by the log what has changed.

mod failure;
mod invalidation;
mod user_dto;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use ledgerstone::cache::{Cache, CacheInvalidator, CacheSettings, Loaded};
use ledgerstone::core::{BackendError, Code, EventStore, InvalidName};
use ledgerstone::http::{Http, HttpCall};
use ledgerstone::resilience::{Bulkhead, CircuitBreaker, InvalidPolicy, Policy, Retry};

use self::failure::{of_cache, of_http};
use self::user_dto::{PageDto, UserDto};
use crate::domain::{NewUser, PageSize, PageToken, User, UserId, UserPage, Users, UsersError};

/// Finds and changes users by way of a service.
///
/// 1. A user, a page, and that there is no such user, are answered from memory until the log says that they
///    have changed ([`invalidator`](Self::invalidator)), and no longer than the cache's settings allow.
/// 2. While the service is down, what is stale is served up to `stale_on_error`; beyond that it is an error.
/// 3. Of many who miss the same thing at once, one asks.
/// 4. Whatever is repeated may be: questions, changes of a stated version, deletions, and creations by their
///    wish. What the caller did wrong is asked once.
/// 5. A change drops what is cached here and sets nothing: which of two changes was the last, only the log
///    knows.
///
/// Clones are cheap and share everything.
#[derive(Debug, Clone)]
pub struct HttpUsers {
    http: Http,
    users: Cache<User>,
    pages: Cache<UserPage>,
    retries: Option<u32>,
}

impl HttpUsers {
    /// Takes a client of the service and the settings of what is cached of it.
    pub fn new(http: Http, settings: CacheSettings) -> Result<Self, BackendError> {
        let users = Cache::builder("users", settings.clone()).build()?;
        let pages = Cache::builder("user-pages", settings).build()?;
        Ok(Self { http, users, pages, retries: None })
    }

    /// Retries so often instead of as often as the client's policy says; `Some(0)` means never.
    #[must_use]
    pub fn with_retries(mut self, retries: Option<u32>) -> Self {
        self.retries = retries;
        self
    }

    /// Makes the policy for calls to the service: five seconds in all, four attempts of a second and a half
    /// at most, a breaker, and sixty-four calls at once.
    pub fn policy() -> Result<Policy, InvalidPolicy> {
        Policy::builder("users")
            .total_timeout(Duration::from_secs(5))
            .retry(Retry::exponential(Duration::from_millis(50), Duration::from_secs(1)).with_attempts(4))
            .circuit_breaker(CircuitBreaker::default())
            .bulkhead(Bulkhead::of(64).with_queue(1_000, Duration::from_secs(1)))
            .attempt_timeout(Duration::from_millis(1_500))
            .build()
    }

    /// Makes the settings of the caches: fresh for a minute, and for ten minutes better than nothing.
    pub fn cache_settings() -> CacheSettings {
        CacheSettings {
            stale_on_error: Some(Duration::from_secs(600)),
            ..CacheSettings::with_ttl(Duration::from_secs(60))
        }
    }

    /// Makes what lets the log of the service invalidate these caches; a node spawns its `run`.
    pub fn invalidator(&self, log: Arc<dyn EventStore>) -> Result<CacheInvalidator, InvalidName> {
        invalidation::by_events(log, &self.users, &self.pages)
    }

    /// Makes this node forget what it knew before a change, whether or not the change succeeded: where its
    /// answer was lost, nobody knows.
    ///
    /// There is no shared tier here that could not be told; with one it would be told later, and the log
    /// tells it besides. So a failure is none of the change.
    async fn forget(&self, id: Option<UserId>) {
        if let Some(id) = id {
            let _ = self.users.delete(&id.to_string()).await;
        }
        let _ = self.pages.clear().await;
    }

    /// Reads the answer to a change as the user that it left.
    async fn changed(&self, call: HttpCall, id: Option<UserId>) -> Result<User, UsersError> {
        let answer = call.retries(self.retries).json::<UserDto>().await;
        self.forget(id).await;
        answer.map_err(|error| of_http(&error))?.into_user()
    }
}

#[async_trait]
impl Users for HttpUsers {
    async fn find(&self, id: UserId) -> Result<Option<User>, UsersError> {
        let call = self.http.get("/users/{id}").parameter("id", id).retries(self.retries);
        let load = move || async move {
            match call.json::<UserDto>().await {
                Ok(dto) => dto.into_user_of(id).map(Some),
                // A 404 that the service did not write comes from a wrong address, and says nothing about users.
                Err(error) if error.problem().is_some_and(|p| p.known_code() == Some(Code::NotFound)) => {
                    Ok(None)
                }
                Err(error) => Err(of_http(&error)),
            }
        };
        let found = self.users.find_or_load(&id.to_string(), load).await;
        Ok(found.map_err(|error| of_cache(&error))?.map(|user| (*user).clone()))
    }

    async fn page(&self, size: PageSize, from: Option<PageToken>) -> Result<UserPage, UsersError> {
        let key = format!("{}/{}", size.get(), from.as_ref().map_or("", PageToken::as_str));
        let mut call = self.http.get("/users").query("limit", size.get()).retries(self.retries);
        if let Some(from) = &from {
            call = call.query("from", from.as_str());
        }
        let load = move || async move {
            let dto: PageDto = call.json().await.map_err(|error| of_http(&error))?;
            let page = dto.into_page(size)?;
            let tags = invalidation::tags_of(&page).map_err(|error| UsersError::Broken(error.to_string()))?;
            Ok::<Loaded<UserPage>, UsersError>(Loaded::new(page).tags(tags))
        };
        let page = self.pages.get_or_load(&key, load).await.map_err(|error| of_cache(&error))?;
        Ok((*page).clone())
    }

    async fn create(&self, user: NewUser) -> Result<User, UsersError> {
        let wish = user.wish.hyphenated().to_string();
        let call = self.http.post("/users").body_json(&UserDto::new(&user)).idempotency_key(wish);
        self.changed(call, None).await
    }

    async fn update(&self, user: User) -> Result<User, UsersError> {
        let version = format!("\"{}\"", user.version);
        let call = self.http.put("/users/{id}").parameter("id", user.id).header("if-match", version);
        self.changed(call.body_json(&UserDto::of(&user)), Some(user.id)).await
    }

    async fn delete(&self, id: UserId) -> Result<(), UsersError> {
        let call = self.http.delete("/users/{id}").parameter("id", id).retries(self.retries);
        let answer = call.send().await;
        self.forget(Some(id)).await;
        answer.map(drop).map_err(|error| of_http(&error))
    }
}
