//! Limiters that each break one promise, and the cases that must find them out.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Once};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::{StreamExt, stream};
use ledgerstone_core::{
    BackendError, ErrorKind, RateAlgorithm, RateLimiter, RateOverride, RateRule, RateState, RateVerdict,
};
use ledgerstone_resilience::LocalRateLimiter;
use ledgerstone_testkit::FixedClock;
use ledgerstone_testkit::conformance::{
    Case, CaseError, CaseResult, Fresh, is_failure_of_the_store, rate_limiter,
};
use rate_limiter::Limiters;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Nothing,
    TakesFromTheFirstRuleOnly,
    TakesRuleByRule,
    TakesWhatIsLeftWhenItRefuses,
    PunishesWhoAsksOn,
    TellsHalfTheTime,
    TellsTheShortestTime,
    RefusesTooMuchForATime,
    CutsKeys,
    TakesKeysByTheirFirstByte,
    ForgetsNothing,
    OverridesEverybody,
    OverridesOnOneNode,
    BlocksNobody,
    LimitsTheUnlimited,
    LiftsNothing,
    DropsWrongOverrides,
    LooksThenTakes,
    RefillsNothing,
    StatesTake,
    TellsOfTheFirstRule,
    ChargesForNothing,
    ResetsEverybody,
}

use Fault::*;

const MUTANTS: &[(Fault, &[&str])] = &[
    (TakesFromTheFirstRuleOnly, &["a_cost_is_taken_from_every_rule"]),
    (TakesRuleByRule, &["a_call_that_one_rule_refuses_takes_from_none"]),
    (TakesWhatIsLeftWhenItRefuses, &["a_refused_call_takes_nothing"]),
    (PunishesWhoAsksOn, &["asking_on_does_not_lock_out_for_longer"]),
    (TellsHalfTheTime, &["after_the_time_that_was_told_the_same_cost_is_allowed"]),
    (TellsTheShortestTime, &["the_time_that_was_told_holds_for_all_rules_together"]),
    (RefusesTooMuchForATime, &["a_cost_above_what_a_rule_can_have_is_invalid"]),
    (CutsKeys, &["an_empty_key_or_one_too_long_is_invalid"]),
    (TakesKeysByTheirFirstByte, &["keys_do_not_touch_one_another"]),
    (ForgetsNothing, &["a_key_that_has_everything_again_is_forgotten"]),
    (OverridesEverybody, &["an_override_binds_its_key_and_no_other"]),
    (OverridesOnOneNode, &["an_override_binds_on_every_node"]),
    (BlocksNobody, &["a_blocked_key_may_do_nothing"]),
    (LimitsTheUnlimited, &["an_unlimited_key_may_do_anything"]),
    (LiftsNothing, &["a_lifted_override_lets_the_common_rules_bind_again"]),
    (DropsWrongOverrides, &["an_override_with_a_mistake_changes_nothing"]),
    (LooksThenTakes, &["no_more_than_the_limit_passes_however_many_ask_at_once"]),
    (RefillsNothing, &["everything_may_be_taken_again_after_twice_the_time"]),
    (StatesTake, &["states_take_nothing"]),
    (TellsOfTheFirstRule, &["a_verdict_tells_of_the_rule_that_has_least_left"]),
    (ChargesForNothing, &["a_cost_of_nothing_takes_nothing"]),
    (ResetsEverybody, &["a_reset_gives_everything_back"]),
];

/// A sound limiter, one for each of its rules, and what is wrong with them together.
#[derive(Debug)]
struct Broken {
    fault: Fault,
    sound: LocalRateLimiter,
    each: Vec<LocalRateLimiter>,
    asked: AtomicUsize,
}

impl Broken {
    fn new(fault: Fault, rules: &[RateRule], clock: &Arc<FixedClock>) -> Result<Self, CaseError> {
        let open = |rules: &[RateRule]| {
            let clock = if fault == RefillsNothing { Arc::default() } else { Arc::clone(clock) };
            LocalRateLimiter::with_max_keys("mutant", rules, clock, 100)
        };
        let each = rules.iter().map(|rule| open(std::slice::from_ref(rule)));
        let each = each.collect::<Result<_, _>>()?;
        Ok(Self { fault, sound: open(rules)?, each, asked: AtomicUsize::new(0) })
    }

    fn key(&self, key: &str) -> String {
        match self.fault {
            CutsKeys => key.chars().chain(['_']).take(RateRule::MAX_KEY_BYTES).collect(),
            TakesKeysByTheirFirstByte => key.chars().take(1).collect(),
            OverridesEverybody => "everybody".into(),
            _ => key.to_owned(),
        }
    }

    fn rule_by_rule(&self, key: &str, cost: u32) -> Result<RateVerdict, BackendError> {
        let mut last = None;
        for limiter in &self.each {
            let verdict = limiter.try_take(key, cost)?;
            if !verdict.is_allowed {
                return Ok(verdict);
            }
            last = Some(verdict);
        }
        last.map_or_else(|| self.sound.try_take(key, cost), Ok)
    }

    async fn refused(&self, key: &str, verdict: RateVerdict) -> Result<RateVerdict, BackendError> {
        let asked = self.asked.fetch_add(1, Ordering::Relaxed) + 1;
        let wait = verdict.retry_after;
        match self.fault {
            TakesWhatIsLeftWhenItRefuses => {
                let left = self.sound.states(key).await?.iter().map(|state| state.remaining).min();
                self.sound.try_take(key, left.unwrap_or_default())?;
                Ok(verdict)
            }
            PunishesWhoAsksOn => {
                let longer = Duration::from_secs(u64::try_from(asked).unwrap_or_default());
                Ok(RateVerdict { retry_after: wait.map(|wait| wait + longer), ..verdict })
            }
            TellsHalfTheTime => Ok(RateVerdict { retry_after: wait.map(|wait| wait / 2), ..verdict }),
            TellsTheShortestTime => {
                let mut waits = Vec::new();
                for limiter in &self.each {
                    waits.extend(limiter.try_take(key, 2)?.retry_after);
                }
                Ok(RateVerdict { retry_after: waits.into_iter().min().or(wait), ..verdict })
            }
            _ => Ok(verdict),
        }
    }

    /// Lets what no rule binds pass or not, as the sound one would do to anybody.
    fn ignoring(&self, key: &str, cost: u32) -> Option<Result<RateVerdict, BackendError>> {
        match (self.fault, self.sound.override_of(key)?) {
            (BlocksNobody, RateOverride::Blocked) | (LimitsTheUnlimited, RateOverride::Unlimited) => {
                Some(self.each[0].try_take(key, cost.min(10)))
            }
            _ => None,
        }
    }
}

#[async_trait]
impl RateLimiter for Broken {
    fn rules(&self) -> Vec<RateRule> {
        self.sound.rules()
    }

    async fn take(&self, key: &str, cost: u32) -> Result<RateVerdict, BackendError> {
        let key = &*self.key(key);
        if let Some(answer) = self.ignoring(key, cost) {
            return answer;
        }
        if self.fault == LooksThenTakes {
            let left = self.sound.states(key).await?.iter().map(|state| state.remaining).min();
            tokio::task::yield_now().await;
            let taken = self.sound.try_take(key, cost)?;
            return Ok(RateVerdict { is_allowed: left.is_some_and(|left| left >= cost), ..taken });
        }
        let answer = match self.fault {
            TakesFromTheFirstRuleOnly => self.each[0].try_take(key, cost),
            TakesRuleByRule => self.rule_by_rule(key, cost),
            ChargesForNothing => self.sound.try_take(key, cost.max(1)),
            _ => self.sound.try_take(key, cost),
        };
        let verdict = match answer {
            Err(error) if self.fault == RefusesTooMuchForATime && error.kind() == ErrorKind::Invalid => {
                let wait = Some(Duration::from_secs(60));
                return Ok(RateVerdict {
                    is_allowed: false,
                    tightest: None,
                    retry_after: wait,
                    is_degraded: false,
                });
            }
            answer => answer?,
        };
        if self.fault == TellsOfTheFirstRule {
            let first = self.sound.states(key).await?.into_iter().next();
            return Ok(RateVerdict { tightest: first, ..verdict });
        }
        if verdict.is_allowed {
            if self.fault == TellsTheShortestTime {
                for limiter in &self.each {
                    limiter.try_take(key, cost)?;
                }
            }
            return Ok(verdict);
        }
        self.refused(key, verdict).await
    }

    async fn states(&self, key: &str) -> Result<Vec<RateState>, BackendError> {
        let key = &*self.key(key);
        match self.fault {
            StatesTake => {
                self.sound.try_take(key, 1)?;
            }
            TakesFromTheFirstRuleOnly | TakesRuleByRule => {
                let mut states = Vec::new();
                for limiter in &self.each {
                    states.extend(limiter.states(key).await?);
                }
                return Ok(states);
            }
            _ => {}
        }
        self.sound.states(key).await
    }

    async fn set_override(&self, key: &str, rules: Option<RateOverride>) -> Result<(), BackendError> {
        match (self.fault, rules) {
            (LiftsNothing, None) => Ok(()),
            (DropsWrongOverrides, Some(rules)) => match self.sound.set_override(key, Some(rules)).await {
                Err(error) if error.kind() == ErrorKind::Invalid => self.sound.reset(key).await,
                answer => answer,
            },
            (_, rules) => self.sound.set_override(&self.key(key), rules).await,
        }
    }

    async fn reset(&self, key: &str) -> Result<(), BackendError> {
        if self.fault == ResetsEverybody {
            self.sound.reset("bob").await?;
        }
        self.sound.reset(&self.key(key)).await
    }
}

async fn run(case: Case<Limiters>, fault: Fault) -> CaseResult {
    let clock = Arc::new(FixedClock::default());
    let read = Arc::clone(&clock);
    let opened: Arc<parking_lot::Mutex<Vec<Arc<Broken>>>> = Arc::default();
    let made = Arc::clone(&opened);
    let open = move |rules: Vec<RateRule>| {
        let nodes = if fault == OverridesOnOneNode { 2 } else { 1 };
        let nodes: Result<Vec<_>, _> =
            (0..nodes).map(|_| Broken::new(fault, &rules, &read).map(Arc::new)).collect();
        let made = Arc::clone(&made);
        async move {
            let nodes = nodes?;
            made.lock().extend(nodes.iter().cloned());
            Ok::<_, CaseError>(nodes.into_iter().map(|node| node as Arc<dyn RateLimiter>).collect())
        }
    };
    let kept = move || {
        let kept = opened.lock().iter().map(|broken| broken.sound.keys()).sum();
        // As many as came early in the one case that counts.
        let kept = if fault == ForgetsNothing { kept + 40 } else { kept };
        async move { Ok::<usize, CaseError>(kept) }
    };
    let limiters = Limiters::new(RateAlgorithm::Gcra, open, kept).by_clock(Arc::clone(&clock));
    case.run(Fresh::new(limiters, clock)).await
}

/// Keeps the panics of cases, which are meant to happen here, out of the output.
fn hush() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if !std::thread::current().name().is_some_and(|name| name.starts_with("tokio")) {
                hook(panic);
            }
        }));
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_mutant_is_caught_by_the_cases_meant_for_it() {
    hush();
    let suite = rate_limiter::suite();
    let find =
        |name: &str| *suite.cases().iter().find(|case| case.name() == name).expect("there is such a case");
    let pairs = MUTANTS.iter().flat_map(|(fault, names)| names.iter().map(|name| (*fault, find(name))));
    let outcomes = pairs.map(|(fault, case)| async move {
        match run(case, fault).await {
            Ok(()) => Some(format!("{fault:?} survives {}", case.name())),
            Err(error) if is_failure_of_the_store(&error) => {
                Some(format!("{fault:?} only fails in {}: {error}", case.name()))
            }
            Err(_) => None,
        }
    });
    let survived: Vec<_> = stream::iter(outcomes).buffer_unordered(4).collect().await;
    let survived: Vec<_> = survived.into_iter().flatten().collect();
    assert!(survived.is_empty(), "{survived:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_limiter_with_nothing_wrong_passes_every_case() {
    for case in rate_limiter::suite().cases() {
        if let Err(error) = run(*case, Nothing).await {
            panic!("{case:?} fails a limiter with nothing wrong: {error}");
        }
    }
}

#[test]
fn every_case_catches_a_mutant_and_every_promise_has_a_case() {
    let suite = rate_limiter::suite();
    let catching: BTreeSet<_> = MUTANTS.iter().flat_map(|(_, names)| names.iter().copied()).collect();
    let idle: Vec<_> = suite.cases().iter().map(Case::name).filter(|name| !catching.contains(name)).collect();
    assert!(idle.is_empty(), "cases that no mutant is meant for: {idle:#?}");
    let promises: BTreeSet<_> = suite.cases().iter().map(Case::promise).collect();
    assert_eq!(promises, (1..=8).collect());
}
