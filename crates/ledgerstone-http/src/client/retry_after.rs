//! How long a server asks to be left alone: the header `retry-after`, in seconds or as a date.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ledgerstone_core::Clock;

/// Reads `retry-after`; what is neither a number of seconds nor a date is not there.
///
/// A date is held against the server's own `date` where it sent one, since its clock need not be ours.
pub(crate) fn retry_after(value: &str, date: Option<&str>, clock: &dyn Clock) -> Option<Duration> {
    let value = value.trim();
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        // More seconds than a number holds is as good as never.
        return Some(Duration::from_secs(value.parse().unwrap_or(u64::MAX)));
    }
    let until = httpdate::parse_http_date(value).ok()?;
    let now = date.and_then(|date| httpdate::parse_http_date(date.trim()).ok()).unwrap_or_else(|| now(clock));
    Some(until.duration_since(now).unwrap_or_default())
}

fn now(clock: &dyn Clock) -> SystemTime {
    UNIX_EPOCH + Duration::from_micros(u64::try_from(clock.now().as_micros()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use ledgerstone_core::SystemClock;

    fn read(value: &str, date: Option<&str>) -> Option<u64> {
        retry_after(value, date, &SystemClock::new()).map(|wait| wait.as_secs())
    }

    #[test]
    fn seconds_and_dates_are_read_and_nonsense_is_not() {
        let date = Some("Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(read("120", None), Some(120));
        assert_eq!(read(" 0 ", None), Some(0));
        assert_eq!(read("Sun, 06 Nov 1994 08:50:37 GMT", date), Some(60));
        // A date in the past means now, and so does one that lies before ours.
        assert_eq!(read("Sun, 06 Nov 1994 08:40:37 GMT", date), Some(0));
        assert_eq!(read("Sun, 06 Nov 1994 08:50:37 GMT", None), Some(0));
        assert_eq!(read("99999999999999999999999", None), Some(u64::MAX));
        for nonsense in ["", "soon", "-1", "1.5", "Sun, 99 Nov 1994"] {
            assert_eq!(read(nonsense, date), None, "{nonsense}");
        }
    }
}
