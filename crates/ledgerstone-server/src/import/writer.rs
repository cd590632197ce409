//! The writing half of an import: chunks of rows become batches, one after another.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use ledgerstone::core::{
    Append, Appended, Batch, EventStore, EventStoreError, ExpectedRevision, MarkChange, Refusal, Retry,
    StreamId, Tenant,
};
use ledgerstone::engine::TokioSleeper;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use super::progress::{Progress, ProgressMark};
use super::row::{Identity, Row};
use crate::failure::Failure;

/// Rows that go into one batch.
#[derive(Debug, Default)]
pub(super) struct Chunk {
    rows: Vec<ChunkRow>,
    bytes: usize,
}

/// A row with what a rejects file would say of it.
#[derive(Debug, Clone)]
struct ChunkRow {
    line: u64,
    raw: Vec<u8>,
    row: Row,
}

impl Chunk {
    /// Adds a row.
    pub(super) fn push(&mut self, line: u64, raw: Vec<u8>, row: Row) {
        self.bytes += row.event.size();
        self.rows.push(ChunkRow { line, raw, row });
    }

    /// Returns the number of rows.
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Returns the size of the events.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Splits the later half off.
    fn split(&mut self) -> Self {
        let rows = self.rows.split_off(self.rows.len() / 2);
        let bytes = rows.iter().map(|row| row.row.event.size()).sum();
        self.bytes -= bytes;
        Self { rows, bytes }
    }

    /// Makes the batch: each stream once, in the order in which the streams come, its rows in theirs.
    fn to_batch(&self, tenant: &Tenant, mark: Option<MarkChange>) -> Batch {
        let mut places: HashMap<&StreamId, usize> = HashMap::new();
        let mut appends: Vec<Append> = Vec::new();
        for ChunkRow { row, .. } in &self.rows {
            let place = *places.entry(&row.stream).or_insert_with(|| {
                appends.push(Append::to(row.stream.clone(), ExpectedRevision::Any, Vec::new()));
                appends.len() - 1
            });
            if let Some(append) = appends.get_mut(place) {
                append.events.push(row.event.clone());
            }
        }
        let marks = mark.into_iter().collect();
        Batch { tenant: tenant.clone(), appends, marks, ..Batch::default() }
    }
}

/// What became of the rows that were written.
#[derive(Debug, Default)]
pub(super) struct Written {
    /// So many events were recorded.
    pub(super) accepted: u64,
    /// So many had been recorded before.
    pub(super) already_there: u64,
    /// Rows that the store refused: line, row, reason.
    pub(super) refused: Vec<(u64, Vec<u8>, String)>,
}

/// Writes chunks in order, one under way while the next is read.
#[derive(Debug)]
pub(super) struct Writer {
    events: Arc<dyn EventStore>,
    tenant: Tenant,
    handle: Handle,
    mark: Option<ProgressMark>,
    under_way: Option<JoinHandle<Result<(ProgressMark, Written), Failure>>>,
}

impl Writer {
    /// Begins where a mark stands.
    pub(super) fn new(
        events: Arc<dyn EventStore>,
        tenant: Tenant,
        handle: Handle,
        mark: ProgressMark,
    ) -> Self {
        Self { events, tenant, handle, mark: Some(mark), under_way: None }
    }

    /// Waits for the chunk under way, and hands over the next; returns what became of the former.
    pub(super) fn submit(&mut self, chunk: Chunk, progress: Progress) -> Result<Written, Failure> {
        let written = self.settle()?;
        let Some(mark) = self.mark.take() else { return Ok(written) };
        let task = write(Arc::clone(&self.events), self.tenant.clone(), mark, chunk, progress);
        self.under_way = Some(self.handle.spawn(task));
        Ok(written)
    }

    /// Waits for the chunk under way.
    pub(super) fn settle(&mut self) -> Result<Written, Failure> {
        let Some(under_way) = self.under_way.take() else { return Ok(Written::default()) };
        let joined = self.handle.block_on(under_way).map_err(anyhow::Error::new)?;
        let (mark, written) = joined?;
        self.mark = Some(mark);
        Ok(written)
    }

    /// Returns the progress that is stored, once nothing is under way.
    pub(super) fn stored(&self) -> Option<&Progress> {
        self.mark.as_ref().and_then(|mark| mark.progress.as_ref())
    }
}

async fn write(
    events: Arc<dyn EventStore>,
    tenant: Tenant,
    mut mark: ProgressMark,
    chunk: Chunk,
    mut progress: Progress,
) -> Result<(ProgressMark, Written), Failure> {
    // Once lost, exactness does not come back: the store may hold events that no mark accounts for.
    progress.exact &= mark.progress.as_ref().is_none_or(|stored| stored.exact);
    let mut written = Written::default();
    if chunk.rows.is_empty() {
        let change = mark.advance(progress);
        append(&*events, Batch { tenant: tenant.clone(), marks: vec![change], ..Batch::default() }).await?;
        mark.settle(&*events, &tenant).await?;
        return Ok((mark, written));
    }
    // A changed mark guards a batch, and a store may look ids up only where a guard fails. Ids of a row's own
    // may be anywhere in the store, so such rows go without the mark, and it follows.
    let own = chunk.rows.iter().any(|row| row.row.identity == Identity::Own);
    let with_events = (!own).then(|| mark.clone().advance(progress.clone()));
    match append(&*events, chunk.to_batch(&tenant, with_events)).await {
        Ok((_, Repetition::Unexpected)) => written.already_there = chunk.len() as u64,
        Ok(_) => written.accepted = chunk.len() as u64,
        Err(error) if is_about_a_row(&error) => {
            progress.exact = false;
            let stored = mark.progress.clone().unwrap_or_default();
            let change = mark.advance(Progress { exact: false, ..stored });
            append(&*events, Batch { tenant: tenant.clone(), marks: vec![change], ..Batch::default() })
                .await?;
            mark.settle(&*events, &tenant).await?;
            written = in_halves(&*events, &tenant, chunk).await?;
            let change = mark.advance(progress);
            append(&*events, Batch { tenant, marks: vec![change], ..Batch::default() }).await?;
            return Ok((mark, written));
        }
        Err(error) => return Err(told(error, &mark)),
    }
    let change = mark.advance(progress);
    if own {
        append(&*events, Batch { tenant: tenant.clone(), marks: vec![change], ..Batch::default() }).await?;
    }
    mark.settle(&*events, &tenant).await?;
    Ok((mark, written))
}

fn told(error: EventStoreError, mark: &ProgressMark) -> Failure {
    let twice = matches!(error, EventStoreError::Refused(Refusal::MarkNotMet { .. }));
    let failure = Failure::from(error);
    if twice {
        let help = format!(
            "another import of the same source runs now; wait for it, or name this source with --source ({})",
            mark.name
        );
        return failure.with_help(help);
    }
    failure
}

/// Tells whether a batch was refused because of some of its rows.
fn is_about_a_row(error: &EventStoreError) -> bool {
    matches!(
        error,
        EventStoreError::Refused(Refusal::IdReused { .. } | Refusal::Tombstoned { .. })
            | EventStoreError::InvalidBatch(_)
    )
}

/// Writes rows of which some are refused: what is refused together is written in halves, down to single rows.
async fn in_halves(events: &dyn EventStore, tenant: &Tenant, chunk: Chunk) -> Result<Written, Failure> {
    let mut written = Written::default();
    let mut left = vec![chunk];
    while let Some(mut chunk) = left.pop() {
        match append(events, chunk.to_batch(tenant, None)).await {
            Ok((_, Repetition::Unexpected)) => written.already_there += chunk.len() as u64,
            Ok(_) => written.accepted += chunk.len() as u64,
            Err(error) if is_about_a_row(&error) && chunk.len() > 1 => {
                // The earlier half is the next, so that the rows of a stream keep their order.
                left.push(chunk.split());
                left.push(chunk);
            }
            Err(error) if is_about_a_row(&error) => {
                for ChunkRow { line, raw, row } in chunk.rows {
                    // The same row, recorded in a batch of another shape by a run that died before its mark: an id
                    // that is derived from the content can be nobody else's.
                    let is_reused = matches!(error, EventStoreError::Refused(Refusal::IdReused { .. }));
                    if is_reused && row.identity != Identity::Own {
                        written.already_there += 1;
                    } else {
                        written.refused.push((line, raw, error.to_string()));
                    }
                }
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(written)
}

/// Whether the store had recorded a batch before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Repetition {
    /// No, or by an earlier attempt of this call.
    None,
    /// Yes, before this call.
    Unexpected,
}

/// Appends, and asks again with the same ids where that may help; a mark alone has none, and the next run
/// finds out how far this one came.
async fn append(events: &dyn EventStore, batch: Batch) -> Result<(Appended, Repetition), EventStoreError> {
    let retry = Retry { attempts: 6, base: Duration::from_millis(50), cap: Duration::from_secs(2) };
    let mut attempts = 0;
    let call = || {
        attempts += 1;
        events.append(batch.clone()).map(|appended| match appended {
            Err(error) if !error.may_append_again(&batch) => Ok(Err(error)),
            other => other.map(Ok),
        })
    };
    let appended: Appended = retry.run(&TokioSleeper, random, call).await??;
    let before = appended.repeated && attempts == 1;
    Ok((appended, if before { Repetition::Unexpected } else { Repetition::None }))
}

/// Draws a number for the jitter of retries; nothing else depends on it.
fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt as _;
    use ledgerstone::core::{EventData, EventType, Removal, Selection};
    use ledgerstone::stores::{Resources, open};
    use ledgerstone_testkit::{Call, Fault, Faults, Faulty, SequentialIds};

    use super::*;

    fn chunk(rows: std::ops::Range<u64>) -> Chunk {
        let mut chunk = Chunk::default();
        for number in rows {
            let noted = EventType::new("Noted").expect("a type");
            // Every seventeenth goes where nothing is taken any more.
            let name = if number % 17 == 5 { "gone-1".to_owned() } else { format!("a-{}", number % 3) };
            let stream = StreamId::new(name).expect("a stream");
            let event = EventData::json(SequentialIds::id(number + 1), noted, number.to_string());
            chunk.push(number, Vec::new(), Row { stream, event, identity: Identity::Own });
        }
        chunk
    }

    #[tokio::test]
    async fn rows_that_are_refused_cost_their_neighbours_no_commit_each() {
        let locator = "memory:".parse().expect("a locator");
        let store = open(&locator, &Resources::default()).await.expect("opens").events;
        let gone = StreamId::new("gone-1").expect("a stream");
        let tombstone = vec![Removal::tombstone(SequentialIds::id(1 << 40))];
        store.append(Batch::of(Append::to(gone, ExpectedRevision::Any, tombstone))).await.expect("appended");
        let written = in_halves(&*store, &Tenant::default(), chunk(0..340)).await.expect("written");
        let refused: Vec<u64> = written.refused.iter().map(|(line, ..)| *line).collect();
        assert_eq!(refused, (0..340).filter(|number| number % 17 == 5).collect::<Vec<_>>());
        assert_eq!((written.accepted, written.already_there), (320, 0));
        let mut events: Vec<_> =
            store.read(Selection::all()).map(|frame| frame.expect("a frame").events).concat().await;
        let batches = events.iter().filter(|event| event.is_batch_first()).count();
        assert!(batches < 120, "{batches} batches");
        events.retain(|event| event.stream() == Some("a-1"));
        let numbers: Vec<u64> =
            events.iter().map(|event| serde_json::from_slice(event.payload()).expect("a number")).collect();
        assert!(numbers.is_sorted(), "{numbers:?}");
        let again = in_halves(&*store, &Tenant::default(), chunk(0..340)).await.expect("written");
        assert_eq!(again.accepted, 0);
    }

    #[tokio::test]
    async fn an_answer_that_was_lost_is_no_repetition_of_an_earlier_run() {
        let locator = "memory:".parse().expect("a locator");
        let backend = open(&locator, &Resources::default()).await.expect("opens");
        let faults = Faults::none();
        let store = Faulty::new(backend.events, faults.clone());
        let noted = EventType::new("noted").expect("a type");
        let batch = Batch::of(Append::to_log(vec![EventData::json(SequentialIds::id(1), noted, "{}")]));
        faults.fail(Call::Append, Fault::After);
        let (appended, repetition) = append(&store, batch.clone()).await.expect("asked again");
        assert_eq!((appended.repeated, repetition), (true, Repetition::None));
        let (_, repetition) = append(&store, batch).await.expect("another run");
        assert_eq!(repetition, Repetition::Unexpected);
    }
}
