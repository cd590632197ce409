//! The repository of an aggregate: load it, decide on a command, append what happened.

use futures_core::stream::BoxStream;
use futures_util::{StreamExt, TryStreamExt, stream};
use serde::Serialize;
use serde::de::DeserializeOwned;

use ledgerstone_core::{
    Aggregate, Append, Appended, Batch, EventStoreError, RecordedEvent, Refusal, Revision, Selection,
    StreamId, StreamState,
};

use crate::as_of::AsOf;
use crate::context::Context;
use crate::ledger::{Ledger, stream_of};
use crate::loaded::{Bounds, Loaded, Newest};
use crate::repository_error::RepositoryError;
use crate::snapshots::{Snapshot, Snapshots, StateSnapshots};

/// Loads and changes the aggregates of one type, each in its stream `category-id`.
///
/// A cheap handle: clone it freely.
#[doc(alias = "IRepository")]
#[derive(Debug, Clone)]
pub struct Repository<A: Aggregate> {
    ledger: Ledger,
    snapshots: Option<StateSnapshots<A>>,
}

/// What a command led to.
#[derive(Debug)]
pub struct Outcome<A: Aggregate> {
    /// The aggregate's stream.
    pub stream: StreamId,
    /// The state afterwards.
    pub state: A,
    /// Where the stream stands afterwards.
    pub revision: StreamState,
    /// What happened; nothing if nothing was to be done.
    pub events: Vec<A::Event>,
    /// Where it was recorded, if anything happened; its point is what to wait for to read it back.
    pub appended: Option<Appended>,
    /// How often it was decided, conflicts with others included.
    pub attempts: u32,
}

/// An event of the past: typed, and as it was recorded.
#[derive(Debug)]
pub struct Past<E> {
    /// What happened.
    pub event: E,
    /// When, where, by whom.
    pub recorded: RecordedEvent,
}

type Error<A> = RepositoryError<<A as Aggregate>::Refusal>;

impl<A: Aggregate> Repository<A> {
    /// Takes an event store, or a [`Ledger`] that others share.
    pub fn new(ledger: impl Into<Ledger>) -> Self {
        Self { ledger: ledger.into(), snapshots: None }
    }

    /// Keeps and uses snapshots.
    #[must_use]
    pub fn with_snapshots(mut self, snapshots: Snapshots) -> Self
    where
        A: Snapshot + Serialize + DeserializeOwned,
    {
        self.snapshots = Some(StateSnapshots::new(snapshots));
        self
    }

    /// Returns what it shares with others.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Returns the stream of an aggregate.
    pub fn stream(&self, id: &str) -> Result<StreamId, Error<A>> {
        Ok(stream_of::<A>(id)?)
    }

    /// Loads an aggregate; one that nothing happened to has the default state, and so has one whose
    /// events were all removed, which goes on behind them.
    pub async fn load(&self, id: &str) -> Result<Loaded<A>, Error<A>> {
        let (loaded, _) = self.load_bounded(self.stream(id)?, Bounds::default(), true).await?;
        Ok(loaded)
    }

    /// Tells whether anything ever happened to an aggregate.
    pub async fn exists(&self, id: &str) -> Result<bool, Error<A>> {
        let selection = Selection::stream(self.stream(id)?).limit(1);
        Ok(first_of(&self.ledger, selection).await?.is_some())
    }

    /// Loads an aggregate as it was.
    ///
    /// A revision beyond the newest is an error, and so is a point whose events were removed; a
    /// time in the future tells the newest state.
    pub async fn load_at(&self, id: &str, as_of: AsOf) -> Result<Loaded<A>, Error<A>> {
        let stream = self.stream(id)?;
        let (loaded, _) = self.load_bounded(stream.clone(), as_of.bounds(), false).await?;
        if let AsOf::Revision(asked) = as_of
            && loaded.revision.next_revision() <= asked
        {
            let newest = Selection::stream(stream.clone()).backwards().limit(1);
            let newest = first_of(&self.ledger, newest).await?.and_then(|event| event.revision());
            let actual = newest.map_or(StreamState::Missing, StreamState::At);
            if actual.next_revision() <= asked {
                return Err(RepositoryError::Beyond { stream, as_of, actual });
            }
        }
        if !loaded.exists() {
            let first = first_of(&self.ledger, Selection::stream(stream.clone()).limit(1)).await?;
            match first.and_then(|event| event.revision()) {
                Some(first) if first > Revision::FIRST => {
                    return Err(RepositoryError::Removed { stream, as_of, first });
                }
                _ => {}
            }
        }
        Ok(loaded)
    }

    /// Loads an aggregate, decides on a command, and appends what it leads to.
    ///
    /// If others changed the stream meanwhile, only what they added is read and the command is
    /// decided anew, a bounded number of times. An append whose fate is unknown is repeated with the
    /// same ids. No events mean that nothing was to be done, and nothing is appended.
    pub async fn handle(
        &self,
        id: &str,
        command: A::Command,
        context: &Context,
    ) -> Result<Outcome<A>, Error<A>>
    where
        A::Command: Clone + Sync,
    {
        self.decide(id, context, |state| state.decide(command.clone())).await
    }

    /// Loads an aggregate, and appends what `decide` answers; like [`handle`](Self::handle) otherwise.
    ///
    /// It is asked again after a conflict, so it must not do anything but decide.
    pub async fn decide(
        &self,
        id: &str,
        context: &Context,
        mut decide: impl FnMut(&A) -> Result<Vec<A::Event>, A::Refusal> + Send,
    ) -> Result<Outcome<A>, Error<A>> {
        let (mut loaded, saved) = self.load_bounded(self.stream(id)?, Bounds::default(), true).await?;
        let mut attempts = 1;
        loop {
            let events = decide(&loaded.state).map_err(RepositoryError::Refused)?;
            let appended = self.append(&mut loaded, &events, context).await;
            let actual = match appended {
                Ok(appended) => {
                    if let (Some(snapshots), Some(appended)) = (&self.snapshots, &appended) {
                        snapshots.save_if_due(&loaded, appended.log, saved).await;
                    }
                    return Ok(Outcome::new(loaded, events, appended, attempts));
                }
                Err(error) => moved_to(error)?,
            };
            if !self.ledger.waits_after_conflict(attempts).await {
                return Err(RepositoryError::Conflict { stream: loaded.stream, actual, attempts });
            }
            loaded.catch_up(&self.ledger, actual).await?;
            attempts += 1;
        }
    }

    /// Appends events that were decided elsewhere to a loaded aggregate.
    ///
    /// Refused as [`RepositoryError::Conflict`] if others changed the stream since it was loaded.
    pub async fn save(
        &self,
        mut loaded: Loaded<A>,
        events: Vec<A::Event>,
        context: &Context,
    ) -> Result<Outcome<A>, Error<A>> {
        match self.append(&mut loaded, &events, context).await {
            Ok(appended) => Ok(Outcome::new(loaded, events, appended, 1)),
            Err(error) => {
                let actual = moved_to(error)?;
                Err(RepositoryError::Conflict { stream: loaded.stream, actual, attempts: 1 })
            }
        }
    }

    /// Yields what happened to an aggregate, oldest first.
    ///
    /// An event that is not decoded ends it with an error that names the event.
    pub fn history(&self, id: &str) -> BoxStream<'static, Result<Past<A::Event>, Error<A>>> {
        let stream = match self.stream(id) {
            Ok(stream) => stream,
            Err(error) => return stream::once(async move { Err(error) }).boxed(),
        };
        let codec = self.ledger.codec.clone();
        let frames = self.ledger.store.read(Selection::stream(stream.clone()));
        let pasts = frames.map_err(RepositoryError::from).map_ok(move |frame| {
            let (codec, stream) = (codec.clone(), stream.clone());
            stream::iter(frame.events).map(move |recorded| {
                let event = codec.decode(&recorded);
                let event =
                    event.map_err(|error| RepositoryError::Codec { stream: stream.clone(), error })?;
                Ok(Past { event, recorded })
            })
        });
        pasts.try_flatten().boxed()
    }

    /// Loads up to the bounds, from a snapshot if there is a sound one; the revision at which the
    /// newest snapshot continues comes with it.
    async fn load_bounded(
        &self,
        stream: StreamId,
        bounds: Bounds,
        may_save: bool,
    ) -> Result<(Loaded<A>, u64), Error<A>> {
        let mut loaded = Loaded::nothing(stream);
        let Some(snapshots) = &self.snapshots else {
            loaded.advance(&self.ledger, bounds).await?;
            return Ok((loaded, 0));
        };
        // Without a head no snapshot can be judged; whether the store fails altogether, reading tells.
        let log = self.ledger.store.head().await.ok().map(|head| head.log);
        if let Some(log) = log
            && let Some(found) = snapshots.find(&self.ledger, &loaded.stream, log, bounds).await
        {
            loaded = found;
        }
        let mut saved = loaded.revision.next_revision().0;
        loaded.advance(&self.ledger, bounds).await?;
        if let Some(log) = log.filter(|_| may_save) {
            saved = snapshots.save_if_due(&loaded, log, saved).await;
        }
        Ok((loaded, saved))
    }

    /// Appends events to a loaded aggregate and evolves it by them.
    async fn append(
        &self,
        loaded: &mut Loaded<A>,
        events: &[A::Event],
        context: &Context,
    ) -> Result<Option<Appended>, Error<A>> {
        if events.is_empty() {
            return Ok(None);
        }
        let stream = loaded.stream.clone();
        let encoded = self.ledger.encode::<A>(events, context);
        let encoded = encoded.map_err(|error| RepositoryError::Codec { stream: stream.clone(), error })?;
        let newest = encoded.last().map(|event| event.id);
        let batch = Batch::of(Append::to(stream, loaded.expected(), encoded));
        let appended = self.ledger.append(batch).await?;
        for event in events {
            loaded.state.evolve(event);
        }
        if let Some(revision) = appended.ranges.first().and_then(|range| range.revision) {
            loaded.revision = StreamState::At(revision);
        }
        loaded.newest = newest.map(|id| Newest { id, recorded_at: appended.recorded_at });
        Ok(Some(appended))
    }
}

impl<A: Aggregate> Outcome<A> {
    fn new(loaded: Loaded<A>, events: Vec<A::Event>, appended: Option<Appended>, attempts: u32) -> Self {
        let Loaded { stream, state, revision, .. } = loaded;
        Self { stream, state, revision, events, appended, attempts }
    }
}

/// Returns where others have moved the stream, if that is why an append was refused.
fn moved_to<R>(error: RepositoryError<R>) -> Result<StreamState, RepositoryError<R>> {
    match error {
        RepositoryError::Store(EventStoreError::Refused(Refusal::WrongRevision { actual, .. })) => Ok(actual),
        error => Err(error),
    }
}

/// Returns the first event of a selection.
pub(crate) async fn first_of(
    ledger: &Ledger,
    selection: Selection,
) -> Result<Option<RecordedEvent>, EventStoreError> {
    let first = || async {
        let mut frames = ledger.store.read(selection.clone());
        while let Some(frame) = frames.try_next().await? {
            if let Some(event) = frame.events.into_iter().next() {
                return Ok(Some(event));
            }
        }
        Ok(None)
    };
    ledger.retried(first).await
}

#[cfg(test)]
#[path = "repository_tests.rs"]
mod tests;
