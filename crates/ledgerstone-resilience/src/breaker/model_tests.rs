//! A model of the half-open breaker: the real permits, under every schedule that shuttle finds.

use shuttle::sync::{Arc, Mutex, atomic::AtomicUsize, atomic::Ordering};
use shuttle::thread;

use super::*;
use crate::window::Window;

impl CircuitCell for Mutex<Circuit> {
    fn with<R>(&self, change: impl FnOnce(&mut Circuit) -> R) -> R {
        change(&mut self.lock().unwrap())
    }
}

const PROBES: u32 = 2;

fn half_open() -> (Arc<Breaker<Mutex<Circuit>>>, Instant) {
    let rules = CircuitBreaker {
        failure_rate: 1.0,
        minimum_calls: 1,
        window: Window::Calls(1),
        open_for: Duration::from_secs(1),
        probes: PROBES,
        ..CircuitBreaker::default()
    };
    let began = Instant::now();
    let breaker = Breaker::over("orders".into(), began, Mutex::new(Circuit::new(rules)));
    breaker.admit(began).unwrap().record(true, Duration::ZERO, began);
    (Arc::new(breaker), began + Duration::from_secs(1))
}

/// What a caller does once it is admitted.
#[derive(Clone, Copy)]
enum Ends {
    Well,
    Badly,
    Cancelled,
}

type Model = Breaker<Mutex<Circuit>>;

fn state(breaker: &Model) -> BreakerState {
    breaker.circuit.with(|circuit| circuit.state())
}

/// How many calls it lets through at once, once it may try again.
fn places(breaker: &Model, now: Instant) -> usize {
    let tries: Vec<_> = (0..PROBES).map(|_| breaker.admit(now + Duration::from_secs(2))).collect();
    tries.iter().filter(|admitted| admitted.is_ok()).count()
}

fn run(ends: &'static [Ends], check: impl Fn(&Model, Instant) + Send + Sync + 'static) {
    let body = move || {
        let (breaker, now) = half_open();
        let at_once = Arc::new(AtomicUsize::new(0));
        let callers: Vec<_> = ends
            .iter()
            .map(|end| {
                let (breaker, at_once) = (Arc::clone(&breaker), Arc::clone(&at_once));
                thread::spawn(move || {
                    let Ok(admitted) = breaker.admit(now) else { return };
                    // Once it is closed again, any number may go through.
                    let is_probe = state(&breaker) == BreakerState::HalfOpen;
                    let others = at_once.fetch_add(1, Ordering::SeqCst);
                    assert!(!is_probe || others < PROBES as usize, "more probes at once than may be");
                    thread::yield_now();
                    at_once.fetch_sub(1, Ordering::SeqCst);
                    match end {
                        Ends::Well => admitted.record(false, Duration::ZERO, now),
                        Ends::Badly => admitted.record(true, Duration::ZERO, now),
                        Ends::Cancelled => drop(admitted),
                    }
                })
            })
            .collect();
        for caller in callers {
            caller.join().unwrap();
        }
        check(&breaker, now);
    };
    shuttle::check_random(body, 2_000);
}

#[test]
fn probes_that_are_cancelled_give_every_place_back() {
    run(&[Ends::Cancelled, Ends::Cancelled, Ends::Cancelled, Ends::Cancelled], |breaker, now| {
        assert_eq!(state(breaker), BreakerState::HalfOpen, "nobody succeeded and nobody failed");
        assert_eq!(places(breaker, now), PROBES as usize);
    });
}

#[test]
fn cancelled_probes_between_good_ones_hold_nobody_up() {
    run(&[Ends::Well, Ends::Cancelled, Ends::Cancelled, Ends::Well], |breaker, now| {
        assert_ne!(state(breaker), BreakerState::Open, "nobody failed");
        assert!(places(breaker, now) > 0, "there is always room to decide");
    });
}

#[test]
fn callers_who_all_fail_leave_it_open() {
    run(&[Ends::Badly, Ends::Badly, Ends::Badly], |breaker, now| {
        assert_eq!(state(breaker), BreakerState::Open);
        assert_eq!(places(breaker, now), PROBES as usize);
    });
}

#[test]
fn enough_callers_who_succeed_close_it() {
    let closed = |breaker: &Model, _: Instant| assert_eq!(state(breaker), BreakerState::Closed);
    run(&[Ends::Well, Ends::Well], closed);
    run(&[Ends::Well, Ends::Well, Ends::Well, Ends::Well], closed);
}
