//! Rule: every error code has a page of advice, and every page a code that leads to it.

use std::collections::BTreeMap;

use crate::tidy::finding::Finding;
use crate::tidy::house::House;

/// Names codes without a page and pages without a code.
pub(crate) fn check(house: &House) -> Vec<Finding> {
    let used = used(house);
    let mut found = Vec::new();
    for (code, (path, index)) in &used {
        let page = format!("docs/errors/{code}.md");
        if !house.holds(&page) {
            found.push(Finding::at_line(path, *index, format!("{code} has no page; write {page}")));
        }
    }
    for (path, _) in house.markdown() {
        let page = path.strip_prefix("docs/errors/").and_then(|name| name.strip_suffix(".md"));
        if page.is_some_and(|code| is_code(code) && !used.contains_key(code)) {
            found.push(Finding::in_file(path, "no error carries this code any more"));
        }
    }
    found
}

/// Every code that shipped code names, with the first place that does.
fn used(house: &House) -> BTreeMap<String, (String, usize)> {
    let mut used = BTreeMap::new();
    for file in house.rust().iter().filter(|file| file.path.starts_with("crates/")) {
        for (index, line) in file.text.lines().enumerate().filter(|(index, _)| !file.is_test_line(*index)) {
            for code in codes(line) {
                used.entry(code.to_owned()).or_insert_with(|| (file.path.clone(), index));
            }
        }
    }
    used
}

fn codes(line: &str) -> impl Iterator<Item = &str> {
    line.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').filter(|word| is_code(word))
}

fn is_code(word: &str) -> bool {
    word.strip_prefix("LS")
        .is_some_and(|digits| digits.len() == 4 && digits.bytes().all(|b| b.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::tidy::house::House;

    const CODE: (&str, &str) = ("crates/a/src/code.rs", "const A: &str = \"LS0001\";\n");

    #[test]
    fn a_code_with_its_page_passes() {
        assert_eq!(
            check(&House::of(&[CODE, ("docs/errors/LS0001.md", ""), ("docs/errors/README.md", "")])),
            []
        );
    }

    #[test]
    fn a_code_without_a_page_and_a_page_without_a_code_are_found() {
        let found = check(&House::of(&[CODE, ("docs/errors/LS0002.md", "")]));
        assert_eq!(found.len(), 2, "{found:?}");
    }

    #[test]
    fn codes_in_tests_are_made_up() {
        let text = "#[cfg(test)]\nmod tests {\n    const A: &str = \"LS9999\";\n}\n";
        assert_eq!(check(&House::of(&[("crates/a/src/code.rs", text)])), []);
    }
}
