//! Rule: every page under `docs/` stands in the summary of the book, once: else the book leaves it out, or
//! cannot be built at all.

use std::collections::BTreeSet;

use crate::tidy::finding::Finding;
use crate::tidy::house::House;
use crate::tidy::links::{resolve, targets};

const SUMMARY: &str = "docs/SUMMARY.md";

/// Names the pages that the summary does not list.
pub(crate) fn check(house: &House) -> Vec<Finding> {
    let targets = targets(house.text(SUMMARY).unwrap_or_default());
    let (mut listed, mut findings) = (BTreeSet::new(), Vec::new());
    for page in targets.iter().filter_map(|(_, target)| resolve(SUMMARY, target)) {
        if listed.contains(&page) {
            findings.push(Finding::in_file(SUMMARY, format!("list {page} once")));
        }
        listed.insert(page);
    }
    let pages = house.markdown().filter(|(path, _)| path.starts_with("docs/") && *path != SUMMARY);
    let unlisted = pages.filter(|(path, _)| !listed.contains(*path));
    findings.extend(unlisted.map(|(path, _)| Finding::in_file(path, format!("list the page in {SUMMARY}"))));
    findings
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

    #[test]
    fn a_page_that_is_listed_twice_is_found() {
        let summary = ("docs/SUMMARY.md", "- [A](a.md)\n- [Again](./a.md)\n");
        assert_eq!(check(&House::of(&[summary, ("docs/a.md", "")])).len(), 1);
    }
}
