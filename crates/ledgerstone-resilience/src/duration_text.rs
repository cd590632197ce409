//! Spans of time as people write them in settings: `250ms`, `2s`, `1m`, `1h`, `1d`.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serializer};

const UNITS: &[(&str, u64)] =
    &[("ms", 1), ("s", 1_000), ("m", 60 * 1_000), ("h", 60 * 60 * 1_000), ("d", 24 * 60 * 60 * 1_000)];

/// Reads a span of time: a whole number and a unit; nothing if it is none.
pub(crate) fn read(text: &str) -> Option<Duration> {
    let at = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(at);
    let (_, millis) = UNITS.iter().find(|(name, _)| *name == unit)?;
    number.parse::<u64>().ok()?.checked_mul(*millis).map(Duration::from_millis)
}

/// Writes a span of time in the largest unit that tells it wholly.
pub(crate) fn show(span: Duration) -> String {
    let millis = span.as_millis();
    if !span.subsec_nanos().is_multiple_of(1_000_000) || millis == 0 {
        return if span.is_zero() { "0s".to_owned() } else { format!("{span:?}") };
    }
    let whole = UNITS.iter().rev().find(|(_, unit)| millis.is_multiple_of(u128::from(*unit)));
    whole.map_or_else(|| format!("{span:?}"), |(name, unit)| format!("{}{name}", millis / u128::from(*unit)))
}

/// Writes a span of time as text.
pub(crate) fn serialize<S: Serializer>(span: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&show(*span))
}

/// Reads a span of time from text.
pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    read(&text).ok_or_else(|| {
        let what = format!(
            "{text:?} is no span of time; write a whole number and ms, s, m, h or d, as in \"250ms\""
        );
        serde::de::Error::custom(what)
    })
}

/// The same for a span of time that may be left out.
pub(crate) mod optional {
    use std::time::Duration;

    use serde::{Deserializer, Serializer};

    /// Writes a span of time as text, if there is one.
    pub(crate) fn serialize<S: Serializer>(
        span: &Option<Duration>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match span {
            Some(span) => super::serialize(span, serializer),
            None => serializer.serialize_none(),
        }
    }

    /// Reads a span of time from text; where the key is left out, serde does not ask.
    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Duration>, D::Error> {
        super::deserialize(deserializer).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_with_a_unit_is_a_span_and_reads_back() {
        for (text, millis) in [
            ("250ms", 250),
            ("1500ms", 1_500),
            ("2s", 2_000),
            ("90s", 90_000),
            ("1m", 60_000),
            ("3h", 10_800_000),
            ("1d", 86_400_000),
        ] {
            let span = Duration::from_millis(millis);
            assert_eq!(read(text), Some(span), "{text}");
            assert_eq!(read(&show(span)), Some(span), "{text}");
        }
        assert_eq!(show(Duration::from_millis(60_000)), "1m");
        assert_eq!(show(Duration::ZERO), "0s");
        for text in
            ["", "s", "1", "1.5s", "-1s", "1 s", "1w", "99999999999999999999s", "9999999999999999999d"]
        {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
