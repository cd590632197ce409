//! Rule: every numbered promise of a port has a case in the conformance suite, and no case promises more.

use std::collections::BTreeSet;

use crate::tidy::finding::Finding;
use crate::tidy::house::House;

/// A port, the file that promises, and what the paths of its cases begin with.
struct Port {
    name: &'static str,
    file: &'static str,
    cases: &'static str,
}

const PORTS: &[Port] = &[
    Port {
        name: "EventStore",
        file: "crates/ledgerstone-core/src/event_store.rs",
        cases: "crates/ledgerstone-testkit/src/conformance/event_store",
    },
    Port {
        name: "DocumentStore",
        file: "crates/ledgerstone-core/src/document_store.rs",
        cases: "crates/ledgerstone-testkit/src/conformance/document_store",
    },
    Port {
        name: "RateLimiter",
        file: "crates/ledgerstone-core/src/rate_limiter.rs",
        cases: "crates/ledgerstone-testkit/src/conformance/rate_limiter",
    },
];

/// Names the promises without a case and the cases without a promise.
pub(crate) fn check(house: &House) -> Vec<Finding> {
    PORTS.iter().flat_map(|port| in_port(house, port)).collect()
}

fn in_port(house: &House, port: &Port) -> Vec<Finding> {
    let promised = house.text(port.file).map(|text| promised(text, port.name)).unwrap_or_default();
    if promised.is_empty() {
        let what = format!("the trait {} lists no numbered promises in its documentation", port.name);
        return vec![Finding::in_file(port.file, what)];
    }
    let mut held = BTreeSet::new();
    let mut found = Vec::new();
    for file in house.rust().iter().filter(|file| file.path.starts_with(port.cases)) {
        for (index, number) in cases(&file.text) {
            held.insert(number);
            if !promised.contains(&number) {
                let what = format!("{} makes no promise {number}", port.name);
                found.push(Finding::at_line(&file.path, index, what));
            }
        }
    }
    let missing = promised.difference(&held);
    found.extend(missing.map(|number| {
        let what = format!("promise {number} of {} has no case under {}*.rs", port.name, port.cases);
        Finding::in_file(port.file, what)
    }));
    found
}

/// The numbers of the list in the documentation of a trait.
fn promised(text: &str, name: &str) -> BTreeSet<u32> {
    let lines: Vec<&str> = text.lines().collect();
    let header = format!("pub trait {name}");
    let is_header = |line: &&str| {
        line.strip_prefix(&header).is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric()))
    };
    let Some(at) = lines.iter().position(is_header) else { return BTreeSet::new() };
    let before = lines[..at].iter().rev();
    let documentation = before.take_while(|line| line.starts_with("///") || line.starts_with("#["));
    documentation.filter_map(|line| item_number(line.strip_prefix("/// ")?)).collect()
}

fn item_number(line: &str) -> Option<u32> {
    line.split_once(". ")?.0.parse().ok()
}

/// Each `/// Promise N.` with the index of its line; a line may name several.
fn cases(text: &str) -> Vec<(usize, u32)> {
    let mut found = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let Some(comment) = line.trim_start().strip_prefix("///") else { continue };
        let after = comment.split("Promise ").skip(1);
        found.extend(after.filter_map(|rest| Some((index, rest.split_once('.')?.0.parse().ok()?))));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::{check, promised};
    use crate::tidy::house::House;

    const EVENTS: &str = "/// Keeps.\n///\n/// 1. *All.* It\n///    goes on.\n/// 2. *Guarded.* It does.\n#[async_trait]\npub trait EventStore: Send {\n";
    const DOCUMENTS: &str = "/// 1. *One.* It is.\npub trait DocumentStore {\n";
    const LIMITERS: &str = "/// 1. *One.* It is.\npub trait RateLimiter {\n";

    fn findings(event_cases: &str) -> Vec<String> {
        let house = House::of(&[
            ("crates/ledgerstone-core/src/event_store.rs", EVENTS),
            ("crates/ledgerstone-core/src/document_store.rs", DOCUMENTS),
            ("crates/ledgerstone-core/src/rate_limiter.rs", LIMITERS),
            (
                "crates/ledgerstone-testkit/src/conformance/rate_limiter/keys.rs",
                "/// Promise 1.\nfn a() {}\n",
            ),
            ("crates/ledgerstone-testkit/src/conformance/event_store/append.rs", event_cases),
            ("crates/ledgerstone-testkit/src/conformance/document_store.rs", "/// Promise 1.\nfn a() {}\n"),
        ]);
        check(&house).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn promises_are_read_from_the_trait_and_from_nothing_before_it() {
        let text = format!("/// 7. *Other.* Thing.\npub struct A;\n\n{EVENTS}");
        assert_eq!(promised(&text, "EventStore").into_iter().collect::<Vec<_>>(), [1, 2]);
    }

    #[test]
    fn a_suite_with_a_case_for_each_promise_passes() {
        assert!(findings("/// Promise 1.\nfn a() {}\n    /// Promise 1. Promise 2.\n").is_empty());
    }

    #[test]
    fn a_promise_without_a_case_and_a_case_without_a_promise_are_found() {
        let found = findings("/// Promise 1.\n/// Promise 12.\n");
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(
            found[0].contains("no promise 12") && found[1].contains("promise 2 of EventStore has no case")
        );
    }

    #[test]
    fn a_port_without_promises_is_found() {
        assert_eq!(check(&House::of(&[])).len(), 3);
    }
}
