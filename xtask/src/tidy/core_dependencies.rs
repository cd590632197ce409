//! Rule: core depends on what is listed here and on nothing else, since everything depends on core.

use crate::tidy::finding::Finding;
use crate::tidy::house::House;
use crate::tidy::manifest::Use;

/// No runtime, no driver, no I/O; a new line here is a decision that needs a reviewer.
const ALLOWED: &[&str] = &[
    "async-trait",
    "base64",
    "bytes",
    "futures-core",
    "jiff",
    "serde",
    "serde_json",
    "sha2",
    "strsim",
    "thiserror",
    "unicode-normalization",
    "uuid",
];

/// Names the dependencies of core that are not on the list.
pub(crate) fn check(house: &House) -> Vec<Finding> {
    let mut found = Vec::new();
    for manifest in house.manifests().iter().filter(|manifest| manifest.name == "ledgerstone-core") {
        for (index, used, name) in &manifest.dependencies {
            if *used == Use::Normal && !ALLOWED.contains(&name.as_str()) {
                let what =
                    format!("core must not depend on {name}; its list is in tidy/core_dependencies.rs");
                found.push(Finding::at_line(&manifest.path, *index, what));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::tidy::house::House;

    fn findings(package: &str) -> usize {
        let text = format!(
            "[package]\nname = \"{package}\"\n[dependencies]\nbytes = \"1\"\ntokio = \"1\"\n[dev-dependencies]\nproptest = \"1\"\n"
        );
        check(&House::of(&[("Cargo.toml", &text)])).len()
    }

    #[test]
    fn a_runtime_in_core_is_found_and_elsewhere_is_not() {
        assert_eq!(findings("ledgerstone-core"), 1);
        assert_eq!(findings("ledgerstone-engine"), 0);
    }
}
