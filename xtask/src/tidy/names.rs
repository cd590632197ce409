//! Rule: a name says what is in it; no drawer for leftovers, and tests are sentences.

use crate::tidy::finding::Finding;
use crate::tidy::function_length::function_name;
use crate::tidy::house::House;

const DRAWERS: &[&str] = &["util", "utils", "common", "helper", "helpers", "manager", "types", "misc"];

/// Names files and folders called after nothing, and tests called `test_…`.
pub(crate) fn check(house: &House) -> Vec<Finding> {
    let mut found = Vec::new();
    for file in house.rust() {
        let named = file.path.trim_end_matches(".rs").split('/').find(|part| DRAWERS.contains(part));
        if let Some(drawer) = named {
            let what = format!("`{drawer}` names no thing; call it after what is in it");
            found.push(Finding::in_file(&file.path, what));
        }
        for (index, line) in file.code.lines().enumerate() {
            let name = function_name(line).filter(|name| name.starts_with("test_"));
            if let Some(name) = name.filter(|_| file.is_test_line(index)) {
                let what = format!("{name}: a test is a sentence that says what holds");
                found.push(Finding::at_line(&file.path, index, what));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::tidy::house::House;

    #[test]
    fn a_drawer_for_leftovers_is_found() {
        assert_eq!(check(&House::of(&[("a/src/util.rs", ""), ("a/src/helpers/b.rs", "")])).len(), 2);
        assert_eq!(check(&House::of(&[("a/src/event_types.rs", ""), ("a/src/repository.rs", "")])), []);
    }

    #[test]
    fn a_test_that_is_no_sentence_is_found() {
        let text = "#[cfg(test)]\nmod tests {\n    #[test]\n    fn test_append() {}\n}\n";
        assert_eq!(check(&House::of(&[("a/src/b.rs", text)])).len(), 1);
        assert_eq!(check(&House::of(&[("a/src/b.rs", "fn test_clock() {}\n")])), []);
    }
}
