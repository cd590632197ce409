//! Rule: every Rust file opens with `//!` and a full sentence.

use crate::tidy::finding::Finding;
use crate::tidy::house::House;

/// Names the files that open otherwise.
pub(crate) fn check(house: &House) -> Vec<Finding> {
    let unopened = |text: &str| match opening(text) {
        None => Some("the first line is no `//!`; say in a sentence what the file is for"),
        Some(paragraph) if !is_sentence(&paragraph) => {
            Some("the opening is no full sentence; it begins with a capital and ends with a full stop")
        }
        Some(_) => None,
    };
    let found =
        house.rust().iter().filter_map(|file| Some(Finding::in_file(&file.path, unopened(&file.text)?)));
    found.collect()
}

/// Joins the first paragraph of the opening comment.
fn opening(text: &str) -> Option<String> {
    let lines = text.lines().map_while(|line| line.strip_prefix("//!")).map(str::trim);
    let paragraph: Vec<&str> = lines.take_while(|line| !line.is_empty()).collect();
    (!paragraph.is_empty()).then(|| paragraph.join(" "))
}

fn is_sentence(paragraph: &str) -> bool {
    let begins_well = paragraph.chars().next().is_some_and(|first| !first.is_lowercase());
    let ends = paragraph.ends_with('.') || paragraph.contains(". ");
    begins_well && ends && paragraph.contains(' ')
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::tidy::house::House;

    fn findings(text: &str) -> usize {
        check(&House::of(&[("a.rs", text)])).len()
    }

    #[test]
    fn a_sentence_over_two_lines_is_an_opening() {
        assert_eq!(findings("//! Keeps the events\n//! of every stream.\n\nuse std::fmt;\n"), 0);
        assert_eq!(findings("//! `cargo xtask` runs it.\n"), 0);
    }

    #[test]
    fn a_file_without_a_sentence_is_found() {
        assert_eq!(findings("use std::fmt;\n"), 1);
        assert_eq!(findings("//! Helpers\n"), 1);
        assert_eq!(findings("//! the event store.\n"), 1);
        assert_eq!(findings("// A plain comment.\n"), 1);
    }
}
