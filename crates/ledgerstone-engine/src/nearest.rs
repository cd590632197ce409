//! The nearest name: what somebody who mistyped a word may have meant.

/// Returns the candidate that is most like `given`, if one is alike at all.
pub(crate) fn nearest<'a>(given: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Jaro-Winkler above 0.75 keeps transposed, missing and doubled letters, and drops chance likeness.
    const ALIKE: f64 = 0.75;
    let given = given.to_lowercase();
    let scored = candidates
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(&given, &candidate.to_lowercase()), candidate))
        .filter(|(score, _)| *score >= ALIKE);
    scored.max_by(|(one, _), (other, _)| one.total_cmp(other)).map(|(_, candidate)| candidate)
}

/// Returns `; did you mean "…"?`, or nothing if nothing is alike.
pub(crate) fn hint<'a>(given: &str, candidates: impl IntoIterator<Item = &'a str>) -> String {
    nearest(given, candidates).map_or_else(String::new, |name| format!("; did you mean {name:?}?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistyped_word_finds_its_neighbour_and_a_strange_one_none() {
        let words = ["indexed", "searchable", "kind"];
        assert_eq!(nearest("indxed", words), Some("indexed"));
        assert_eq!(nearest("Kind", words), Some("kind"));
        assert_eq!(nearest("zzz", words), None);
    }
}
