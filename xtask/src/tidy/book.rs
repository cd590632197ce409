//! Rule: every page under `docs/` stands in the summary of the book, or the book leaves it out.

use std::collections::BTreeSet;

use crate::tidy::finding::Finding;
use crate::tidy::house::House;
use crate::tidy::links::{resolve, targets};

const SUMMARY: &str = "docs/SUMMARY.md";

/// Names the pages that the summary does not list.
pub(crate) fn check(house: &House) -> Vec<Finding> {
    let listed: BTreeSet<String> = targets(house.text(SUMMARY).unwrap_or_default())
        .iter()
        .filter_map(|(_, target)| resolve(SUMMARY, target))
        .collect();
    let pages = house.markdown().filter(|(path, _)| path.starts_with("docs/") && *path != SUMMARY);
    let unlisted = pages.filter(|(path, _)| !listed.contains(*path));
    unlisted.map(|(path, _)| Finding::in_file(path, format!("list the page in {SUMMARY}"))).collect()
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::tidy::house::House;

    #[test]
    fn a_page_outside_the_summary_is_found() {
        let summary = ("docs/SUMMARY.md", "- [A](a.md)\n  - [B](./b/c.md)\n");
        assert_eq!(check(&House::of(&[summary, ("docs/a.md", ""), ("docs/b/c.md", "")])), []);
        assert_eq!(check(&House::of(&[summary, ("docs/lost.md", ""), ("README.md", "")])).len(), 1);
    }
}
