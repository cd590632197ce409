//! What a case gets: a store with nothing in it, its clock, and a way to open it again.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::case::CaseError;
use crate::fixed_clock::FixedClock;

type Reopen<S> = Box<dyn FnOnce() -> BoxFuture<'static, Result<Fresh<S>, CaseError>> + Send>;

/// A store with nothing in it, opened for one case.
pub struct Fresh<S> {
    /// The store.
    pub store: S,
    /// The clock that the store reads.
    pub clock: Arc<FixedClock>,
    reopen: Option<Reopen<S>>,
    held: Vec<Box<dyn Any + Send>>,
}

impl<S> Fresh<S> {
    /// Takes a store that reads `clock`.
    pub fn new(store: S, clock: Arc<FixedClock>) -> Self {
        Self { store, clock, reopen: None, held: Vec::new() }
    }

    /// Says how to open the same store again; a store that calls itself durable must.
    ///
    /// Before `reopen` is called this store has been dropped, but not what was given to
    /// [`holding`](Self::holding); `reopen` closes what must be closed.
    #[must_use]
    pub fn reopened_by<F>(mut self, reopen: impl FnOnce() -> F + Send + 'static) -> Self
    where
        F: Future<Output = Result<Self, CaseError>> + Send + 'static,
    {
        self.reopen = Some(Box::new(move || reopen().boxed()));
        self
    }

    /// Keeps something until the case has ended, such as a temporary folder or a server.
    #[must_use]
    pub fn holding(mut self, something: impl Any + Send) -> Self {
        self.held.push(Box::new(something));
        self
    }

    /// Drops the store and opens it again.
    pub async fn reopened(self) -> Result<Self, CaseError> {
        let Self { store, reopen, mut held, .. } = self;
        drop(store);
        let reopen = reopen.ok_or("the store calls itself durable, but nothing says how to open it again")?;
        let mut fresh = reopen().await?;
        fresh.held.append(&mut held);
        Ok(fresh)
    }
}

impl<S: fmt::Debug> fmt::Debug for Fresh<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fresh").field("store", &self.store).finish_non_exhaustive()
    }
}
