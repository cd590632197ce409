//! A writer of a workload: it makes batches that others will contradict, and asks for them.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ledgerstone_core::ExpectedRevision::{Any, At, NoStream, StreamExists};
use ledgerstone_core::{
    Append, AppendCondition, Batch, EventData, EventType, ExpectedRevision, InvalidName, LogKind, MarkChange,
    MarkName, Position, Query, QueryItem, Selection, StreamId, Tag, Tenant, TenantScope,
};

use super::recorder::{Recorder, event_id};
use super::workload::{Move, Workload};
use crate::conformance::CaseError;
use crate::random::Random;

const TYPES: [&str; 3] = ["opened", "moved", "closed"];
const TAGS: [&str; 4] = ["red", "blue", "seat:1", "seat:2"];
/// How long a mark guards: longer than any workload lasts.
const KEEP: Duration = Duration::from_secs(24 * 3600);

/// A writer.
pub(super) struct Writer {
    recorder: Arc<Recorder>,
    random: Random,
    seed: u64,
    number: u64,
    rounds: u64,
    moves: Vec<Move>,
    tenants: bool,
    made: u64,
}

impl Writer {
    pub(super) fn new(workload: &Workload, number: u64, recorder: Arc<Recorder>, random: Random) -> Self {
        let tenants = recorder.store.capabilities().all_tenants;
        Self {
            recorder,
            random,
            seed: workload.seed,
            number,
            rounds: workload.rounds,
            moves: workload.moves.clone(),
            tenants,
            made: 0,
        }
    }

    /// Asks for as many batches as the workload says.
    pub(super) async fn write(mut self) -> Result<(), CaseError> {
        for _ in 0..self.rounds {
            let at = self.random.below(self.moves.len());
            let Some(chosen) = self.moves.get(at).copied() else { return Ok(()) };
            let batch = self.batch(chosen).await?;
            self.recorder.pool.lock().push(batch.clone());
            self.recorder.append(batch).await;
        }
        Ok(())
    }

    async fn batch(&mut self, chosen: Move) -> Result<Batch, CaseError> {
        let tenant = self.tenant()?;
        let mut batch = Batch { tenant, ..Batch::default() };
        match chosen {
            Move::Any => batch.appends.push(self.append(Any)?),
            Move::New => batch.appends.push(self.append(NoStream)?),
            Move::Exists => batch.appends.push(self.append(StreamExists)?),
            Move::Exact => batch.appends.push(self.exact(&batch.tenant).await?),
            Move::Condition => {
                batch.condition = Some(self.condition().await?);
                batch.appends.push(self.append(Any)?);
            }
            Move::Several => self.several(&mut batch)?,
            Move::Marks => {
                batch.marks = self.marks(&batch.tenant).await?;
                batch.appends.push(self.append(Any)?);
            }
            Move::Again => return self.again(),
            Move::Stolen => return self.stolen(batch),
        }
        Ok(batch)
    }

    fn tenant(&mut self) -> Result<Tenant, InvalidName> {
        Tenant::new(if self.tenants && self.random.below(3) == 0 { "acme" } else { "" })
    }

    fn stream(&mut self) -> Result<StreamId, InvalidName> {
        // A few that everybody wants, and many that are begun once.
        let few = self.random.below(2) == 0;
        StreamId::new(format!("s-{}", self.random.below(if few { 3 } else { 60 })))
    }

    fn event(&mut self, event_type: &str) -> Result<EventData, InvalidName> {
        self.made += 1;
        let id = event_id(self.seed, self.number, self.made);
        let payload = format!(r#"{{"of":"{id}"}}"#);
        let mut event = EventData::json(id, EventType::new(event_type)?, payload);
        if self.random.below(2) == 0 {
            event.tags.push(Tag::new(self.random.pick(&TAGS))?);
        }
        Ok(event)
    }

    fn events(&mut self) -> Result<Vec<EventData>, InvalidName> {
        let count = 1 + self.random.below(3);
        (0..count)
            .map(|_| {
                let name = self.random.pick(&TYPES);
                self.event(name)
            })
            .collect()
    }

    fn append(&mut self, expected: ExpectedRevision) -> Result<Append, InvalidName> {
        Ok(Append::to(self.stream()?, expected, self.events()?))
    }

    async fn exact(&mut self, tenant: &Tenant) -> Result<Append, CaseError> {
        let stream = self.stream()?;
        let scope = TenantScope::One(tenant.clone());
        let newest = Selection::stream(stream.clone()).of(scope).backwards().limit(1);
        let frames = self.recorder.read(newest).await?;
        let newest = frames.iter().flat_map(|frame| &frame.events).next();
        let expected = newest.and_then(|event| event.revision()).map_or(NoStream, At);
        Ok(Append::to(stream, expected, self.events()?))
    }

    async fn condition(&mut self) -> Result<AppendCondition, CaseError> {
        let head = self.recorder.head().await?.application;
        // Now and then from a little before, so that it fails, or from far beyond.
        let after = match self.random.below(8) {
            0 => Position(head.0.saturating_sub(3)),
            1 => Position(head.0 + 50),
            _ => head,
        };
        let item = match self.random.below(3) {
            0 => QueryItem::types([EventType::new(self.random.pick(&TYPES))?]),
            1 => QueryItem { stream: Some(self.stream()?), ..QueryItem::default() },
            _ => QueryItem::tags([Tag::new(self.random.pick(&TAGS))?]),
        };
        Ok(AppendCondition { fail_if_match: Query::from(item), after })
    }

    /// Fills a batch with appends to streams of both counts, and to none.
    fn several(&mut self, batch: &mut Batch) -> Result<(), InvalidName> {
        let guards = [Any, Any, StreamExists, NoStream];
        for _ in 0..2 {
            let expected = guards.get(self.random.below(guards.len())).copied().unwrap_or_default();
            let append = self.append(expected)?;
            if batch.appends.iter().all(|other| other.stream != append.stream) {
                batch.appends.push(append);
            }
        }
        if self.random.below(2) == 0 {
            batch.appends.push(Append::to(self.stream()?, Any, vec![self.event("$noted")?]));
        }
        if self.random.below(3) == 0 {
            batch.appends.push(Append::to_log(self.events()?));
        }
        Ok(())
    }

    async fn marks(&mut self, tenant: &Tenant) -> Result<Vec<MarkChange>, CaseError> {
        let known = self.recorder.marks(tenant).await?;
        let mut changes = Vec::new();
        let counter = format!("counter-{}", self.random.below(2));
        let number = known.get(&counter).map_or(0, |mark| mark.number);
        changes.push(MarkChange::Rises { name: MarkName::new(counter)?, to: number + 1 });
        if self.random.below(2) == 0 {
            let name = format!("value-{}", self.random.below(2));
            let version = known.get(&name).map_or(0, |mark| mark.version);
            let value = (self.random.below(4) > 0).then(|| Bytes::from(self.made.to_string()));
            changes.push(MarkChange::Swap { name: MarkName::new(name)?, version, value, keep_for: None });
        }
        if self.random.below(3) == 0 {
            let name = MarkName::new(format!("handled-{}", self.random.below(20)))?;
            changes.push(MarkChange::Once { name, keep_for: KEEP });
        }
        Ok(changes)
    }

    fn again(&mut self) -> Result<Batch, CaseError> {
        let known = self.recorder.pool.lock().clone();
        let newest = known.len().saturating_sub(12);
        let recent = known.get(newest..).unwrap_or_default();
        match recent.get(self.random.below(recent.len())) {
            Some(batch) => Ok(batch.clone()),
            None => Ok(Batch::of(self.append(Any)?)),
        }
    }

    /// Puts a known id into a batch of its own.
    fn stolen(&mut self, mut batch: Batch) -> Result<Batch, CaseError> {
        let known = self.again()?;
        let mut append = self.append(Any)?;
        if let Some(event) = known.events().find(|event| event.log() == LogKind::Application) {
            batch.tenant = known.tenant.clone();
            append.events.push(event.clone());
        }
        batch.appends.push(append);
        Ok(batch)
    }
}
