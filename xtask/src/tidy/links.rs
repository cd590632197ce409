//! Rule: every link in a Markdown file to a file of the checkout leads somewhere.

use crate::tidy::finding::Finding;
use crate::tidy::house::House;

/// Names the links that lead nowhere.
pub(crate) fn check(house: &House) -> Vec<Finding> {
    let mut found = Vec::new();
    for (path, text) in house.markdown() {
        for (index, target) in targets(text) {
            let leads = resolve(path, &target).is_some_and(|target| house.holds(&target));
            if !leads {
                found.push(Finding::at_line(path, index, format!("`{target}` is not there")));
            }
        }
    }
    found
}

/// Every link to a local file in a Markdown text, without its anchor, with the index of its line.
pub(crate) fn targets(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut fenced = false;
    for (index, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if !fenced {
            let prose = without_code(line);
            found.extend(links(&prose).filter(|link| is_local(link)).map(|link| (index, link.to_owned())));
        }
    }
    found
}

fn without_code(line: &str) -> String {
    line.split('`').step_by(2).collect::<Vec<_>>().join(" ")
}

fn links(line: &str) -> impl Iterator<Item = &str> {
    let inline = line.split("](").skip(1).filter_map(|rest| rest.split([')', ' ']).next());
    let reference =
        line.strip_prefix('[').and_then(|rest| rest.split_once("]: ")).map(|(_, target)| target.trim());
    inline.chain(reference).map(|link| link.split('#').next().unwrap_or_default())
}

fn is_local(link: &str) -> bool {
    !link.is_empty() && !link.contains("://") && !link.starts_with("mailto:")
}

/// Resolves a link of the file `from` to a path from the root; none if it leaves the checkout.
pub(crate) fn resolve(from: &str, target: &str) -> Option<String> {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::{check, resolve};
    use crate::tidy::house::House;

    fn findings(text: &str) -> usize {
        check(&House::of(&[("docs/concepts/a.md", text), ("docs/glossary.md", ""), ("README.md", "")])).len()
    }

    #[test]
    fn links_that_lead_somewhere_pass() {
        assert_eq!(
            findings(
                "[g](../glossary.md#stream), [r](../../README.md)\n[s](https://example.org/x.md) [t](#b)\n"
            ),
            0
        );
        assert_eq!(findings("[x]: ../glossary.md\n"), 0);
    }

    #[test]
    fn code_is_not_read_for_links() {
        assert_eq!(findings("```text\n[a](nowhere.md)\n```\n`[b](nowhere.md)`\n"), 0);
    }

    #[test]
    fn a_link_that_leads_nowhere_is_found() {
        assert_eq!(findings("[g](glossary.md)\n[up](../../../x.md)\n[r]: nowhere.md\n"), 3);
    }

    #[test]
    fn paths_are_resolved_from_the_file_that_links() {
        assert_eq!(resolve("docs/a/b.md", "../c.md").as_deref(), Some("docs/c.md"));
        assert_eq!(resolve("README.md", "../c.md"), None);
    }
}
