//! The trace that a request belongs to (W3C Trace Context), passed on as it came.

use std::sync::Arc;

use axum::http::HeaderMap;

tokio::task_local! {
    static CURRENT: TraceContext;
}

/// The `traceparent` and `tracestate` of the request being handled.
///
/// No span is made here, so what came in goes out unchanged, as the standard asks of whoever takes no part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceContext {
    parent: Arc<str>,
    state: Option<Arc<str>>,
}

impl TraceContext {
    /// The header that carries the trace.
    pub const HEADER: &'static str = "traceparent";
    /// The header that carries what the makers of traces add to it.
    pub const STATE_HEADER: &'static str = "tracestate";
    /// The largest size in bytes of a state that is passed on.
    pub const MAX_STATE_BYTES: usize = 512;

    /// Takes what a request carries, if it carries a sound one.
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let parent = text(Self::HEADER).filter(|parent| is_sound(parent))?;
        let state = text(Self::STATE_HEADER).filter(|state| state.len() <= Self::MAX_STATE_BYTES);
        Some(Self { parent: parent.into(), state: state.map(Into::into) })
    }

    /// Returns the `traceparent`.
    pub fn parent(&self) -> &str {
        &self.parent
    }

    /// Returns the `tracestate`, if there is one.
    pub fn state(&self) -> Option<&str> {
        self.state.as_deref()
    }

    /// Returns that of the request being handled, if it has one.
    pub fn current() -> Option<Self> {
        CURRENT.try_with(Self::clone).ok()
    }

    /// Runs a future as a part of the trace.
    pub fn scope<F: Future>(self, future: F) -> impl Future<Output = F::Output> {
        CURRENT.scope(self, future)
    }
}

/// Tells whether a `traceparent` is one: version, trace id, parent id, flags.
fn is_sound(parent: &str) -> bool {
    let parts: Vec<&str> = parent.split('-').collect();
    let is_hex = |part: &str, length: usize| {
        part.len() == length && part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    let is_set = |part: &str| part.bytes().any(|byte| byte != b'0');
    let [version, trace, span, flags, ..] = parts[..] else { return false };
    let is_of_known_length = version != "00" || parts.len() == 4;
    is_of_known_length
        && version != "ff"
        && is_hex(version, 2)
        && is_hex(trace, 32)
        && is_set(trace)
        && is_hex(span, 16)
        && is_set(span)
        && is_hex(flags, 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_sound_parent_is_passed_on() {
        let sound = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        assert!(is_sound(sound));
        assert!(is_sound(&format!("01{}-more", &sound[2..])));
        for odd in [
            "",
            "00",
            &sound[..54],
            &sound.to_uppercase(),
            &format!("ff{}", &sound[2..]),
            &format!("{sound}-more"),
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        ] {
            assert!(!is_sound(odd), "{odd}");
        }
    }
}
