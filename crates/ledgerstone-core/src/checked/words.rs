//! Words: how text becomes what `matches` searches, the same for documents and queries on every backend.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::{canonical_combining_class, is_combining_mark};

/// The number of characters by which words are told apart; what follows is cut off.
const WORD_CHARS: usize = 100;

/// Returns the words of a text, in its order: its longest runs of letters and digits, case- and accent-folded.
///
/// Folding takes compatible forms as one (NFKD), drops accents and other combining marks, and lowers the
/// case by way of the upper one, so that `Straße`, `STRASSE` and `strasse` are the same word. A word holds
/// no ASCII but small letters and digits, and at most 100 characters.
pub fn words(text: &str) -> Vec<String> {
    let folded = fold(text);
    folded.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(cut).collect()
}

fn fold(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    let plain = text.nfkd().filter(|c| !is_accent(*c));
    // The capital of ß has itself as its capital, and only the small letter has SS.
    let upper = plain.flat_map(char::to_lowercase).flat_map(char::to_uppercase);
    let lower = upper.flat_map(char::to_lowercase);
    // Changing the case may compose again.
    lower.nfkd().filter(|c| !is_accent(*c)).collect()
}

/// Tells accents from the vowel signs of scripts that write vowels as marks, which belong to the word.
fn is_accent(c: char) -> bool {
    canonical_combining_class(c) != 0 || (is_combining_mark(c) && !c.is_alphanumeric())
}

fn cut(word: &str) -> String {
    match word.char_indices().nth(WORD_CHARS) {
        Some((end, _)) => word[..end].to_owned(),
        None => word.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn case_accents_and_compatible_forms_are_the_same_word() {
        assert_eq!(words("Straße STRASSE strasse STRAẞE"), ["strasse"; 4]);
        assert_eq!(words("Café, cafe\u{301} CAFÉ"), ["cafe"; 3]);
        assert_eq!(words("ὀδυσσεύς ΟΔΥΣΣΕΥΣ"), ["οδυσσευσ"; 2]);
        assert_eq!(words("ﬁle №5"), ["file", "no5"]);
        assert_eq!(words("İstanbul"), ["istanbul"]);
    }

    #[test]
    fn words_are_runs_of_letters_and_digits() {
        assert_eq!(
            words("T06 Determine necessity (of) stop_advice!"),
            ["t06", "determine", "necessity", "of", "stop", "advice"]
        );
        assert!(words(" -- ∑ … ").is_empty());
        assert_eq!(words(&"x".repeat(300)), ["x".repeat(100)]);
    }

    #[test]
    fn vowel_signs_belong_to_the_word() {
        assert_ne!(words("कि"), words("का"));
    }

    proptest! {
        #[test]
        fn folding_a_folded_text_changes_nothing(text in "\\PC{0,40}") {
            let once = words(&text);
            prop_assert_eq!(words(&once.join(" ")), once);
        }

        #[test]
        fn a_word_holds_no_other_ascii_than_small_letters_and_digits(text in "\\PC{0,40}") {
            for word in words(&text) {
                let sound = |c: char| !c.is_ascii() || c.is_ascii_lowercase() || c.is_ascii_digit();
                prop_assert!(word.chars().all(sound), "{:?}", word);
            }
        }
    }
}
