//! Times: whole microseconds in UTC, and the offsets that people wrote beside them.

use std::fmt;
use std::time::Duration;

use jiff::tz::{AmbiguousOffset, Offset, TimeZone};

use crate::nearest::nearest;
use crate::text::InvalidName;

/// A moment in UTC, in whole microseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The beginning of 1970.
    pub const UNIX_EPOCH: Self = Self(0);

    /// Takes microseconds since 1970; what no calendar can print is cut to the nearest that one can.
    pub fn from_micros(micros: i64) -> Self {
        let least = jiff::Timestamp::MIN.as_microsecond();
        // The calendar takes no fraction of its last second.
        let most = jiff::Timestamp::MAX.as_second() * 1_000_000;
        Self(micros.clamp(least, most))
    }

    /// Returns the microseconds since 1970.
    pub fn as_micros(self) -> i64 {
        self.0
    }

    /// Returns the moment that is `duration` later, or the last one that a calendar can print.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        let micros = i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
        Self::from_micros(self.0.saturating_add(micros))
    }

    /// Returns the moment that was `duration` earlier, or the first one that a calendar can print.
    #[must_use]
    pub fn minus(self, duration: Duration) -> Self {
        let micros = i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
        Self::from_micros(self.0.saturating_sub(micros))
    }

    /// Returns the time that has passed since `earlier`, or nothing if it is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// Reads a time with an offset, such as `2011-10-11T13:45:40.276+02:00`; a space may stand for the `T`.
    ///
    /// A time without an offset is an error: nobody could tell which moment it means.
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        OffsetTime::parse(text, None).map(|time| time.at)
    }

    fn to_jiff(self) -> jiff::Timestamp {
        jiff::Timestamp::from_microsecond(self.0).unwrap_or_default()
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.6}", self.to_jiff())
    }
}

impl serde::Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Timestamp {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// A moment and the offset from UTC, in seconds, at which somebody wrote it down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct OffsetTime {
    /// The moment.
    pub at: Timestamp,
    /// The offset that was given, if it was not UTC.
    pub offset: Option<i32>,
}

impl OffsetTime {
    /// Takes a moment in UTC.
    pub fn utc(at: Timestamp) -> Self {
        Self { at, offset: None }
    }

    /// Reads a time with an offset; without one, `zone` (such as `Europe/Amsterdam`) must be named.
    ///
    /// What is finer than a microsecond is cut off. Where clocks were turned back, a local time that came twice
    /// is the first of the two; where they were turned forward, one that never came is refused.
    pub fn parse(text: &str, zone: Option<&str>) -> Result<Self, InvalidName> {
        let invalid = |reason: String| InvalidName::new("a time", text, reason);
        let text = text.trim();
        let pieces = jiff::fmt::temporal::DateTimeParser::new().parse_pieces(text).map_err(|_| {
            invalid("it is no date and time; write it like 2011-10-11T13:45:40+02:00".to_owned())
        })?;
        let Some(time) = pieces.time() else {
            return Err(invalid("it has a date but no time of day".to_owned()));
        };
        let civil = pieces.date().to_datetime(time);
        let offset = match (pieces.to_numeric_offset(), zone) {
            (Some(offset), _) => offset,
            (None, Some(name)) => match time_zone(name)?.to_ambiguous_timestamp(civil).offset() {
                AmbiguousOffset::Unambiguous { offset } => offset,
                AmbiguousOffset::Fold { before, .. } => before,
                AmbiguousOffset::Gap { .. } => {
                    return Err(invalid(format!(
                        "clocks in {name} were turned forward over it, so it never was; give it an offset"
                    )));
                }
            },
            (None, None) => {
                return Err(invalid(
                    "it has no offset from UTC; add one, such as Z or +02:00, or name a time zone".to_owned(),
                ));
            }
        };
        let at = offset.to_timestamp(civil).map_err(|error| invalid(error.to_string()))?;
        let seconds = offset.seconds();
        Ok(Self { at: Timestamp(at.as_microsecond()), offset: (seconds != 0).then_some(seconds) })
    }
}

/// Finds a time zone by its name.
fn time_zone(name: &str) -> Result<TimeZone, InvalidName> {
    TimeZone::get(name).map_err(|_| {
        let known = jiff::tz::db().available().map(|known| known.to_string());
        let hint = nearest(name, known).map_or_else(
            || "write one such as Europe/Amsterdam or UTC".to_owned(),
            |nearest| format!("did you mean {nearest}?"),
        );
        InvalidName::new("a time zone", name, format!("there is none of this name; {hint}"))
    })
}

impl fmt::Display for OffsetTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let offset = self.offset.and_then(|seconds| Offset::from_seconds(seconds).ok());
        match offset {
            Some(offset) => write!(f, "{:.6}", self.at.to_jiff().display_with_offset(offset)),
            None => self.at.fmt(f),
        }
    }
}

impl serde::Serialize for OffsetTime {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for OffsetTime {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        Self::parse(&text, None).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offset_survives_the_round_trip() {
        let time = OffsetTime::parse("2011-10-11 13:45:40.276000+02:00", None).expect("a time");
        assert_eq!(time.offset, Some(7200));
        assert_eq!(time.to_string(), "2011-10-11T13:45:40.276000+02:00");
        assert_eq!(OffsetTime::parse(&time.to_string(), None), Ok(time));
    }

    #[test]
    fn a_time_without_an_offset_is_refused_unless_a_zone_is_named() {
        let refused = OffsetTime::parse("2011-10-11 13:45:40", None).expect_err("naive");
        assert!(refused.to_string().contains("no offset"), "{refused}");
        let zoned = OffsetTime::parse("2011-10-11 13:45:40", Some("Europe/Amsterdam"));
        assert_eq!(zoned.map(|time| time.offset), Ok(Some(7200)));
    }

    #[test]
    fn a_local_time_that_came_twice_is_the_first_and_one_that_never_came_is_refused() {
        let read = |text: &str| OffsetTime::parse(text, Some("Europe/Amsterdam"));
        assert_eq!(read("2023-10-29 02:30:00").map(|time| time.offset), Ok(Some(7200)));
        assert_eq!(read("2023-10-29 03:00:00").map(|time| time.offset), Ok(Some(3600)));
        let refused = read("2023-03-26 02:30:00").expect_err("a gap").to_string();
        assert!(refused.contains("never was"), "{refused}");
        assert_eq!(read("2023-03-26 02:30:00+01:00").map(|time| time.offset), Ok(Some(3600)));
    }

    #[test]
    fn an_unknown_zone_is_answered_with_the_nearest() {
        let refused = OffsetTime::parse("2023-10-29 02:30:00", Some("Europe/Amsterdm"));
        let refused = refused.expect_err("unknown").to_string();
        assert!(refused.contains("did you mean Europe/Amsterdam?"), "{refused}");
    }

    #[test]
    fn the_first_and_the_last_moment_read_back_from_their_text() {
        for micros in [i64::MIN, i64::MAX, 0, -1] {
            let time = Timestamp::from_micros(micros);
            assert_eq!(Timestamp::parse(&time.to_string()), Ok(time), "{time}");
        }
    }

    #[test]
    fn a_date_alone_is_no_time() {
        assert!(OffsetTime::parse("2011-10-11", None).is_err());
        for text in ["soon", "30.10.2011 02:30", "2011-02-30T00:00:00Z"] {
            let refused = OffsetTime::parse(text, None).expect_err(text).to_string();
            assert!(refused.contains("write it like 2011-10-11T13:45:40+02:00"), "{refused}");
        }
    }
}
