//! The stage of a unit of work: what is to be committed, stream by stream.

use std::any::Any;
use std::fmt::Debug;

use ledgerstone_core::{
    Aggregate, Append, AppendCondition, Batch, EventData, EventStoreError, ExpectedRevision, InvalidBatch,
    LogKind, MarkChange, Refusal, Revision, StreamId, StreamState,
};

use crate::loaded::Loaded;

/// What is staged: events, a condition, changes of marks.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stage {
    appends: Vec<Staged>,
    pub(crate) condition: Option<AppendCondition>,
    pub(crate) marks: Vec<MarkChange>,
}

/// What is staged for one stream in one count, or for none.
#[derive(Debug, Clone)]
struct Staged {
    stream: Option<StreamId>,
    log: LogKind,
    expected: ExpectedRevision,
    events: Vec<EventData>,
    tracked: Option<Box<dyn Tracked>>,
}

/// A loaded aggregate of whatever type, evolved by what is staged.
trait Tracked: Debug + Send + Sync {
    fn boxed(&self) -> Box<dyn Tracked>;
    fn any_mut(&mut self) -> &mut dyn Any;
}

impl<A: Aggregate> Tracked for Loaded<A> {
    fn boxed(&self) -> Box<dyn Tracked> {
        Box::new(self.clone())
    }

    fn any_mut(&mut self) -> &mut dyn Any {
        self
    }
}

impl Clone for Box<dyn Tracked> {
    fn clone(&self) -> Self {
        (**self).boxed()
    }
}

impl Stage {
    pub(crate) fn is_empty(&self) -> bool {
        self.marks.is_empty() && self.appends.iter().all(|staged| staged.events.is_empty())
    }

    /// Tells whether the application events of a stream are loaded or staged.
    pub(crate) fn holds(&self, stream: &StreamId) -> bool {
        self.find(stream, LogKind::Application).is_some()
    }

    /// Keeps a loaded aggregate, unless one was kept meanwhile.
    pub(crate) fn track<A: Aggregate>(&mut self, loaded: Loaded<A>) {
        if !self.holds(&loaded.stream) {
            self.appends.push(Staged {
                stream: Some(loaded.stream.clone()),
                log: LogKind::Application,
                expected: loaded.expected(),
                events: Vec::new(),
                tracked: Some(Box::new(loaded)),
            });
        }
    }

    /// Returns the staged events of a loaded aggregate, and the aggregate.
    ///
    /// Fails if the stream was staged as bare events, or loaded as another type of aggregate.
    pub(crate) fn tracked<A: Aggregate>(
        &mut self,
        stream: &StreamId,
    ) -> Result<(&mut Vec<EventData>, &mut Loaded<A>), EventStoreError> {
        let index = self.find(stream, LogKind::Application);
        match index.and_then(|index| self.appends.get_mut(index)) {
            Some(Staged { events, tracked: Some(tracked), .. }) => match tracked.any_mut().downcast_mut() {
                Some(loaded) => Ok((events, loaded)),
                None => Err(twice(stream)),
            },
            _ => Err(twice(stream)),
        }
    }

    /// Adds bare events; what a stream has already is continued.
    pub(crate) fn append(&mut self, append: Append) -> Result<(), EventStoreError> {
        let log = append.log();
        let Append { stream, expected, events } = append;
        let index = stream.as_ref().and_then(|stream| self.find(stream, log));
        let there = index.and_then(|index| self.appends.get_mut(index));
        let (Some(staged), Some(name)) = (there, &stream) else {
            self.appends.push(Staged { stream, log, expected, events, tracked: None });
            return Ok(());
        };
        if staged.tracked.is_some() {
            return Err(twice(name));
        }
        match (expected, staged.stands_at()) {
            (ExpectedRevision::Any | ExpectedRevision::StreamExists, _) => {}
            (_, Some(actual)) if expected.holds(actual) => {}
            (_, Some(actual)) => {
                let stream = name.clone();
                return Err(Refusal::WrongRevision { stream, expected, actual }.into());
            }
            (_, None) => return Err(twice(name)),
        }
        staged.events.extend(events);
        Ok(())
    }

    /// Turns everything into one batch.
    pub(crate) fn into_batch(self) -> Batch {
        let appends = self.appends.into_iter().filter(|staged| !staged.events.is_empty());
        let appends =
            appends.map(|Staged { stream, expected, events, .. }| Append { stream, expected, events });
        Batch { appends: appends.collect(), condition: self.condition, marks: self.marks, ..Batch::default() }
    }

    fn find(&self, stream: &StreamId, log: LogKind) -> Option<usize> {
        self.appends.iter().position(|staged| staged.log == log && staged.stream.as_ref() == Some(stream))
    }
}

impl Staged {
    /// Returns where the stream stands behind what is staged, if its guard tells.
    fn stands_at(&self) -> Option<StreamState> {
        let base = match self.expected {
            ExpectedRevision::NoStream => 0,
            ExpectedRevision::At(revision) => revision.next().0,
            ExpectedRevision::Any | ExpectedRevision::StreamExists => return None,
        };
        let next = base.saturating_add(u64::try_from(self.events.len()).unwrap_or(u64::MAX));
        Some(next.checked_sub(1).map_or(StreamState::Missing, |last| StreamState::At(Revision(last))))
    }
}

fn twice(stream: &StreamId) -> EventStoreError {
    InvalidBatch::Twice { what: "the stream", name: stream.to_string() }.into()
}
