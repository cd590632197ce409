//! A rule as people write it: `100/s`, `10000/d burst 500 gcra`, `5/10s fixed_window as logins`.

use std::time::Duration;

use ledgerstone_core::{RateAlgorithm, RateRule};

use super::invalid_rule::InvalidRule;

/// Units of time, each with its names and its milliseconds.
const UNITS: &[(&[&str], u64)] = &[
    (&["ms"], 1),
    (&["s", "second", "seconds", "sec"], 1_000),
    (&["m", "minute", "minutes", "min"], 60_000),
    (&["h", "hour", "hours"], 3_600_000),
    (&["d", "day", "days"], 86_400_000),
];

/// Reads a rule; its name is `per_second` and the like, unless `as` gives another.
pub(crate) fn parse_rule(text: &str) -> Result<RateRule, InvalidRule> {
    let wrong = |why: String| InvalidRule::Text { text: text.to_owned(), why };
    let mut words = text.split_whitespace();
    let first = words.next().unwrap_or_default();
    let (limit, per_text) =
        first.split_once('/').ok_or_else(|| wrong("it must begin like `100/s`".to_owned()))?;
    let limit = limit.parse().map_err(|_| wrong(format!("`{limit}` is no number up to {}", u32::MAX)))?;
    let per = parse_per(per_text).ok_or_else(|| wrong(format!("`{per_text}` is no time")))?;
    let mut rule =
        RateRule { name: name_of(per_text), limit, per, burst: None, algorithm: RateAlgorithm::Gcra };
    while let Some(word) = words.next() {
        match word {
            "burst" => {
                let burst = words.next().unwrap_or_default();
                let number = burst.parse().map_err(|_| wrong(format!("`burst {burst}` wants a number")))?;
                rule.burst = Some(number);
            }
            "as" => {
                let name = words.next().ok_or_else(|| wrong("`as` wants a name".to_owned()))?;
                name.clone_into(&mut rule.name);
            }
            word => rule.algorithm = parse_algorithm(word).ok_or_else(|| wrong(unknown(word)))?,
        }
    }
    Ok(rule)
}

/// Reads the name of an algorithm.
pub(crate) fn parse_algorithm(text: &str) -> Option<RateAlgorithm> {
    RateAlgorithm::ALL.iter().copied().find(|algorithm| algorithm.as_str() == text)
}

/// Says what an algorithm may be called.
pub(crate) fn unknown(algorithm: &str) -> String {
    let known: Vec<_> = RateAlgorithm::ALL.iter().map(|algorithm| algorithm.as_str()).collect();
    format!("`{algorithm}` is none of {}", known.join(", "))
}

/// Reads a time such as `s`, `10s`, `minute` or `1d`.
pub(crate) fn parse_per(text: &str) -> Option<Duration> {
    let at = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(at);
    let number: u64 = if number.is_empty() { 1 } else { number.parse().ok()? };
    let (_, millis) = UNITS.iter().find(|(names, _)| names.contains(&unit))?;
    number.checked_mul(*millis).map(Duration::from_millis)
}

/// Names a rule after its time: `per_second` for `s` and `1s`, `per_10s` for `10s`.
pub(crate) fn name_of(per: &str) -> String {
    let unit = per.strip_prefix('1').unwrap_or(per);
    let unit = UNITS.iter().find(|(names, _)| names.contains(&unit));
    format!("per_{}", unit.and_then(|(names, _)| names.get(1)).copied().unwrap_or(per))
}

/// Writes a time as the largest unit that divides it.
pub(crate) fn per_text(per: Duration) -> String {
    let millis = per.as_millis();
    if millis == 0 || !per.as_nanos().is_multiple_of(1_000_000) {
        return format!("{per:?}");
    }
    let unit = UNITS.iter().rev().find(|(_, size)| millis.is_multiple_of(u128::from(*size)));
    unit.map_or_else(
        || format!("{per:?}"),
        |(names, size)| format!("{}{}", millis / u128::from(*size), names[0]),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_a_number_in_a_time_and_what_else_is_said() {
        let rule = parse_rule("10000/d burst 500 token_bucket as daily").unwrap();
        let expected = RateRule {
            name: "daily".into(),
            limit: 10_000,
            per: Duration::from_secs(86_400),
            burst: Some(500),
            algorithm: RateAlgorithm::TokenBucket,
        };
        assert_eq!(rule, expected);
        for (text, name, millis) in [
            ("100/s", "per_second", 1_000),
            ("100/second", "per_second", 1_000),
            ("5/10s", "per_10s", 10_000),
            ("5/250ms", "per_250ms", 250),
            ("60/m", "per_minute", 60_000),
            ("60/h fixed_window", "per_hour", 3_600_000),
        ] {
            let rule = parse_rule(text).unwrap();
            assert_eq!((rule.name.as_str(), rule.per), (name, Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn what_is_no_rule_is_refused_with_what_is_wrong() {
        for (text, why) in [
            ("", "begin like"),
            ("100", "begin like"),
            ("many/s", "`many` is no number"),
            ("5000000000/s", "no number up to"),
            ("-1/s", "no number"),
            ("5/fortnight", "`fortnight` is no time"),
            ("5/10", "`10` is no time"),
            ("5/s burst", "wants a number"),
            ("5/s leaky", "none of fixed_window, sliding_window, token_bucket, gcra"),
            ("5/s as", "wants a name"),
        ] {
            let refused = parse_rule(text).unwrap_err().to_string();
            assert!(refused.contains(why), "{text}: {refused}");
        }
    }

    #[test]
    fn a_time_is_written_as_it_would_be_read() {
        for text in ["1s", "10s", "250ms", "1m", "1h", "7d"] {
            assert_eq!(per_text(parse_per(text).unwrap()), text);
        }
    }
}
