//! The concurrency limiter: so many calls of one key under way at a time.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use ledgerstone_core::{BackendError, Code, ErrorKind};
use metrics::{Counter, Gauge};
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::rule_set::check_key;

/// How much may be under way, and who may wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConcurrencyOptions {
    /// How many calls of one key may be under way at once.
    pub limit: u32,
    /// How many calls of one key may wait.
    pub max_waiting: u32,
    /// How long a call may wait.
    pub max_wait: Duration,
    /// How many keys may have calls under way or waiting.
    pub max_keys: usize,
}

impl Default for ConcurrencyOptions {
    fn default() -> Self {
        Self { limit: 16, max_waiting: 0, max_wait: Duration::from_secs(1), max_keys: 100_000 }
    }
}

/// Lets so many calls of each key be under way at once; the rest wait in order, or are refused.
///
/// Only keys with calls under way or waiting are remembered. A call that gives up, at whatever point,
/// gives back what it had.
#[derive(Debug, Clone)]
pub struct ConcurrencyLimiter {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    name: String,
    options: ConcurrencyOptions,
    keys: Mutex<HashMap<Arc<str>, Key>>,
    refused: Counter,
    under_way: Gauge,
}

#[derive(Debug)]
struct Key {
    permits: Arc<Semaphore>,
    /// How many hold a permit or wait for one.
    users: usize,
}

/// The right to be under way; it is given back when dropped.
#[derive(Debug)]
pub struct ConcurrencyPermit {
    permit: Option<OwnedSemaphorePermit>,
    user: User,
}

/// Somebody who holds a permit or waits for one; the last of them forgets the key.
#[derive(Debug)]
struct User {
    inner: Arc<Inner>,
    key: Arc<str>,
}

impl ConcurrencyLimiter {
    /// Creates a limiter whose metrics bear this name; a limit of 0 is taken for 1.
    pub fn new(name: &str, options: ConcurrencyOptions) -> Self {
        let labels = [("limiter", name.to_owned())];
        let inner = Inner {
            name: name.to_owned(),
            options: ConcurrencyOptions { limit: options.limit.max(1), ..options },
            keys: Mutex::default(),
            refused: metrics::counter!("ledgerstone_concurrency_limit_refused_total", &labels),
            under_way: metrics::gauge!("ledgerstone_concurrency_limit_under_way", &labels),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Returns the options.
    pub fn options(&self) -> ConcurrencyOptions {
        self.inner.options
    }

    /// Returns how many keys have calls under way or waiting.
    pub fn keys(&self) -> usize {
        self.inner.keys.lock().len()
    }

    /// Returns a permit if there is one to be had now.
    pub fn try_acquire(&self, key: &str) -> Result<ConcurrencyPermit, BackendError> {
        let (user, permits) = self.enter(key, 0)?;
        match permits.try_acquire_owned() {
            Ok(permit) => Ok(self.permit(user, permit)),
            Err(_) => {
                Err(self.refusal(format!("{} calls of this key are under way", self.inner.options.limit)))
            }
        }
    }

    /// Waits for a permit behind those who came earlier, if the queue has room and for as long as is allowed.
    pub async fn acquire(&self, key: &str) -> Result<ConcurrencyPermit, BackendError> {
        self.acquire_within(key, self.inner.options.max_wait).await
    }

    pub(crate) async fn acquire_within(
        &self,
        key: &str,
        wait: Duration,
    ) -> Result<ConcurrencyPermit, BackendError> {
        let (user, permits) = self.enter(key, self.inner.options.max_waiting)?;
        match tokio::time::timeout(wait, permits.acquire_owned()).await {
            Ok(Ok(permit)) => Ok(self.permit(user, permit)),
            _ => Err(self.refusal(format!("no call of this key ended within {wait:?}"))),
        }
    }

    fn permit(&self, user: User, permit: OwnedSemaphorePermit) -> ConcurrencyPermit {
        self.inner.under_way.increment(1.0);
        ConcurrencyPermit { permit: Some(permit), user }
    }

    /// Counts a user of the key in, if no more wait than may.
    fn enter(&self, key: &str, max_waiting: u32) -> Result<(User, Arc<Semaphore>), BackendError> {
        check_key(key)?;
        let options = self.inner.options;
        let most = (options.limit as usize).saturating_add(max_waiting as usize);
        let mut keys = self.inner.keys.lock();
        if let Some((kept, _)) = keys.get_key_value(key) {
            let kept = Arc::clone(kept);
            if let Some(entry) = keys.get_mut(key) {
                if entry.users >= most {
                    return Err(self.refusal(format!("{most} calls of this key are under way or waiting")));
                }
                entry.users += 1;
                let user = User { inner: Arc::clone(&self.inner), key: kept };
                return Ok((user, Arc::clone(&entry.permits)));
            }
        }
        if keys.len() >= options.max_keys {
            return Err(self.refusal(format!("calls of {} keys are under way", options.max_keys)));
        }
        let kept: Arc<str> = key.into();
        let permits = Arc::new(Semaphore::new(options.limit as usize));
        keys.insert(Arc::clone(&kept), Key { permits: Arc::clone(&permits), users: 1 });
        Ok((User { inner: Arc::clone(&self.inner), key: kept }, permits))
    }

    fn refusal(&self, why: String) -> BackendError {
        self.inner.refused.increment(1);
        let message = format!("{}: {why}; try again later", self.inner.name);
        BackendError::new(ErrorKind::Throttled, "rate_limit", "acquire", message).with_code(Code::Overloaded)
    }
}

impl Drop for ConcurrencyPermit {
    /// Gives the permit to the next, before the key may be forgotten.
    fn drop(&mut self) {
        drop(self.permit.take());
        self.user.inner.under_way.decrement(1.0);
    }
}

impl Drop for User {
    fn drop(&mut self) {
        let mut keys = self.inner.keys.lock();
        if let Some(entry) = keys.get_mut(&self.key) {
            entry.users -= 1;
            if entry.users == 0 {
                keys.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limiter(limit: u32, max_waiting: u32, max_keys: usize) -> ConcurrencyLimiter {
        let max_wait = Duration::from_secs(1);
        ConcurrencyLimiter::new("t", ConcurrencyOptions { limit, max_waiting, max_wait, max_keys })
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_are_under_way_than_the_limit_and_keys_do_not_touch() {
        let limiter = limiter(2, 0, 10);
        let held = [limiter.try_acquire("a").unwrap(), limiter.try_acquire("a").unwrap()];
        assert_eq!(limiter.try_acquire("a").unwrap_err().code(), Code::Overloaded);
        assert!(limiter.try_acquire("b").is_ok());
        drop(held);
        assert!(limiter.try_acquire("a").is_ok());
        assert_eq!(limiter.keys(), 0, "keys without calls are forgotten");
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_is_served_in_order_and_the_queue_is_bounded() {
        let limiter = limiter(1, 2, 10);
        let first = limiter.try_acquire("a").unwrap();
        let order = Arc::new(Mutex::new(Vec::new()));
        let mut waiting = Vec::new();
        for number in 0..2 {
            let (limiter, order) = (limiter.clone(), Arc::clone(&order));
            waiting.push(tokio::spawn(async move {
                let permit = limiter.acquire("a").await.unwrap();
                order.lock().push(number);
                drop(permit);
            }));
            tokio::task::yield_now().await;
        }
        assert!(limiter.acquire("a").await.is_err(), "a third may not wait");
        drop(first);
        for task in waiting {
            task.await.unwrap();
        }
        assert_eq!(*order.lock(), [0, 1]);
        assert_eq!(limiter.keys(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn who_gives_up_waiting_leaves_no_trace() {
        let limiter = limiter(1, 5, 10);
        let held = limiter.try_acquire("a").unwrap();
        let waiting = tokio::spawn({
            let limiter = limiter.clone();
            async move { limiter.acquire("a").await.map(drop) }
        });
        tokio::task::yield_now().await;
        waiting.abort();
        assert!(waiting.await.unwrap_err().is_cancelled());
        assert!(limiter.acquire("a").await.is_err(), "the wait is bounded");
        drop(held);
        assert!(limiter.try_acquire("a").is_ok());
        assert_eq!(limiter.keys(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn keys_are_bounded() {
        let limiter = limiter(1, 0, 1);
        let _held = limiter.try_acquire("a").unwrap();
        assert!(limiter.try_acquire("b").is_err());
        assert_eq!(limiter.keys(), 1);
    }
}
