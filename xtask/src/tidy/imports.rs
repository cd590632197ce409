//! Rule: nobody inside a crate imports from its `lib.rs`.

use crate::tidy::finding::Finding;
use crate::tidy::house::House;

/// Names every `use crate::` that goes through a re-export instead of a module.
pub(crate) fn check(house: &House) -> Vec<Finding> {
    let mut found = Vec::new();
    for file in house.rust() {
        for (index, line) in file.code.lines().enumerate() {
            if takes_from_the_root(line) {
                let what = "import from the module that defines it, `use crate::module::Name`";
                found.push(Finding::at_line(&file.path, index, what));
            }
        }
    }
    found
}

fn takes_from_the_root(line: &str) -> bool {
    let Some((before, after)) = line.split_once("use crate::") else { return false };
    let is_import = before.is_empty() || before.ends_with([' ', ')']);
    let first = after.chars().next();
    // `use crate::{a, b};` names modules; with a capital inside, it may name a re-export.
    let names_a_type = match first {
        Some('{') => after.split(['{', ',']).any(|name| name.trim_start().starts_with(char::is_uppercase)),
        other => other.is_some_and(|c| c.is_uppercase() || c == '*'),
    };
    is_import && names_a_type
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::tidy::house::House;

    fn findings(text: &str) -> usize {
        check(&House::of(&[("crates/a/src/b.rs", text)])).len()
    }

    #[test]
    fn a_path_through_a_module_passes() {
        assert_eq!(findings("use crate::event::{Batch, EventData};\nuse crate::{test, tidy};\n"), 0);
        assert_eq!(findings("// use crate::Batch would be wrong.\n"), 0);
    }

    #[test]
    fn a_re_export_is_found() {
        assert_eq!(
            findings("use crate::Batch;\n    pub(crate) use crate::{Batch, event};\nuse crate::*;\n"),
            3
        );
    }
}
