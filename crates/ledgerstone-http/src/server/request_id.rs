//! Request ids: one text for each request, where a correlation id is for all that belongs together.

use std::sync::atomic::{AtomicU64, Ordering};

use axum::http::{HeaderMap, HeaderValue};
use ledgerstone_core::{IdSource, TimeOrderedIds};

use crate::correlation::is_sane;

/// The id of one request; handlers find it among the request's extensions.
///
/// A call that is made three times has one correlation id and three of these, so that each try is found alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId(HeaderValue);

impl RequestId {
    /// The header that carries it, in from a proxy and out with the answer.
    pub const HEADER: &'static str = "x-request-id";

    /// Returns the id.
    pub fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }

    /// Returns the header's value.
    pub fn to_header(&self) -> HeaderValue {
        self.0.clone()
    }
}

/// Gives ids to requests: a start that differs between processes, and a number that rises.
///
/// A random id for each would ask the system for randomness each time.
#[derive(Debug)]
pub struct RequestIds {
    start: String,
    next: AtomicU64,
}

impl RequestIds {
    /// Takes the random part of one id as the start.
    pub fn new(ids: &dyn IdSource) -> Self {
        let random = ids.next_id().simple().to_string().split_off(20);
        Self { start: random, next: AtomicU64::new(1) }
    }

    /// Takes the id that a proxy gave, if it is one that may stand in logs, or makes the next.
    pub fn of(&self, headers: &HeaderMap) -> RequestId {
        let given = headers.get(RequestId::HEADER);
        if let Some(given) = given.filter(|value| value.to_str().is_ok_and(is_sane)) {
            return RequestId(given.clone());
        }
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let made = HeaderValue::try_from(format!("{}-{number:x}", self.start));
        RequestId(made.unwrap_or_else(|_| HeaderValue::from_static("unknown")))
    }
}

impl Default for RequestIds {
    fn default() -> Self {
        Self::new(&TimeOrderedIds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_request_has_an_id_of_its_own() {
        let (one, other) = (RequestIds::default(), RequestIds::default());
        let none = HeaderMap::new();
        let made: std::collections::BTreeSet<_> = [&one, &other]
            .iter()
            .flat_map(|ids| (0..20).map(|_| ids.of(&none).as_str().to_owned()))
            .collect();
        assert_eq!(made.len(), 40, "{made:?}");
        assert!(made.iter().all(|id| is_sane(id) && id.len() > 12), "{made:?}");
    }

    #[test]
    fn what_a_proxy_gave_is_kept_unless_it_would_spoil_a_log() {
        let ids = RequestIds::default();
        let of = |value: &'static str| {
            let headers = HeaderMap::from_iter([(
                axum::http::HeaderName::from_static(RequestId::HEADER),
                HeaderValue::from_static(value),
            )]);
            ids.of(&headers).as_str().to_owned()
        };
        assert_eq!(of("edge-7/3"), "edge-7/3");
        assert_ne!(of("two words"), "two words");
        assert_ne!(of(""), "");
    }
}
