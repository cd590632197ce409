//! What callers are let loose on a store: how many, for how long, and what they like to do.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use ledgerstone_core::{EventStore, LogKind, RecordedEvent, Selection, TenantScope};

use super::reader::{follow, read_until_done};
use super::recorder::Recorder;
use super::verdict::History;
use super::writer::Writer;
use crate::conformance::CaseError;
use crate::random::Random;

/// What a writer may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Move {
    /// Appends to a stream at any revision.
    Any,
    /// Appends to a stream that must not be there.
    New,
    /// Reads a stream, and appends where it stood.
    Exact,
    /// Appends to a stream that must be there.
    Exists,
    /// Looks where the log stands, and appends unless something matched since.
    Condition,
    /// Appends to several streams of both counts, with guards, and to none.
    Several,
    /// Changes marks together with an event.
    Marks,
    /// Asks again for a batch that anybody asked for before.
    Again,
    /// Asks for a new event together with one that somebody asked for before.
    Stolen,
}

impl Move {
    /// Every move.
    pub const ALL: [Self; 9] = [
        Self::Any,
        Self::New,
        Self::Exact,
        Self::Exists,
        Self::Condition,
        Self::Several,
        Self::Marks,
        Self::Again,
        Self::Stolen,
    ];
}

/// Callers to be let loose on a store with nothing in it.
#[derive(Debug, Clone)]
pub struct Workload {
    /// What the callers draw from; the store adds its own timing.
    pub seed: u64,
    /// How many write.
    pub writers: u64,
    /// How many batches each writes.
    pub rounds: u64,
    /// How many read, besides two that follow what changes.
    pub readers: u64,
    /// What writers do, one drawn for each batch.
    pub moves: Vec<Move>,
}

impl Workload {
    /// Eight writers of a few batches each and two readers, who do everything.
    pub fn new(seed: u64) -> Self {
        Self { seed, writers: 8, rounds: 20, readers: 2, moves: Move::ALL.to_vec() }
    }

    /// Lets writers do these things only.
    #[must_use]
    pub fn of(mut self, moves: &[Move]) -> Self {
        self.moves = moves.to_vec();
        self
    }

    /// Lets the callers loose, and returns what they did once all have ended.
    pub async fn run(&self, store: Arc<dyn EventStore>) -> Result<History, CaseError> {
        let recorder = Arc::new(Recorder::over(store));
        let mut random = Random::new(self.seed);
        let writers: Vec<_> = (0..self.writers)
            .map(|number| {
                let writer = Writer::new(self, number, Arc::clone(&recorder), Random::new(random.next()));
                tokio::spawn(writer.write())
            })
            .collect();
        let mut readers: Vec<_> = (0..self.readers)
            .map(|_| tokio::spawn(read_until_done(Arc::clone(&recorder), Random::new(random.next()))))
            .collect();
        readers.extend((0..2).map(|number| tokio::spawn(follow(Arc::clone(&recorder), number))));
        let mut ended = Vec::new();
        for writer in writers {
            ended.push(writer.await?);
        }
        recorder.done.store(true, Ordering::SeqCst);
        for reader in readers {
            ended.push(reader.await?);
        }
        ended.into_iter().collect::<Result<(), _>>()?;
        finish(&recorder).await
    }
}

/// Reads what the store holds in the end.
async fn finish(recorder: &Recorder) -> Result<History, CaseError> {
    let store = &recorder.store;
    let scope = if store.capabilities().all_tenants { TenantScope::All } else { TenantScope::default() };
    let mut log: [Vec<RecordedEvent>; 2] = [Vec::new(), Vec::new()];
    for kind in [LogKind::Application, LogKind::System] {
        let frames = recorder.read(Selection::all().of(scope.clone()).log(kind)).await?;
        log[kind as usize] = frames.into_iter().flat_map(|frame| frame.events).collect();
    }
    let heads = recorder.head().await?;
    let marks = store.marks(scope, "").await?;
    Ok(History {
        attempts: std::mem::take(&mut *recorder.attempts.lock()),
        readings: std::mem::take(&mut *recorder.readings.lock()),
        sightings: std::mem::take(&mut *recorder.sightings.lock()),
        log,
        heads,
        marks,
    })
}
