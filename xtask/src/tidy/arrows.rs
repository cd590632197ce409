//! Rule: the arrows between the crates of the house go down only, as drawn in `ARCHITECTURE.md`.

use crate::tidy::finding::Finding;
use crate::tidy::house::House;
use crate::tidy::manifest::{Manifest, Use};

/// What a package may take from the house: shipped, and for its tests besides.
struct Arrows {
    package: &'static str,
    normal: &'static [&'static str],
    dev: &'static [&'static str],
}

const CACHE: &str = "ledgerstone-cache";
const CORE: &str = "ledgerstone-core";
const ENGINE: &str = "ledgerstone-engine";
const FACADE: &str = "ledgerstone";
const HTTP: &str = "ledgerstone-http";
const LOG: &str = "ledgerstone-log";
const RESILIENCE: &str = "ledgerstone-resilience";
const SERVER: &str = "ledgerstone-server";
const STORES: &str = "ledgerstone-stores";
const TESTKIT: &str = "ledgerstone-testkit";

/// `examples` stands for every `example-…` package.
const EXAMPLES: &str = "example-";

const ARROWS: &[Arrows] = &[
    Arrows { package: CORE, normal: &[], dev: &[] },
    Arrows { package: LOG, normal: &[CORE], dev: &[] },
    Arrows { package: STORES, normal: &[CORE, LOG], dev: &[TESTKIT] },
    Arrows { package: RESILIENCE, normal: &[CORE], dev: &[TESTKIT, STORES] },
    Arrows { package: CACHE, normal: &[CORE], dev: &[TESTKIT] },
    Arrows { package: HTTP, normal: &[CORE, RESILIENCE], dev: &[TESTKIT] },
    Arrows { package: ENGINE, normal: &[CORE, RESILIENCE], dev: &[TESTKIT, STORES] },
    Arrows { package: TESTKIT, normal: &[CORE, ENGINE], dev: &[STORES] },
    Arrows { package: FACADE, normal: &[CACHE, CORE, ENGINE, HTTP, RESILIENCE, STORES, TESTKIT], dev: &[] },
    Arrows { package: EXAMPLES, normal: &[FACADE], dev: &[TESTKIT] },
    Arrows { package: SERVER, normal: &[FACADE, EXAMPLES], dev: &[TESTKIT] },
    Arrows { package: "ledgerstone-fuzz", normal: &[CORE, ENGINE, LOG, STORES, SERVER], dev: &[] },
    Arrows { package: "ledgerstone-peers", normal: &[CORE, STORES], dev: &[] },
    Arrows { package: "xtask", normal: &[], dev: &[] },
    // It lives outside the workspace, and drives the built server from outside.
    Arrows { package: "ledgerstone-umadb", normal: &[], dev: &[] },
];

/// Names every dependency of a package on one that it must not know.
pub(crate) fn check(house: &House) -> Vec<Finding> {
    house.manifests().iter().flat_map(in_manifest).collect()
}

fn in_manifest(manifest: &Manifest) -> Vec<Finding> {
    let Some(arrows) = ARROWS.iter().find(|arrows| covers(arrows.package, &manifest.name)) else {
        let what = format!("{} has no row among the arrows of tidy; give it one", manifest.name);
        return vec![Finding::in_file(&manifest.path, what)];
    };
    let may = |used, name: &str| {
        let covered = |row: &[&str]| row.iter().any(|allowed| covers(allowed, name));
        covered(arrows.normal) || (used == Use::Dev && covered(arrows.dev))
    };
    let mut found = Vec::new();
    for (index, used, name) in &manifest.dependencies {
        if is_of_the_house(name) && !may(*used, name) {
            let what = format!("{} must not depend on {name}", manifest.name);
            found.push(Finding::at_line(&manifest.path, *index, what));
        }
    }
    found
}

fn covers(row: &str, name: &str) -> bool {
    row == name || (row == EXAMPLES && name.starts_with(EXAMPLES))
}

fn is_of_the_house(name: &str) -> bool {
    name.starts_with("ledgerstone") || name.starts_with(EXAMPLES) || name == "xtask"
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::tidy::house::House;

    fn findings(package: &str, rest: &str) -> Vec<String> {
        let text = format!("[package]\nname = \"{package}\"\n{rest}");
        check(&House::of(&[("Cargo.toml", &text)])).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn arrows_that_go_down_pass() {
        let rest = "[dependencies]\nledgerstone-core.workspace = true\nserde = \"1\"\n\
                    [dev-dependencies]\nledgerstone-testkit.workspace = true\n";
        assert!(findings("ledgerstone-stores", rest).is_empty());
        assert!(
            findings("ledgerstone-server", "[dependencies]\nexample-clients.workspace = true\n").is_empty()
        );
    }

    #[test]
    fn an_arrow_that_goes_up_is_found() {
        let found = findings("ledgerstone-core", "[dependencies]\nledgerstone-engine.workspace = true\n");
        assert_eq!(found, ["Cargo.toml:4: ledgerstone-core must not depend on ledgerstone-engine"]);
    }

    #[test]
    fn what_tests_may_use_must_not_be_shipped() {
        let found = findings("ledgerstone-server", "[dependencies]\nledgerstone-testkit.workspace = true\n");
        assert_eq!(found.len(), 1);
    }

    #[test]
    fn a_package_without_a_row_is_found() {
        assert_eq!(findings("ledgerstone-cellar", "").len(), 1);
    }
}
