//! Rule: `lib.rs` is a table of contents: ninety lines at most beside its documentation, and no definition.

use crate::tidy::finding::Finding;
use crate::tidy::house::House;

const LIMIT: usize = 90;
const DEFINITIONS: &[&str] =
    &["struct", "enum", "union", "trait", "fn", "impl", "type", "const", "static", "macro_rules!"];
/// The families, whose `lib.rs` holds the table of their adapters and `open`.
const FAMILIES: &[&str] = &["ledgerstone-stores"];

/// Names what a `lib.rs` defines, and those that are too long.
pub(crate) fn check(house: &House) -> Vec<Finding> {
    let mut found = Vec::new();
    for file in house.rust().iter().filter(|file| file.path.ends_with("/src/lib.rs")) {
        // A longer example is a better one, and makes no table harder to read.
        let told = file.text.lines().filter(|line| line.starts_with("//!")).count();
        let lines = file.lines_without_tests().saturating_sub(told);
        if lines > LIMIT {
            found.push(Finding::in_file(
                &file.path,
                format!("{lines} lines without its documentation; {LIMIT} is the limit of a lib.rs"),
            ));
        }
        let family = FAMILIES.contains(&file.crate_folder());
        for (index, line) in file.code.lines().enumerate().filter(|(index, _)| !file.is_test_line(*index)) {
            if let Some(item) = definition(line).filter(|_| !(family && is_table_or_open(line))) {
                let what = format!("a lib.rs defines nothing; move this {item} to a file of its name");
                found.push(Finding::at_line(&file.path, index, what));
            }
        }
    }
    found
}

/// The keyword of the item that begins on this line, if it is a definition at the top level.
fn definition(line: &str) -> Option<&'static str> {
    if line.starts_with([' ', '\t']) {
        return None;
    }
    let words = line
        .split([' ', '<'])
        .skip_while(|word| word.starts_with("pub") || matches!(*word, "async" | "unsafe"));
    let first = words.into_iter().next()?;
    DEFINITIONS.iter().find(|keyword| **keyword == first).copied()
}

fn is_table_or_open(line: &str) -> bool {
    line.contains("ADAPTERS") || line.contains("Adapter") || line.contains("fn open")
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::tidy::house::House;

    fn findings(path: &str, text: &str) -> usize {
        check(&House::of(&[(path, text)])).len()
    }

    #[test]
    fn a_table_of_contents_passes() {
        let text = "//! Words.\n\npub mod event;\nmod batch;\n\npub use event::{\n    EventData,\n};\n";
        assert_eq!(findings("crates/a/src/lib.rs", text), 0);
        assert_eq!(findings("crates/a/src/event.rs", "pub struct Event;\n"), 0);
    }

    #[test]
    fn a_definition_is_found() {
        for item in
            ["pub struct A;", "pub(crate) async fn a() {}", "impl<T> A for T {}", "pub const A: u8 = 1;"]
        {
            assert_eq!(findings("crates/a/src/lib.rs", item), 1, "{item}");
        }
    }

    #[test]
    fn a_family_may_hold_its_table_and_open_and_nothing_else() {
        let table = "pub const ADAPTERS: &[Adapter] = &[];\npub async fn open(locator: &Locator) {}\n";
        assert_eq!(findings("crates/ledgerstone-stores/src/lib.rs", table), 0);
        assert_eq!(findings("crates/ledgerstone-core/src/lib.rs", table), 2);
        assert_eq!(findings("crates/ledgerstone-stores/src/lib.rs", "pub struct Pool;\n"), 1);
    }

    #[test]
    fn a_long_table_of_contents_is_found() {
        assert_eq!(findings("crates/a/src/lib.rs", &"mod a;\n".repeat(91)), 1);
        let told = "//! Words.\n".repeat(30) + &"mod a;\n".repeat(90);
        assert_eq!(findings("crates/a/src/lib.rs", &told), 0);
    }
}
