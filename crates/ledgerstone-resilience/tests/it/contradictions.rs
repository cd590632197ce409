//! A policy that contradicts itself is not built, and the reason says what to change.

use std::collections::BTreeMap;

use ledgerstone_core::{BackendError, Code};
use ledgerstone_resilience::{
    Bulkhead, CircuitBreaker, Hedge, Policies, Policy, PolicyBuilder, PolicyParts, RateLimitSlot, Retry,
    RetryBudget, Window,
};

use crate::upstream::{Allows, millis, seconds};

fn orders() -> PolicyBuilder {
    Policy::builder("orders")
}

fn breaker(change: impl FnOnce(&mut CircuitBreaker)) -> PolicyBuilder {
    let mut rules = CircuitBreaker::default();
    change(&mut rules);
    orders().circuit_breaker(rules).attempt_timeout(seconds(2))
}

fn refused(builder: PolicyBuilder) -> String {
    builder.build().unwrap_err().to_string()
}

#[test]
fn an_attempt_timeout_above_the_total_is_refused() {
    let builder = orders().attempt_timeout(seconds(10)).total_timeout(seconds(5));
    assert_eq!(
        refused(builder),
        "policy orders: the attempt timeout of 10s is above the total timeout of 5s; shorten it"
    );
    assert!(orders().attempt_timeout(seconds(5)).total_timeout(seconds(5)).build().is_ok());
}

#[test]
fn times_and_numbers_that_mean_nothing_are_refused() {
    let retry = |retry: Retry| orders().retry(retry).total_timeout(seconds(5)).attempt_timeout(seconds(1));
    let hedge = |delay, most| orders().hedge(Hedge::after(delay).with_most(most)).attempt_timeout(seconds(1));
    let cases = [
        (orders().total_timeout(seconds(0)), "total timeout of zero"),
        (orders().attempt_timeout(seconds(0)), "attempt timeout of zero"),
        (orders().total_timeout(seconds(86_401)), "longest that a call may take"),
        (retry(Retry::fixed(seconds(5))), "first wait between attempts of 5s"),
        (retry(Retry::exponential(seconds(9), seconds(60))), "first wait"),
        (retry(Retry::exponential(seconds(2), seconds(1))), "the base of 2s is above the cap of 1s"),
        (retry(Retry::decorrelated(seconds(0), seconds(1))), "a base of zero"),
        (retry(Retry::fixed(millis(1)).with_attempts(0)), "0 attempts"),
        (retry(Retry::fixed(millis(1)).with_attempt_needs(seconds(1))), "what an attempt needs"),
        (hedge(seconds(0), 1), "doubles every call"),
        (hedge(seconds(1), 1), "delay of the hedge of 1s"),
        (hedge(millis(5), 0), "never hedges"),
        (breaker(|rules| rules.failure_rate = 0.0), "failure rate of 0"),
        (breaker(|rules| rules.failure_rate = f64::NAN), "failure rate of NaN"),
        (breaker(|rules| rules.slow_call_rate = 1.5), "slow call rate of 1.5"),
        (breaker(|rules| rules.probes = 0), "never closes again"),
        (breaker(|rules| rules.minimum_calls = 0), "minimum of calls is 0"),
        (breaker(|rules| rules.open_for = seconds(0)), "opens for no time"),
        (breaker(|rules| rules.window = Window::Calls(19)), "never holds the minimum of 20"),
        (breaker(|rules| rules.window = Window::Calls(1_000_000)), "above the limit"),
        (breaker(|rules| rules.window = Window::Time(seconds(0))), "window of the breaker"),
        (breaker(|rules| rules.slow_call = Some(seconds(2))), "a slow call of 2s"),
        (orders().bulkhead(Bulkhead::of(0)), "0 places"),
        (orders().bulkhead(Bulkhead::of(1).with_queue(1, seconds(0))), "nobody may wait"),
        (
            orders().bulkhead(Bulkhead::of(1).with_queue(1, seconds(9))).total_timeout(seconds(5)),
            "longest wait for a place of 9s",
        ),
        (retry(Retry::fixed(millis(1))).budget(RetryBudget { ratio: 1.5, reserve: 1 }), "budget of 1.5"),
        (retry(Retry::fixed(millis(1))).budget(RetryBudget { ratio: 0.0, reserve: 0 }), "pays for none"),
        (orders().rate_limit(RateLimitSlot::new(Allows::calls(1), "")), "key of the rate limit is empty"),
        (orders().rate_limit(RateLimitSlot::new(Allows::calls(1), "k").with_cost(0)), "costs nothing"),
        (orders().rate_limit(RateLimitSlot::new(Allows::calls(1), "k").with_cost(101)), "never allows"),
        (orders().dependency(""), "a name is empty"),
        (Policy::builder(""), "a name is empty"),
    ];
    for (builder, reason) in cases {
        let shown = format!("{builder:?}");
        let told = builder.build().map(|policy| policy.explain()).unwrap_err().to_string();
        assert!(told.contains(reason), "{told:?} does not say {reason:?}; {shown}");
    }
}

#[test]
fn settings_are_refused_with_the_policy_and_the_reason() {
    let cases = [
        ("[a]\nattempt_timeout = '2s'\ntotal_timeout = '1s'", "policy a: the attempt timeout of 2s"),
        (
            "[a]\nretry = { backoff = 'exponentail' }",
            "there is no backoff named exponentail; did you mean exponential?",
        ),
        (
            "[a]\nrate_limit = { limiter = 'outbond' }",
            "there is no rate limiter named outbond; did you mean outbound?",
        ),
        ("[a]\ncircuit_breaker = { window = '1m', window_calls = 50 }", "leave one out"),
        (
            "[a]\ndependency = 'db'\ncircuit_breaker = {}\n[b]\ndependency = 'db'\ncircuit_breaker = { probes = 9 }",
            "policy b: the circuit breaker of dependency db is shared with policy a",
        ),
    ];
    for (text, reason) in cases {
        let limiters = BTreeMap::from([("outbound".to_owned(), Allows::calls(1) as _)]);
        let parts = PolicyParts { limiters, ..PolicyParts::default() };
        let invalid = Policies::from_settings(&toml::from_str(text).unwrap(), parts).unwrap_err();
        assert!(invalid.to_string().contains(reason), "{invalid} does not say {reason}");
        assert_eq!(BackendError::from(invalid).code(), Code::Configuration);
    }
}

#[test]
fn settings_that_are_not_understood_are_errors_that_say_so() {
    let cases = [
        ("[a]\ntotal_timeut = '1s'", "unknown field `total_timeut`"),
        ("[a]\nretry = { attemts = 1 }", "unknown field `attemts`"),
        ("[a]\ntotal_timeout = '1 s'", "is no span of time"),
        ("[a]\ntotal_timeout = 5", "invalid type"),
        ("[a]\nbulkhead = { concurrency = -1 }", "invalid value"),
        ("[a]\nhedge = {}", "missing field `delay`"),
    ];
    for (text, reason) in cases {
        let failed = toml::from_str::<BTreeMap<String, ledgerstone_resilience::PolicySettings>>(text);
        let failed = failed.unwrap_err().to_string();
        assert!(failed.contains(reason), "{failed} does not say {reason}");
    }
}
