//! The bulkhead slot: how many calls may be under way at once, and how many may wait for a place.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

use crate::duration_text::show;

/// The bulkhead slot of a policy: one slow dependency cannot take every task of the process.
///
/// All policies of one dependency share its places by name. Who waits gets one in the order of coming; who
/// stops waiting leaves no trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bulkhead {
    /// How many calls may be under way at once.
    pub concurrency: usize,
    /// How many further ones may wait; 0 refuses them at once.
    pub queue: usize,
    /// How long one waits at most.
    pub longest_wait: Duration,
}

impl Bulkhead {
    /// Lets `concurrency` calls be under way at once, and none wait.
    pub fn of(concurrency: usize) -> Self {
        Self { concurrency, queue: 0, longest_wait: Duration::from_secs(1) }
    }

    /// Lets `queue` further calls wait for a place, each for `longest_wait` at most.
    #[must_use]
    pub fn with_queue(mut self, queue: usize, longest_wait: Duration) -> Self {
        (self.queue, self.longest_wait) = (queue, longest_wait);
        self
    }

    pub(crate) fn describe(&self) -> String {
        let Self { concurrency, queue, longest_wait } = self;
        match queue {
            0 => format!("{concurrency} calls at once, none waits"),
            _ => format!("{concurrency} calls at once, {queue} wait for at most {}", show(*longest_wait)),
        }
    }
}

/// The places of one dependency.
#[derive(Debug)]
pub(crate) struct Places {
    name: Arc<str>,
    rules: Mutex<Bulkhead>,
    free: Semaphore,
    waiting: AtomicUsize,
    /// How many places that are taken are not given back, since there are fewer now.
    owed: AtomicUsize,
}

/// The bulkhead is full.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Full;

impl Places {
    pub(crate) fn new(name: Arc<str>, rules: Bulkhead) -> Self {
        let free = Semaphore::new(rules.concurrency);
        let (waiting, owed) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Self { name, rules: Mutex::new(rules), free, waiting, owed }
    }

    pub(crate) fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Takes a place if one is free and nobody waits for it.
    pub(crate) fn try_take(&self) -> Option<Place<'_>> {
        let permit = self.free.try_acquire().ok()?;
        Some(Place { permit: Some(permit), places: self })
    }

    /// Takes a place, after waiting for one if it may.
    pub(crate) async fn take(&self) -> Result<Place<'_>, Full> {
        let Bulkhead { queue, longest_wait, .. } = *self.rules.lock();
        let waiting = Waiting::join(&self.waiting, queue)?;
        let permit = timeout(longest_wait, self.free.acquire()).await;
        drop(waiting);
        match permit {
            Ok(Ok(permit)) => Ok(Place { permit: Some(permit), places: self }),
            _ => Err(Full),
        }
    }

    /// Changes how many places there are; who has one keeps it.
    pub(crate) fn reconfigure(&self, rules: Bulkhead) {
        let mut current = self.rules.lock();
        let before = std::mem::replace(&mut *current, rules).concurrency;
        if rules.concurrency < before {
            let fewer = before - rules.concurrency;
            let forgotten = self.free.forget_permits(fewer);
            self.owed.fetch_add(fewer - forgotten, Ordering::Relaxed);
        } else {
            let more = rules.concurrency - before;
            let kept = (0..more).take_while(|_| self.pay()).count();
            self.free.add_permits(more - kept);
        }
    }

    /// Pays one of the places that are owed; `false` if none is.
    fn pay(&self) -> bool {
        let pay = |owed: usize| owed.checked_sub(1);
        self.owed.fetch_update(Ordering::Relaxed, Ordering::Relaxed, pay).is_ok()
    }
}

/// A place in the bulkhead, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Place<'a> {
    permit: Option<SemaphorePermit<'a>>,
    places: &'a Places,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if self.places.owed.load(Ordering::Relaxed) > 0
            && self.places.pay()
            && let Some(permit) = self.permit.take()
        {
            permit.forget();
        }
    }
}

/// Somebody who waits, counted until it is dropped.
#[derive(Debug)]
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn join(waiting: &'a AtomicUsize, queue: usize) -> Result<Self, Full> {
        let join = |count: usize| (count < queue).then_some(count + 1);
        waiting.fetch_update(Ordering::AcqRel, Ordering::Acquire, join).map_err(|_| Full)?;
        Ok(Self(waiting))
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(rules: Bulkhead) -> Places {
        Places::new("orders".into(), rules)
    }

    fn count(places: &Places) -> usize {
        let mut held = Vec::new();
        while let Some(place) = places.try_take() {
            held.push(place);
        }
        held.len()
    }

    #[tokio::test(start_paused = true)]
    async fn the_queue_is_bounded_in_number_and_in_time() {
        let places = places(Bulkhead::of(1).with_queue(1, Duration::from_secs(1)));
        let held = places.try_take().unwrap();
        let (waited, refused) = tokio::join!(places.take(), places.take());
        assert_eq!((waited.unwrap_err(), refused.unwrap_err()), (Full, Full));
        drop(held);
        assert_eq!(count(&places), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn who_stops_waiting_leaves_no_trace() {
        let places = places(Bulkhead::of(1).with_queue(1, Duration::from_secs(60)));
        let held = places.try_take().unwrap();
        assert!(timeout(Duration::from_secs(1), places.take()).await.is_err());
        assert_eq!(places.waiting.load(Ordering::Relaxed), 0);
        drop(held);
        assert!(places.take().await.is_ok());
        assert_eq!(count(&places), 1);
    }

    #[test]
    fn fewer_places_hold_as_soon_as_those_taken_come_back() {
        let places = places(Bulkhead::of(3));
        let held: Vec<_> = (0..3).map(|_| places.try_take().unwrap()).collect();
        places.reconfigure(Bulkhead::of(1));
        drop(held);
        assert_eq!(count(&places), 1);
        places.reconfigure(Bulkhead::of(4));
        assert_eq!(count(&places), 4);
    }

    #[test]
    fn more_places_are_there_at_once_even_where_some_are_owed() {
        let places = places(Bulkhead::of(3));
        let held: Vec<_> = (0..3).map(|_| places.try_take().unwrap()).collect();
        places.reconfigure(Bulkhead::of(1));
        places.reconfigure(Bulkhead::of(4));
        assert_eq!(count(&places), 1);
        drop(held);
        assert_eq!(count(&places), 4);
    }
}
