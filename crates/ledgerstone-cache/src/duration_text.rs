//! Spans of time as people write them in settings: `250ms`, `2s`, `1m`, `12h`, `7d`.

use std::time::Duration;

use serde::{Deserialize, Deserializer};

const UNITS: &[(&str, u64)] = &[("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

/// Reads a span: a whole number and a unit.
pub(crate) fn parse(text: &str) -> Option<Duration> {
    let at = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(at);
    let (_, millis) = UNITS.iter().find(|(name, _)| *name == unit)?;
    number.parse::<u64>().ok()?.checked_mul(*millis).map(Duration::from_millis)
}

/// Writes a span so that it reads back: in the largest unit that divides it.
pub(crate) fn text(span: Duration) -> String {
    let millis = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    let fits = |(_, unit): &&(&str, u64)| millis.is_multiple_of(*unit);
    let (name, unit) = UNITS.iter().rev().find(fits).unwrap_or(&UNITS[0]);
    format!("{}{name}", millis / unit)
}

fn take<E: serde::de::Error>(text: &str) -> Result<Duration, E> {
    let what = || E::custom(format!("{text:?} is no span of time; write a number with ms, s, m, h or d"));
    parse(text).ok_or_else(what)
}

/// Reads a span that must be there.
pub(crate) fn span<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    take(&String::deserialize(deserializer)?)
}

/// Reads a span, or `off` for none.
pub(crate) fn span_or_off<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    match Option::<String>::deserialize(deserializer)?.as_deref() {
        None | Some("off") => Ok(None),
        Some(text) => take::<D::Error>(text).map(Some),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_reads_back_from_its_text() {
        for (written, millis) in [("250ms", 250), ("2s", 2_000), ("1m", 60_000), ("7d", 604_800_000)] {
            assert_eq!(parse(written), Some(Duration::from_millis(millis)));
            assert_eq!(text(Duration::from_millis(millis)), written);
        }
        for wrong in ["", "5", "s", "-1s", "1.5s", "1 s", "99999999999999999999s"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
