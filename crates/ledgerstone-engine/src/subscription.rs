//! Catch-up subscriptions: repeated reads up to the head, so that no hand-over can lose an event.

use std::sync::Arc;

use futures_core::stream::BoxStream;
use futures_util::{StreamExt, stream};
use ledgerstone_core::{
    BackendError, Code, Direction, ErrorKind, EventStore, EventStoreError, Frame, Frames, Heads, LogHead,
    LogPoint, Position, Selection, TenantScope,
};

/// Reads the log from a point on: to the head once, or forever.
///
/// Handle the events of a frame, then remember its `read_to`: from there the next subscription begins.
#[derive(Debug, Clone, Copy)]
pub struct Subscription;

impl Subscription {
    /// Yields frames forever: what stands after `from`, then what is appended, as it is appended.
    ///
    /// It reads up to the head that it finds, waits until the head moves, and reads on from where it
    /// stopped. It ends only after an error, or where the selection's `up_to` or `limit` is reached. A
    /// point of another log, or beyond the head, is an error with [`Code::ForeignPosition`].
    pub fn follow(store: Arc<dyn EventStore>, selection: Selection, from: Option<LogPoint>) -> Frames {
        Self::begin(store, selection, from, true)
    }

    /// Yields frames from `from` to the head that stands when it begins, then ends.
    pub fn read_to_head(store: Arc<dyn EventStore>, selection: Selection, from: Option<LogPoint>) -> Frames {
        Self::begin(store, selection, from, false)
    }

    /// Returns every tenant if the store can read them all together, else the default tenant.
    pub fn every_tenant(store: &dyn EventStore) -> TenantScope {
        if store.capabilities().all_tenants { TenantScope::All } else { TenantScope::default() }
    }

    /// Checks that a point belongs to the log and does not stand beyond its head.
    pub fn check_point(
        store: &dyn EventStore,
        head: &LogHead,
        point: Option<LogPoint>,
        selection: &Selection,
    ) -> Result<(), EventStoreError> {
        let Some(point) = point else { return Ok(()) };
        let newest = head.heads.of(selection.log);
        let message = if point.log != head.log {
            format!(
                "position {} belongs to log {} and this is log {}; rebuild from the beginning, or rewind",
                point.position, point.log, head.log
            )
        } else if point.position > newest {
            format!(
                "position {} stands beyond the head {newest} of this log; rebuild from the beginning, or rewind",
                point.position
            )
        } else {
            return Ok(());
        };
        let backend = store.capabilities().backend;
        let error = BackendError::new(ErrorKind::Invalid, backend, "subscribe", message);
        Err(error.with_code(Code::ForeignPosition).into())
    }

    fn begin(
        store: Arc<dyn EventStore>,
        selection: Selection,
        from: Option<LogPoint>,
        forever: bool,
    ) -> Frames {
        let after = selection.after.max(from.map_or(Position::START, |point| point.position));
        let selection = Selection { after, direction: Direction::Forwards, ..selection };
        let state = Follower { store, selection, from, forever, changes: None, frames: None };
        stream::unfold(Some(state), |state| async move {
            let mut follower = state?;
            match follower.next().await {
                Ok(Some(frame)) => Some((Ok(frame), Some(follower))),
                Ok(None) => None,
                Err(error) => Some((Err(error), None)),
            }
        })
        .boxed()
    }
}

/// A subscription under way; `selection.after` moves with what was yielded.
struct Follower {
    store: Arc<dyn EventStore>,
    selection: Selection,
    from: Option<LogPoint>,
    forever: bool,
    changes: Option<BoxStream<'static, Heads>>,
    frames: Option<Frames>,
}

impl Follower {
    async fn next(&mut self) -> Result<Option<Frame>, EventStoreError> {
        if self.changes.is_none() {
            let head = self.store.head().await?;
            Subscription::check_point(&*self.store, &head, self.from, &self.selection)?;
            // Listening begins before the first read, so whatever moves the head later is heard.
            self.changes = Some(self.store.changes());
            self.frames = Some(self.store.read(self.selection.clone()));
        }
        loop {
            if let Some(frames) = &mut self.frames {
                if let Some(frame) = frames.next().await.transpose()? {
                    if self.advance(&frame) {
                        return Ok(Some(frame));
                    }
                    continue;
                }
                self.frames = None;
            }
            if !self.forever || self.is_finished() || !self.head_moved().await {
                return Ok(None);
            }
            self.frames = Some(self.store.read(self.selection.clone()));
        }
    }

    /// Moves behind a frame, and tells whether it says anything new.
    fn advance(&mut self, frame: &Frame) -> bool {
        let new = frame.read_to > self.selection.after || !frame.events.is_empty() || !frame.holes.is_empty();
        self.selection.after = self.selection.after.max(frame.read_to);
        if let Some(limit) = &mut self.selection.limit {
            *limit = limit.saturating_sub(u64::try_from(frame.events.len()).unwrap_or(u64::MAX));
        }
        new
    }

    fn is_finished(&self) -> bool {
        self.selection.limit == Some(0)
            || self.selection.up_to.is_some_and(|last| self.selection.after >= last)
    }

    /// Waits until there is something to read; false if the store will tell nothing more.
    async fn head_moved(&mut self) -> bool {
        let Some(changes) = &mut self.changes else { return false };
        while let Some(heads) = changes.next().await {
            if heads.of(self.selection.log) > self.selection.after {
                return true;
            }
        }
        false
    }
}

#[cfg(test)]
#[path = "subscription_tests.rs"]
mod tests;
