//! The script against the functions that it repeats: the same verdicts, at the server's own times.

use std::time::Duration;

use ledgerstone_core::{RateAlgorithm, RateRule};
use ledgerstone_testkit::servers::RedisServer;
use redis::Script;

use super::redis_link::RedisLink;
use super::stored_rules::StoredRules;
use crate::rate_limit::rule_set::{RuleSet, Tallies};

type Answer = (i64, u64, u64, String, Vec<u64>, usize);

fn sets() -> Vec<Vec<RateRule>> {
    let rule = |algorithm: RateAlgorithm, limit, per: Duration, burst| {
        let name = format!("r{limit}.{}", per.as_micros());
        RateRule { name, limit, per, burst, algorithm }
    };
    let [millis, micros] = [Duration::from_millis, Duration::from_micros];
    let mut sets = Vec::new();
    for algorithm in RateAlgorithm::ALL {
        let bursts = matches!(algorithm, RateAlgorithm::TokenBucket | RateAlgorithm::Gcra);
        let burst = |size: u32| bursts.then_some(size);
        sets.push(vec![rule(*algorithm, 7, millis(3), burst(3))]);
        sets.push(vec![rule(*algorithm, 1_009, micros(5_003), None)]);
        sets.push(vec![
            rule(*algorithm, 40, millis(20), burst(90)),
            rule(*algorithm, 500, millis(100), None),
        ]);
        // Numbers so large that time is counted in coarser ticks.
        sets.push(vec![rule(*algorithm, u32::MAX, RateRule::MAX_PER, None)]);
    }
    sets.push(
        RateAlgorithm::ALL
            .iter()
            .map(|algorithm| rule(*algorithm, 20 + *algorithm as u32, millis(9), None))
            .collect(),
    );
    sets
}

#[tokio::test]
async fn the_script_decides_as_the_local_limiter_does() {
    let server = RedisServer::start().unwrap();
    let link = RedisLink::new(&server.url(), Duration::from_secs(10)).unwrap();
    let script = Script::new(include_str!("take.lua"));
    let mut random = 1_u64;
    for (number, rules) in sets().iter().enumerate() {
        let (set, json) =
            (RuleSet::new(rules, None).unwrap(), StoredRules::of(rules).unwrap().to_json().unwrap());
        let most = rules.iter().map(RateRule::most_at_once).min().unwrap();
        let mut tallies = Tallies::for_rules(rules.len());
        let mut allowed = 0;
        for call in 0..400 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let cost = u32::try_from((random >> 33) % u64::from(most / 3 + 2)).unwrap().min(most);
            let mut invocation = script.prepare_invoke();
            invocation
                .key(format!("{{{number}}}:t"))
                .key(format!("{{{number}}}:o"))
                .arg(cost)
                .arg(&json)
                .arg(0);
            let (status, wait, now, _, numbers, refused_by): Answer =
                link.invoke("take", &invocation).await.unwrap();
            let verdict = set.take(&mut tallies, now, cost, 1);
            let told: Vec<_> = set
                .states(&tallies, now, 1)
                .iter()
                .flat_map(|state| {
                    [u64::from(state.remaining), u64::try_from(state.resets_in.as_micros()).unwrap()]
                })
                .collect();
            let at = format!("call {call} with cost {cost} of {rules:?}");
            assert_eq!((status == 1, numbers), (verdict.is_allowed, told), "{at}");
            let waits = verdict.retry_after.map(|wait| u64::try_from(wait.as_micros()).unwrap());
            assert_eq!((refused_by > 0).then_some(wait), waits, "{at}");
            allowed += u32::from(verdict.is_allowed);
        }
        assert!(allowed < 400, "nothing of {rules:?} was ever refused");
    }
}
