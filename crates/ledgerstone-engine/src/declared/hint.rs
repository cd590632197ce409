//! What somebody who mistyped a word of a declaration may have meant, as the end of a message.

use ledgerstone_core::nearest;

/// Returns `; did you mean "…"?`, or nothing if nothing is alike.
pub(super) fn hint<'a>(given: &str, candidates: impl IntoIterator<Item = &'a str>) -> String {
    nearest(given, candidates).map_or_else(String::new, |name| format!("; did you mean {name:?}?"))
}
