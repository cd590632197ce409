//! What an HTTP answer says of a limit: `RateLimit-Policy`, `RateLimit` and `Retry-After`.
//!
//! The fields are those of draft-ietf-httpapi-ratelimit-headers in its structured form (RFC 9651 lists
//! of strings with parameters): `q` is the quota, `w` its window, `r` what remains, `t` the seconds
//! until it is whole again, or, for who was refused, until the same cost may be asked for again.

use std::time::Duration;

use ledgerstone_core::{RateState, RateVerdict};

/// Returns the names, in lower case, and the values of the header fields for an answer.
///
/// An answer that no rule binds bears none. Times are whole seconds, rounded up, so that a client
/// that waits as long as it was told is not refused again.
pub fn rate_headers(verdict: &RateVerdict) -> Vec<(&'static str, String)> {
    let mut headers = Vec::with_capacity(3);
    if let Some(state) = &verdict.tightest {
        headers.push(("ratelimit-policy", policy(state)));
        headers.push(("ratelimit", limit(state, verdict.retry_after)));
    }
    if let Some(wait) = verdict.retry_after {
        headers.push(("retry-after", whole_seconds(wait).max(1).to_string()));
    }
    headers
}

fn policy(state: &RateState) -> String {
    let rule = &state.rule;
    // A window is a whole number of seconds there; a shorter one is left out rather than told wrongly.
    if rule.per.subsec_nanos() == 0 {
        format!("\"{}\";q={};w={}", rule.name, rule.limit, rule.per.as_secs())
    } else {
        format!("\"{}\";q={}", rule.name, rule.limit)
    }
}

fn limit(state: &RateState, retry_after: Option<Duration>) -> String {
    // Who was refused may come again before everything is back, and `Retry-After` must not end before `t`.
    let window = retry_after.map_or(state.resets_in, |wait| wait.min(state.resets_in));
    format!("\"{}\";r={};t={}", state.rule.name, state.remaining, whole_seconds(window))
}

fn whole_seconds(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use ledgerstone_core::{RateAlgorithm, RateRule};

    use super::*;

    fn verdict(per: Duration, retry_after: Option<Duration>) -> RateVerdict {
        let rule = RateRule {
            name: "per_minute".into(),
            limit: 100,
            per,
            burst: None,
            algorithm: RateAlgorithm::Gcra,
        };
        let state =
            RateState { rule: Arc::new(rule), remaining: 7, resets_in: Duration::from_millis(30_001) };
        RateVerdict {
            is_allowed: retry_after.is_none(),
            tightest: Some(state),
            retry_after,
            is_degraded: false,
        }
    }

    #[test]
    fn an_answer_tells_the_policy_and_what_is_left() {
        let headers = rate_headers(&verdict(Duration::from_secs(60), None));
        assert_eq!(
            headers,
            [
                ("ratelimit-policy", r#""per_minute";q=100;w=60"#.to_owned()),
                ("ratelimit", r#""per_minute";r=7;t=31"#.to_owned()),
            ]
        );
    }

    #[test]
    fn a_refusal_tells_whole_seconds_rounded_up_and_never_none() {
        for (wait, told) in [(0, "1"), (1, "1"), (1_000, "1"), (1_001, "2"), (59_999, "60")] {
            let refused = verdict(Duration::from_millis(500), Some(Duration::from_millis(wait)));
            let headers = rate_headers(&refused);
            assert_eq!(headers[0].1, r#""per_minute";q=100"#);
            assert_eq!(headers[1].1, format!(r#""per_minute";r=7;t={}"#, wait.div_ceil(1_000).min(31)));
            assert_eq!(headers[2], ("retry-after", told.to_owned()));
        }
    }

    #[test]
    fn where_no_rule_binds_nothing_is_told() {
        let verdict = RateVerdict { is_allowed: true, tightest: None, retry_after: None, is_degraded: false };
        assert!(rate_headers(&verdict).is_empty());
    }
}
