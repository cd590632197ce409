//! The ledger: an event store with all that repositories and units of work share.

use std::sync::Arc;

use futures_util::{FutureExt as _, TryFutureExt as _};
use ledgerstone_core::{
    Aggregate, Appended, Batch, EventData, EventStore, EventStoreError, IdSource, InvalidName, Query, Retry,
    Sleeper, StreamId, TimeOrderedIds,
};

use crate::codec::Codec;
use crate::codec_error::CodecError;
use crate::context::Context;
use crate::repository::Repository;
use crate::sleeper::TokioSleeper;
use crate::stream_admin::StreamAdmin;
use crate::unit_of_work::UnitOfWork;

/// An event store together with the codec, the ids and the patience that its users share.
///
/// A cheap handle: clone it freely. Bind the store to a tenant with
/// [`Scoped`](crate::scoped::Scoped) before, if there are several.
#[derive(Debug, Clone)]
pub struct Ledger {
    pub(crate) store: Arc<dyn EventStore>,
    pub(crate) codec: Codec,
    ids: Arc<dyn IdSource>,
    sleeper: Arc<dyn Sleeper>,
    retry: Retry,
    conflicts: Retry,
}

impl Ledger {
    /// How often a decision is made anew after conflicts, unless asked otherwise: 20 times, with waits
    /// of at most 2 ms at first and 100 ms in the end.
    pub const CONFLICTS: Retry = Retry {
        attempts: 20,
        base: std::time::Duration::from_millis(2),
        cap: std::time::Duration::from_millis(100),
    };

    /// Takes a store, with no upcasters, time-ordered ids and core's usual retry.
    pub fn new(store: Arc<dyn EventStore>) -> Self {
        Self {
            store,
            codec: Codec::default(),
            ids: Arc::new(TimeOrderedIds),
            sleeper: Arc::new(TokioSleeper),
            retry: Retry::default(),
            conflicts: Self::CONFLICTS,
        }
    }

    /// Encodes and decodes with this codec.
    #[must_use]
    pub fn with_codec(mut self, codec: Codec) -> Self {
        self.codec = codec;
        self
    }

    /// Takes event ids from here.
    #[must_use]
    pub fn with_ids(mut self, ids: Arc<dyn IdSource>) -> Self {
        self.ids = ids;
        self
    }

    /// Waits between attempts with this.
    #[must_use]
    pub fn with_sleeper(mut self, sleeper: Arc<dyn Sleeper>) -> Self {
        self.sleeper = sleeper;
        self
    }

    /// Repeats what failed and may be repeated, so often.
    #[must_use]
    pub fn with_retry(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }

    /// Decides anew after a conflict, so often.
    #[must_use]
    pub fn with_conflicts(mut self, conflicts: Retry) -> Self {
        self.conflicts = conflicts;
        self
    }

    /// Returns the store.
    pub fn store(&self) -> &Arc<dyn EventStore> {
        &self.store
    }

    /// Returns the codec.
    pub fn codec(&self) -> &Codec {
        &self.codec
    }

    /// Returns the repository of an aggregate.
    pub fn repository<A: Aggregate>(&self) -> Repository<A> {
        Repository::new(self.clone())
    }

    /// Begins a unit of work over several aggregates.
    pub fn begin(&self) -> UnitOfWork {
        UnitOfWork::new(self.clone())
    }

    /// Returns what truncates and deletes streams.
    pub fn admin(&self) -> StreamAdmin {
        StreamAdmin::new(self.clone())
    }

    /// Widens a query so that each type in it stands for all the names that it was ever recorded under.
    ///
    /// Whoever queries by type passes through here: before the store is read, before a
    /// [`Subscription`](crate::subscription::Subscription) begins, and in a projection's `query`, with
    /// [`Upcasters::widen`](crate::upcaster::Upcasters::widen) where no ledger is at hand. The condition
    /// of a batch is widened by [`append`](Self::append).
    #[must_use]
    pub fn widen(&self, query: &Query) -> Query {
        self.codec.upcasters().widen(query)
    }

    /// Appends a batch, and repeats it with the same ids while nobody knows whether it was recorded.
    ///
    /// A type in its condition stands for all its historic names. A batch without events has no ids: there it
    /// is for the caller to read the marks and find out.
    pub async fn append(&self, mut batch: Batch) -> Result<Appended, EventStoreError> {
        if let Some(condition) = &mut batch.condition {
            condition.fail_if_match = self.widen(&condition.fail_if_match);
        }
        let appended = self.retried(|| {
            self.store.append(batch.clone()).map(|appended| match appended {
                Err(error) if !error.may_append_again(&batch) => Ok(Err(error)),
                other => other.map(Ok),
            })
        });
        appended.await?
    }

    /// Encodes events of one command, each with a new id.
    pub(crate) fn encode<A: Aggregate>(
        &self,
        events: &[A::Event],
        context: &Context,
    ) -> Result<Vec<EventData>, CodecError> {
        events.iter().map(|event| self.codec.encode(self.next_id(), event, context)).collect()
    }

    pub(crate) fn next_id(&self) -> uuid::Uuid {
        self.ids.next_id()
    }

    /// Calls the store again while it fails and may be asked again.
    pub(crate) async fn retried<T, F>(&self, mut call: impl FnMut() -> F + Send) -> Result<T, EventStoreError>
    where
        F: Future<Output = Result<T, EventStoreError>> + Send,
    {
        let told = |error: &EventStoreError| {
            if error.is_retryable() {
                tracing::warn!(%error, "the event store failed");
            }
        };
        let call = || call().inspect_err(told);
        self.retry.run(&*self.sleeper, || self.random(), call).await
    }

    /// Waits if a failed call may be repeated; otherwise, or after the last attempt, answers `false`.
    pub(crate) async fn waits_after(&self, error: &EventStoreError, attempt: u32) -> bool {
        if !error.is_retryable() {
            return false;
        }
        let Some(wait) = self.retry.wait(attempt, self.random()) else { return false };
        tracing::warn!(attempt, error = %error, "the event store failed and is asked again");
        self.sleeper.sleep(wait).await;
        true
    }

    /// Waits after a conflict; after the last attempt it answers `false`.
    pub(crate) async fn waits_after_conflict(&self, attempt: u32) -> bool {
        let Some(wait) = self.conflicts.wait(attempt, self.random()) else { return false };
        self.sleeper.sleep(wait).await;
        true
    }

    /// Draws from the source of ids; the two highest bits of that half are the variant of every UUID.
    fn random(&self) -> u64 {
        self.ids.next_id().as_u64_pair().1 << 2
    }
}

impl From<Arc<dyn EventStore>> for Ledger {
    fn from(store: Arc<dyn EventStore>) -> Self {
        Self::new(store)
    }
}

/// Returns the stream of an aggregate: its category, `-` and the id.
pub fn stream_of<A: Aggregate>(id: &str) -> Result<StreamId, InvalidName> {
    if A::CATEGORY.is_empty() || A::CATEGORY.contains('-') || A::CATEGORY.starts_with('$') {
        let reason = "it must hold text, contain no - and not begin with $; change the aggregate's CATEGORY";
        return Err(InvalidName::new("a category", A::CATEGORY, reason));
    }
    if id.is_empty() {
        return Err(InvalidName::new("an aggregate's id", id, "it is empty"));
    }
    StreamId::new(format!("{}-{id}", A::CATEGORY))
}

#[cfg(test)]
#[path = "ledger_tests.rs"]
mod tests;
