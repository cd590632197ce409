//! Rule: a crate has at most one test executable, `tests/it.rs`, since each is linked anew.

use crate::tidy::finding::Finding;
use crate::tidy::house::House;

/// Names every other file that cargo would make a test executable of.
pub(crate) fn check(house: &House) -> Vec<Finding> {
    let is_second = |path: &str| {
        let Some((_, inside)) = path.rsplit_once("/tests/") else { return false };
        let is_root =
            !inside.contains('/') || inside.ends_with("/main.rs") && inside.matches('/').count() == 1;
        !path.contains("/src/") && is_root && inside != "it.rs" && inside != "it/main.rs"
    };
    let found = house.rust().iter().filter(|file| is_second(&file.path));
    found.map(|file| Finding::in_file(&file.path, "make it a module of tests/it.rs")).collect()
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::tidy::house::House;

    #[test]
    fn a_second_executable_is_found() {
        let house = House::of(&[
            ("crates/a/tests/it.rs", ""),
            ("crates/a/tests/it/append.rs", ""),
            ("crates/a/src/tests/b.rs", ""),
            ("crates/a/tests/more.rs", ""),
            ("crates/a/tests/other/main.rs", ""),
        ]);
        assert_eq!(check(&house).len(), 2);
    }
}
