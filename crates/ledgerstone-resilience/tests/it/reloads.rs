//! Policies from settings: what a reload changes, what it keeps, and what a bad one does.

use std::collections::BTreeMap;

use ledgerstone_core::ErrorKind;
use ledgerstone_resilience::{BreakerState, Idempotent, Policies, PolicyParts, PolicySettings, SeededJitter};

use crate::upstream::{Allows, Does, Upstream, seconds};

const FULL: &str = "
[orders]
dependency = 'db'
fallback = 'refused'
total_timeout = '5s'
attempt_timeout = '1s'

[orders.rate_limit]
limiter = 'outbound'
cost = 2

[orders.retry]
attempts = 4
backoff = 'decorrelated'
base = '20ms'
cap = '1s'

[orders.budget]
ratio = 0.1
reserve = 5

[orders.hedge]
delay = '300ms'

[orders.circuit_breaker]
failure_rate = 0.5
slow_call = '800ms'
minimum_calls = 2
window_calls = 10
open_for = '10s'
probes = 1

[orders.bulkhead]
concurrency = 8
queue = 16
longest_wait = '500ms'
";

const SMALL: &str = "
[orders]
dependency = 'db'
circuit_breaker = { minimum_calls = 2, window_calls = 10, open_for = '10s' }
";

type Settings = BTreeMap<String, PolicySettings>;

fn settings(text: &str) -> Settings {
    toml::from_str(text).unwrap()
}

fn parts() -> PolicyParts {
    let limiters = BTreeMap::from([("outbound".to_owned(), Allows::calls(1_000) as _)]);
    let jitter = Some(std::sync::Arc::new(SeededJitter::new(1)) as _);
    PolicyParts { limiters, jitter, ..PolicyParts::default() }
}

async fn open(policies: &Policies) {
    let upstream = Upstream::that([Does::Fails(ErrorKind::Unavailable)]);
    for _ in 0..2 {
        policies.get("orders").unwrap().run(|| upstream.call()).await.unwrap_err();
    }
    assert_eq!(policies.breakers()[0].state, BreakerState::Open);
}

#[test]
fn settings_fill_every_slot_and_write_back_as_they_were() {
    let policies = Policies::from_settings(&settings(FULL), parts()).unwrap();
    assert_eq!(
        policies.get("orders").unwrap().explain(),
        "policy orders before db, outermost first
  fallback         what the call brings, where a slot refuses it
  rate limit       100 per 1m (per_minute); key orders, 2 a call
  total timeout    5s
  retry            at most 4 attempts, decorrelated jitter, from 20ms to 1s, retry-after up to 30s; \
         budget of db: 0.1 of its calls and 5 in reserve
  hedge            at most 1 more attempt, each 300ms after the one before; \
         budget of db: 0.1 of its calls and 5 in reserve
  circuit breaker  opens when 50% fail or 80% take 800ms or longer of the last 10 calls and at least 2 calls; \
         tries again after 10s with 1 probes
  bulkhead         8 calls at once, 16 wait for at most 500ms
  attempt timeout  1s
"
    );
    let written = toml::to_string(&settings(FULL)).unwrap();
    assert_eq!(settings(&written), settings(FULL), "{written}");
    assert!(policies.get("order").is_none());
    assert_eq!(policies.names(), ["orders"]);
}

#[tokio::test(start_paused = true)]
async fn a_reload_keeps_the_breaker_and_reaches_who_holds_the_policy() {
    let policies = Policies::from_settings(&settings(SMALL), parts()).unwrap();
    let held = policies.get("orders").unwrap().clone();
    open(&policies).await;
    policies.reload(&settings(&SMALL.replace("'10s'", "'20s'"))).unwrap();
    assert!(held.explain().contains("after 20s"), "{}", held.explain());
    let report = policies.breakers().remove(0);
    assert_eq!((report.state, report.calls), (BreakerState::Open, 2));
    assert_eq!(report.retry_in, Some(seconds(10)), "it opened under the old rules");
    let upstream = Upstream::that([Does::Answers]);
    held.run(|| upstream.call()).await.unwrap_err();
    assert_eq!(upstream.calls(), 0);

    // Isolation outlives a reload as well, and another policy of the same dependency finds it.
    assert!(policies.isolate("db"));
    policies.reload(&settings(&SMALL.replace("[orders]", "[invoices]"))).unwrap();
    assert!(policies.breakers()[0].is_isolated && policies.get("orders").is_none());
    let refused = policies.get("invoices").unwrap().run(|| upstream.call()).await;
    assert!(refused.is_err() && policies.close("db"));
    policies.get("invoices").unwrap().run(|| upstream.call()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_reload_keeps_what_is_left_of_the_budget_and_the_bulkhead() {
    let text = "
        [orders]
        retry = { attempts = 50, backoff = 'fixed', base = '1ms' }
        budget = { ratio = 0.0, reserve = 7 }
        bulkhead = { concurrency = 1 }
    ";
    let policies = Policies::from_settings(&settings(text), parts()).unwrap();
    let upstream = Upstream::that([Does::Fails(ErrorKind::Unavailable)]);
    let call = || async { policies.get("orders").unwrap().run(Idempotent(|_| upstream.call())).await };
    call().await.unwrap_err();
    assert_eq!(upstream.calls(), 8);
    policies.reload(&settings(&text.replace("reserve = 7", "reserve = 9"))).unwrap();
    call().await.unwrap_err();
    assert_eq!(upstream.calls(), 9, "a reload pays nothing in");

    upstream.now_does(Does::AnswersAfter(seconds(1)));
    let later = async {
        tokio::task::yield_now().await;
        policies.reload(&settings(text)).unwrap();
        call().await.unwrap_err();
        policies.reload(&settings(&text.replace("concurrency = 1", "concurrency = 2"))).unwrap();
        call().await
    };
    let (held, second) = tokio::join!(call(), later);
    held.unwrap();
    second.unwrap();
    assert_eq!(upstream.most_at_once(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_bad_reload_changes_nothing() {
    let policies = Policies::from_settings(&settings(FULL), parts()).unwrap();
    let before = policies.get("orders").unwrap().explain();
    open(&policies).await;
    let bad = [
        FULL.replace("total_timeout = '5s'", "total_timeout = '500ms'"),
        FULL.replace("'outbound'", "'inbound'"),
        format!("{}\n[zebra]\nattempt_timeout = '0s'", FULL.replace("'10s'", "'99s'")),
    ];
    for text in bad {
        policies.reload(&settings(&text)).unwrap_err();
        assert_eq!(policies.get("orders").unwrap().explain(), before);
        assert_eq!(policies.names(), ["orders"]);
        assert_eq!(policies.breakers()[0].state, BreakerState::Open);
    }
}
