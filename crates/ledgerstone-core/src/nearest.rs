//! The nearest of several names, for errors that guess what was meant.

/// Returns the candidate that looks most like `given`, if any looks like it at all.
pub fn nearest<T: AsRef<str>>(given: &str, candidates: impl IntoIterator<Item = T>) -> Option<T> {
    /// Below this similarity a guess confuses more than it helps.
    const ALIKE: f64 = 0.75;
    let given = given.to_lowercase();
    let scored = candidates.into_iter().map(|candidate| {
        let score = strsim::jaro_winkler(&given, &candidate.as_ref().to_lowercase());
        (score, candidate)
    });
    let best = scored.max_by(|(left, _), (right, _)| left.total_cmp(right));
    best.filter(|(score, _)| *score >= ALIKE).map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_pen_is_recognised_and_a_stranger_is_not() {
        let fields = ["status", "country", "is_deleted"];
        assert_eq!(nearest("Satus", fields), Some("status"));
        assert_eq!(nearest("deleted", ["is_deleted"]), Some("is_deleted"));
        assert_eq!(nearest("xyz", fields), None);
    }
}
