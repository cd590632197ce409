//! Correlation ids: one text by which all that belongs to a request is found, in its logs and elsewhere.

use std::sync::Arc;

use axum::http::{HeaderMap, HeaderValue};
use ledgerstone_core::IdSource;

tokio::task_local! {
    static CURRENT: Correlation;
}

/// The correlation id of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Correlation {
    id: Arc<str>,
    given: bool,
}

impl Correlation {
    /// The header that carries it, in and out.
    pub const HEADER: &'static str = "x-correlation-id";
    /// The largest size in bytes of one that a caller gives.
    pub const MAX_BYTES: usize = 128;

    /// Takes the caller's `x-correlation-id`, or the trace id of its `traceparent`, or makes a new one.
    ///
    /// What is not a short text of letters, digits and `-_.:/+=` is not taken: it would end in logs.
    pub fn of(headers: &HeaderMap, ids: &dyn IdSource) -> Self {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let given =
            text(Self::HEADER).filter(|id| is_sane(id)).or_else(|| text("traceparent").and_then(trace_id));
        match given {
            Some(id) => Self { id: id.into(), given: true },
            None => Self { id: ids.next_id().simple().to_string().into(), given: false },
        }
    }

    /// Returns the id.
    pub fn as_str(&self) -> &str {
        &self.id
    }

    /// Tells whether the caller gave it.
    pub fn is_given(&self) -> bool {
        self.given
    }

    /// Returns that of the request being handled, if one is.
    pub fn current() -> Option<Self> {
        CURRENT.try_with(Self::clone).ok()
    }

    /// Runs a future as a part of the request.
    pub fn scope<F: Future>(self, future: F) -> impl Future<Output = F::Output> {
        CURRENT.scope(self, future)
    }

    /// Returns the header's value.
    pub fn to_header(&self) -> Option<HeaderValue> {
        HeaderValue::from_str(&self.id).ok()
    }
}

/// Tells whether an id that a caller gave may stand in logs.
pub(crate) fn is_sane(id: &str) -> bool {
    let sound = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:/+=".contains(&byte);
    !id.is_empty() && id.len() <= Correlation::MAX_BYTES && id.bytes().all(sound)
}

/// Returns the trace id of a W3C `traceparent`: version, trace id, parent id, flags.
fn trace_id(traceparent: &str) -> Option<&str> {
    let mut parts = traceparent.split('-');
    let (_version, id) = (parts.next()?, parts.next()?);
    let sound = id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    (sound && id.bytes().any(|byte| byte != b'0')).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ledgerstone_core::TimeOrderedIds;

    fn given(name: &'static str, value: &str) -> Correlation {
        let mut headers = HeaderMap::new();
        headers.insert(name, HeaderValue::from_str(value).expect("a header"));
        Correlation::of(&headers, &TimeOrderedIds)
    }

    #[test]
    fn a_sane_id_is_taken_and_another_is_replaced() {
        assert_eq!(given("x-correlation-id", "order-7/retry.2").as_str(), "order-7/retry.2");
        for odd in ["", "two words", "a\"b", &"x".repeat(129)] {
            assert!(!given("x-correlation-id", odd).is_given(), "{odd}");
        }
    }

    #[test]
    fn the_trace_id_of_a_traceparent_is_taken() {
        let id = "4bf92f3577b34da6a3ce929d0e0e4736";
        assert_eq!(given("traceparent", &format!("00-{id}-00f067aa0ba902b7-01")).as_str(), id);
        assert!(!given("traceparent", &format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32))).is_given());
        assert!(!given("traceparent", "nonsense").is_given());
    }
}
