//! The store as the callers of a workload use it: every call and answer is written down.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use futures_util::TryStreamExt as _;
use ledgerstone_core::{
    Batch, EventStore, EventStoreError, Frame, Heads, Mark, Position, Selection, Tenant, TenantScope,
};
use parking_lot::Mutex;
use uuid::Uuid;

use super::attempt::{Attempt, Outcome, Reading, Sighting, Span};

/// The store, and what was written down so far.
#[derive(Debug)]
pub(super) struct Recorder {
    pub(super) store: Arc<dyn EventStore>,
    moments: AtomicU64,
    pub(super) attempts: Mutex<Vec<Attempt>>,
    pub(super) readings: Mutex<Vec<Reading>>,
    pub(super) sightings: Mutex<Vec<Sighting>>,
    /// Batches that anybody may ask for again.
    pub(super) pool: Mutex<Vec<Batch>>,
    pub(super) done: AtomicBool,
}

impl Recorder {
    pub(super) fn over(store: Arc<dyn EventStore>) -> Self {
        Self {
            store,
            moments: AtomicU64::new(1),
            attempts: Mutex::default(),
            readings: Mutex::default(),
            sightings: Mutex::default(),
            pool: Mutex::default(),
            done: AtomicBool::new(false),
        }
    }

    /// Returns the next moment.
    pub(super) fn moment(&self) -> u64 {
        self.moments.fetch_add(1, Ordering::SeqCst)
    }

    pub(super) fn is_done(&self) -> bool {
        self.done.load(Ordering::SeqCst)
    }

    /// Appends a batch.
    pub(super) async fn append(&self, batch: Batch) {
        let from = self.moment();
        let answer = self.store.append(batch.clone()).await;
        let to = self.moment();
        let outcome = match answer {
            Ok(appended) => Outcome::Appended(appended),
            Err(EventStoreError::Refused(refusal)) => Outcome::Refused(refusal),
            Err(error @ EventStoreError::Indeterminate(_)) => Outcome::Unknown(error.to_string()),
            Err(error) => Outcome::Failed(error.to_string()),
        };
        self.attempts.lock().push(Attempt { batch, span: Span { from, to }, outcome });
    }

    /// Reads a selection to its end, and returns the frames.
    pub(super) async fn read(&self, selection: Selection) -> Result<Vec<Frame>, EventStoreError> {
        let from = self.moment();
        let frames: Vec<Frame> = self.store.read(selection.clone()).try_collect().await?;
        let to = self.moment();
        self.readings.lock().push(Reading { selection, span: Span { from, to }, frames: frames.clone() });
        Ok(frames)
    }

    /// Returns the heads.
    pub(super) async fn head(&self) -> Result<Heads, EventStoreError> {
        let from = self.moment();
        let heads = self.store.head().await?.heads;
        let span = Span { from, to: self.moment() };
        self.sightings.lock().push(Sighting { span, heads, follower: None });
        Ok(heads)
    }

    /// Returns the marks of a tenant by name.
    pub(super) async fn marks(&self, tenant: &Tenant) -> Result<HashMap<String, Mark>, EventStoreError> {
        let marks = self.store.marks(TenantScope::One(tenant.clone()), "").await?;
        Ok(marks.into_iter().map(|mark| (mark.name.as_str().to_owned(), mark)).collect())
    }
}

/// Returns the last position that a reading came to.
pub(super) fn read_to(frames: &[Frame], otherwise: Position) -> Position {
    frames.last().map_or(otherwise, |frame| frame.read_to)
}

/// Makes the id of an event out of who made it and how many it made before.
pub(super) fn event_id(seed: u64, writer: u64, number: u64) -> Uuid {
    Uuid::from_u64_pair(seed, writer << 32 | number)
}
