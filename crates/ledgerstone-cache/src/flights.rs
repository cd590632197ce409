//! Single flight: of many who want the same key one flies, and all hear how it landed.
//!
//! Nothing here knows a runtime, so a model checker can run it: the lock is a parameter, and waiting is a
//! future that is woken.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

/// A lock around a value: the real one, or that of a model checker.
pub(crate) trait Lock<T>: Send + Sync {
    /// Makes it around a value.
    fn around(value: T) -> Self;

    /// Runs `act` while nobody else does.
    fn with<R>(&self, act: impl FnOnce(&mut T) -> R) -> R;
}

impl<T: Send> Lock<T> for parking_lot::Mutex<T> {
    fn around(value: T) -> Self {
        Self::new(value)
    }

    fn with<R>(&self, act: impl FnOnce(&mut T) -> R) -> R {
        act(&mut self.lock())
    }
}

/// Which locks flights are made with.
pub(crate) trait Locks: 'static {
    /// A lock around `T`.
    type Of<T: Send + 'static>: Lock<T>;
}

/// The locks of the product.
#[derive(Debug)]
pub(crate) struct RealLocks;

impl Locks for RealLocks {
    type Of<T: Send + 'static> = parking_lot::Mutex<T>;
}

/// The flights of each key that has not landed.
type Board<R, L> = HashMap<Arc<str>, Arc<Flight<R, L>>>;

/// The flights under way, one a key.
pub(crate) struct Flights<R: Clone + Send + 'static, L: Locks = RealLocks> {
    under_way: Arc<L::Of<Board<R, L>>>,
}

/// One flight: what it brought, or who waits for it.
struct Flight<R: Clone + Send + 'static, L: Locks> {
    state: L::Of<FlightState<R>>,
}

struct FlightState<R> {
    landed: Option<R>,
    waiting: HashMap<u64, Waker>,
    next: u64,
}

/// How somebody takes part in a flight.
pub(crate) enum Joined<R: Clone + Send + 'static, L: Locks = RealLocks> {
    /// As the one who flies it: whoever has the ticket must land it.
    First(Ticket<R, L>, Landing<R, L>),
    /// As one who waits.
    Later(Landing<R, L>),
}

impl<R: Clone + Send + 'static, L: Locks> Default for Flights<R, L> {
    fn default() -> Self {
        Self { under_way: Arc::new(Lock::around(HashMap::new())) }
    }
}

impl<R: Clone + Send + 'static, L: Locks> Flights<R, L> {
    /// Joins the flight of a key, or begins one whose ticket lands as `lost` if it is dropped.
    pub(crate) fn join(&self, key: &str, lost: R) -> Joined<R, L> {
        self.under_way.with(|flights| match flights.get(key) {
            Some(flight) => Joined::Later(Landing::of(flight)),
            None => {
                let state = FlightState { landed: None, waiting: HashMap::new(), next: 0 };
                let flight = Arc::new(Flight { state: Lock::around(state) });
                let key: Arc<str> = key.into();
                flights.insert(Arc::clone(&key), Arc::clone(&flight));
                let landing = Landing::of(&flight);
                let flights = Arc::clone(&self.under_way);
                Joined::First(Ticket { flights, key, flight, lost: Some(lost) }, landing)
            }
        })
    }

    /// Returns how many are under way.
    pub(crate) fn count(&self) -> usize {
        self.under_way.with(|flights| flights.len())
    }
}

impl<R: Clone + Send + 'static, L: Locks> fmt::Debug for Flights<R, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flights").field("under_way", &self.count()).finish()
    }
}

/// The duty to land a flight; dropped without, it lands as lost, so that nobody waits for ever.
pub(crate) struct Ticket<R: Clone + Send + 'static, L: Locks = RealLocks> {
    flights: Arc<L::Of<Board<R, L>>>,
    key: Arc<str>,
    flight: Arc<Flight<R, L>>,
    lost: Option<R>,
}

impl<R: Clone + Send + 'static, L: Locks> Ticket<R, L> {
    /// Returns the key.
    pub(crate) fn key(&self) -> &Arc<str> {
        &self.key
    }

    /// Tells everybody who waits what the flight brought.
    pub(crate) fn land(mut self, result: R) {
        self.lost = None;
        self.end(result);
    }

    fn end(&self, result: R) {
        // First off the board, so that who comes from now on begins anew, and then the news.
        self.flights.with(|flights| {
            if flights.get(&self.key).is_some_and(|flight| Arc::ptr_eq(flight, &self.flight)) {
                flights.remove(&self.key);
            }
        });
        let waiting = self.flight.state.with(|state| {
            state.landed = Some(result);
            std::mem::take(&mut state.waiting)
        });
        waiting.into_values().for_each(Waker::wake);
    }
}

impl<R: Clone + Send + 'static, L: Locks> Drop for Ticket<R, L> {
    fn drop(&mut self) {
        if let Some(lost) = self.lost.take() {
            self.end(lost);
        }
    }
}

/// Waits until a flight has landed; may be dropped at any time.
pub(crate) struct Landing<R: Clone + Send + 'static, L: Locks = RealLocks> {
    flight: Arc<Flight<R, L>>,
    seat: u64,
}

impl<R: Clone + Send + 'static, L: Locks> Landing<R, L> {
    fn of(flight: &Arc<Flight<R, L>>) -> Self {
        let seat = flight.state.with(|state| {
            state.next += 1;
            state.next
        });
        Self { flight: Arc::clone(flight), seat }
    }
}

impl<R: Clone + Send + 'static, L: Locks> Future for Landing<R, L> {
    type Output = R;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<R> {
        self.flight.state.with(|state| match &state.landed {
            Some(result) => Poll::Ready(result.clone()),
            None => {
                state.waiting.insert(self.seat, context.waker().clone());
                Poll::Pending
            }
        })
    }
}

impl<R: Clone + Send + 'static, L: Locks> Drop for Landing<R, L> {
    fn drop(&mut self) {
        self.flight.state.with(|state| state.waiting.remove(&self.seat));
    }
}

#[cfg(test)]
mod tests {
    use shuttle::sync::atomic::{AtomicUsize, Ordering};
    use shuttle::{future, thread};

    use super::*;

    /// The locks of the model checker.
    struct ModelLocks;

    struct ModelLock<T>(shuttle::sync::Mutex<T>);

    impl<T: Send> Lock<T> for ModelLock<T> {
        fn around(value: T) -> Self {
            Self(shuttle::sync::Mutex::new(value))
        }

        fn with<R>(&self, act: impl FnOnce(&mut T) -> R) -> R {
            act(&mut self.0.lock().expect("no panic while locked"))
        }
    }

    impl Locks for ModelLocks {
        type Of<T: Send + 'static> = ModelLock<T>;
    }

    type ModelFlights = Flights<Option<u32>, ModelLocks>;

    /// What a caller does: look, join, and fly if nobody does; as the handle does it.
    fn call(flights: &ModelFlights, kept: &Arc<AtomicUsize>, loads: &Arc<AtomicUsize>) -> Option<u32> {
        if kept.load(Ordering::SeqCst) > 0 {
            return Some(7);
        }
        match flights.join("key", None) {
            Joined::Later(landing) => future::block_on(landing),
            Joined::First(ticket, landing) => {
                let (kept, loads) = (Arc::clone(kept), Arc::clone(loads));
                thread::spawn(move || {
                    // It may have landed between the look and the joining.
                    if kept.load(Ordering::SeqCst) == 0 {
                        loads.fetch_add(1, Ordering::SeqCst);
                        kept.store(1, Ordering::SeqCst);
                    }
                    ticket.land(Some(7));
                });
                future::block_on(landing)
            }
        }
    }

    #[test]
    fn in_every_order_one_loads_and_everybody_hears() {
        let model = || {
            let flights = Arc::new(ModelFlights::default());
            let (kept, loads) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
            let callers: Vec<_> = (0..3)
                .map(|_| {
                    let (flights, kept, loads) =
                        (Arc::clone(&flights), Arc::clone(&kept), Arc::clone(&loads));
                    thread::spawn(move || call(&flights, &kept, &loads))
                })
                .collect();
            for caller in callers {
                assert_eq!(caller.join().expect("it ends"), Some(7));
            }
            assert_eq!(loads.load(Ordering::SeqCst), 1);
            assert_eq!(flights.count(), 0);
        };
        shuttle::check_random(model, 2_000);
        shuttle::check_pct(model, 1_000, 3);
    }

    #[test]
    fn in_every_order_a_lost_flight_strands_nobody() {
        let model = || {
            let flights = Arc::new(ModelFlights::default());
            let callers: Vec<_> = (0..3)
                .map(|_| {
                    let flights = Arc::clone(&flights);
                    thread::spawn(move || match flights.join("key", None) {
                        Joined::Later(landing) => future::block_on(landing),
                        Joined::First(ticket, landing) => {
                            thread::spawn(move || drop(ticket));
                            future::block_on(landing)
                        }
                    })
                })
                .collect();
            for caller in callers {
                assert_eq!(caller.join().expect("it ends"), None);
            }
            assert_eq!(flights.count(), 0);
        };
        shuttle::check_random(model, 2_000);
    }

    #[test]
    fn in_every_order_who_stops_waiting_disturbs_nobody() {
        let model = || {
            let flights = Arc::new(ModelFlights::default());
            let Joined::First(ticket, first) = flights.join("key", None) else { panic!("nobody flies yet") };
            let waits = {
                let flights = Arc::clone(&flights);
                thread::spawn(move || match flights.join("key", None) {
                    Joined::Later(landing) => future::block_on(landing),
                    // It had landed before.
                    Joined::First(ticket, landing) => {
                        ticket.land(Some(7));
                        future::block_on(landing)
                    }
                })
            };
            let gives_up = thread::spawn(move || drop(first));
            ticket.land(Some(7));
            assert_eq!(waits.join().expect("it ends"), Some(7));
            gives_up.join().expect("it ends");
        };
        shuttle::check_random(model, 2_000);
    }
}
