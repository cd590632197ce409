//! The state machine against its promises, and against a plain model of them.

use proptest::prelude::*;

use super::*;
use crate::window::Window;

const FAILED: CallEnd = CallEnd { is_failure: true, is_slow: false };
const SLOW: CallEnd = CallEnd { is_failure: false, is_slow: true };
const WELL: CallEnd = CallEnd { is_failure: false, is_slow: false };

fn second(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn rules() -> CircuitBreaker {
    CircuitBreaker {
        failure_rate: 0.5,
        slow_call: Some(second(1)),
        slow_call_rate: 0.75,
        minimum_calls: 4,
        window: Window::Calls(8),
        open_for: second(10),
        probes: 2,
    }
}

fn call(circuit: &mut Circuit, end: CallEnd, now: Duration) {
    let ticket = circuit.admit(now).unwrap();
    circuit.record(&ticket, end, now);
}

fn opened(now: Duration) -> Circuit {
    let mut circuit = Circuit::new(rules());
    for _ in 0..4 {
        call(&mut circuit, FAILED, now);
    }
    assert_eq!(circuit.state(), BreakerState::Open);
    circuit
}

#[test]
fn it_opens_at_the_failure_rate_and_not_before_the_minimum_of_calls() {
    let mut circuit = Circuit::new(rules());
    for end in [FAILED, FAILED, WELL] {
        call(&mut circuit, end, second(0));
        assert_eq!(circuit.state(), BreakerState::Closed);
    }
    call(&mut circuit, WELL, second(0));
    assert_eq!(circuit.state(), BreakerState::Open);
    assert_eq!(circuit.admit(second(1)), Err(Stopped { retry_in: Some(second(9)) }));
    assert_eq!(circuit.tally(second(1)), Tally { calls: 4, failures: 2, slow: 0 });
}

#[test]
fn it_opens_at_the_rate_of_slow_calls() {
    let mut circuit = Circuit::new(rules());
    for end in [SLOW, SLOW, WELL] {
        call(&mut circuit, end, second(0));
    }
    assert_eq!(circuit.state(), BreakerState::Closed);
    call(&mut circuit, SLOW, second(0));
    assert_eq!(circuit.state(), BreakerState::Open);
}

#[test]
fn half_open_it_admits_so_many_probes_at_once_and_closes_when_they_succeed() {
    let mut circuit = opened(second(0));
    let first = circuit.admit(second(10)).unwrap();
    let second_probe = circuit.admit(second(10)).unwrap();
    assert_eq!(circuit.admit(second(10)), Err(Stopped { retry_in: None }));
    circuit.record(&first, WELL, second(11));
    assert_eq!(circuit.admit(second(11)), Err(Stopped { retry_in: None }), "two are enough to decide");
    circuit.record(&second_probe, WELL, second(11));
    assert_eq!(circuit.state(), BreakerState::Closed);
    assert_eq!(circuit.tally(second(11)), Tally::default());
    assert_eq!(circuit.opened_since(second(11)), None);
}

#[test]
fn a_probe_that_fails_opens_it_again_and_one_that_is_cancelled_gives_its_place_back() {
    let mut circuit = opened(second(0));
    let cancelled = circuit.admit(second(10)).unwrap();
    let kept = circuit.admit(second(10)).unwrap();
    circuit.release(&cancelled);
    let another = circuit.admit(second(10)).unwrap();
    circuit.record(&kept, WELL, second(10));
    circuit.record(&another, FAILED, second(12));
    assert_eq!(circuit.admit(second(21)), Err(Stopped { retry_in: Some(second(1)) }));
    assert_eq!(circuit.opened_since(second(21)), Some(second(21)));
}

#[test]
fn what_began_before_the_state_changed_counts_for_nothing() {
    let mut circuit = Circuit::new(rules());
    let late: Vec<_> = (0..4).map(|_| circuit.admit(second(0)).unwrap()).collect();
    for _ in 0..4 {
        call(&mut circuit, FAILED, second(0));
    }
    let _probe = circuit.admit(second(10)).unwrap();
    for ticket in &late {
        circuit.record(ticket, WELL, second(10));
        circuit.release(ticket);
    }
    assert_eq!(circuit.state(), BreakerState::HalfOpen, "no late success is a probe");
    circuit.record(&late[0], FAILED, second(10));
    assert_eq!(circuit.state(), BreakerState::HalfOpen, "and no late failure is one");
    let _other = circuit.admit(second(10)).unwrap();
    assert!(circuit.admit(second(10)).is_err(), "nor did a late one give a place back");
}

#[test]
fn isolated_it_stays_so_until_it_is_closed() {
    let mut circuit = Circuit::new(rules());
    circuit.isolate(second(0));
    assert_eq!(circuit.admit(second(1_000_000)), Err(Stopped { retry_in: None }));
    circuit.close();
    assert!(circuit.admit(second(1_000_000)).is_ok());
}

#[test]
fn new_rules_keep_the_state() {
    let mut circuit = opened(second(0));
    circuit.reconfigure(CircuitBreaker { probes: 1, window: Window::Time(second(60)), ..rules() });
    assert_eq!(circuit.state(), BreakerState::Open);
    call(&mut circuit, WELL, second(10));
    assert_eq!(circuit.state(), BreakerState::Closed);
}

/// What can happen to a breaker.
#[derive(Debug, Clone)]
enum Step {
    Admit,
    /// How the oldest (`true`) or newest call under way ends.
    End(bool, CallEnd),
    Cancel(bool),
    Wait(u64),
    Isolate,
    Close,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let ends = prop_oneof![Just(WELL), Just(FAILED), Just(SLOW)];
    let step = prop_oneof![
        6 => Just(Step::Admit),
        5 => (any::<bool>(), ends).prop_map(|(oldest, end)| Step::End(oldest, end)),
        1 => any::<bool>().prop_map(Step::Cancel),
        2 => (0..12_u64).prop_map(Step::Wait),
        1 => prop_oneof![4 => Just(Step::Close), 1 => Just(Step::Isolate)],
    ];
    proptest::collection::vec(step, 0..200)
}

fn pick<T>(from: &mut Vec<T>, oldest: bool) -> Option<T> {
    if from.is_empty() { None } else { Some(from.remove(if oldest { 0 } else { from.len() - 1 })) }
}

#[test]
fn fewer_probes_by_a_reload_close_it_when_as_many_have_succeeded() {
    let mut circuit = opened(second(0));
    circuit.reconfigure(CircuitBreaker { probes: 3, ..rules() });
    for _ in 0..2 {
        call(&mut circuit, WELL, second(10));
    }
    assert_eq!(circuit.state(), BreakerState::HalfOpen);
    circuit.reconfigure(rules());
    assert_eq!(circuit.state(), BreakerState::Closed);
    call(&mut circuit, WELL, second(10));
}

proptest! {
    /// Whatever happens: probes are bounded, open refuses for its whole time, isolation ends by hand only,
    /// and nothing closes it but as many successes of this cycle as there are probes, or a hand.
    #[test]
    fn the_promises_hold_whatever_happens(steps in steps()) {
        let mut circuit = Circuit::new(rules());
        // Each call under way, with the state it was admitted in and a number for the stay in that state.
        let mut under_way: Vec<(Ticket, BreakerState, u32)> = Vec::new();
        let (mut now, mut stay, mut opened_at, mut successes) = (Duration::ZERO, 0_u32, None, 0_u32);
        for step in steps {
            let before = circuit.state();
            let mut by_hand = false;
            match step {
                Step::Wait(seconds) => now += second(seconds),
                Step::Isolate => { circuit.isolate(now); by_hand = true; stay += 1; }
                Step::Close => { circuit.close(); by_hand = true; stay += 1; }
                Step::Admit => match circuit.admit(now) {
                    Ok(ticket) => {
                        prop_assert!(before != BreakerState::Isolated);
                        if before == BreakerState::Open {
                            prop_assert!(now >= opened_at.unwrap_or_default() + second(10));
                            (stay, successes) = (stay + 1, 0);
                        }
                        under_way.push((ticket, circuit.state(), stay));
                    }
                    Err(stopped) => {
                        prop_assert!(before != BreakerState::Closed);
                        prop_assert_eq!(stopped.retry_in.is_some(), before == BreakerState::Open);
                    }
                },
                Step::End(oldest, end) => if let Some((ticket, _, at)) = pick(&mut under_way, oldest) {
                    circuit.record(&ticket, end, now);
                    if at != stay {
                        prop_assert_eq!(circuit.state(), before, "a late call decides nothing");
                    } else if before == BreakerState::HalfOpen {
                        successes += u32::from(end == WELL);
                        let expected = match (end == WELL, successes >= 2) {
                            (false, _) => BreakerState::Open,
                            (true, true) => BreakerState::Closed,
                            (true, false) => BreakerState::HalfOpen,
                        };
                        prop_assert_eq!(circuit.state(), expected);
                    }
                },
                Step::Cancel(oldest) => if let Some((ticket, ..)) = pick(&mut under_way, oldest) {
                    circuit.release(&ticket);
                    prop_assert_eq!(circuit.state(), before, "a cancelled call decides nothing");
                },
            }
            let after = circuit.state();
            if after == BreakerState::Open && before != BreakerState::Open { opened_at = Some(now); }
            if after != before && !by_hand && after != BreakerState::HalfOpen { stay += 1; }
            if before == BreakerState::Isolated { prop_assert!(after == before || by_hand); }
            let probes = under_way.iter().filter(|(_, state, at)| {
                *state == BreakerState::HalfOpen && *at == stay && after == BreakerState::HalfOpen
            });
            prop_assert!(probes.count() <= 2);
        }
    }
}
