//! Rule: every exception from a lint says its reason.

use crate::tidy::finding::Finding;
use crate::tidy::house::House;

const EXCEPTIONS: &[&str] = &["#[expect(", "#![expect(", "#[allow(", "#![allow("];

/// Names the exceptions without one.
pub(crate) fn check(house: &House) -> Vec<Finding> {
    let mut found = Vec::new();
    for file in house.rust() {
        let lines: Vec<&str> = file.code.lines().collect();
        for (index, line) in lines.iter().enumerate() {
            let Some(start) = EXCEPTIONS.iter().find_map(|exception| line.find(exception)) else { continue };
            if !attribute(&lines, index, start).contains("reason") {
                let what = "an exception needs its reason: `#[expect(lint, reason = \"…\")]`";
                found.push(Finding::at_line(&file.path, index, what));
            }
        }
    }
    found
}

/// Takes an attribute from its first character to its closing bracket, over as many lines as it has.
fn attribute(lines: &[&str], index: usize, start: usize) -> String {
    let mut text = lines[index][start..].to_owned();
    for line in &lines[index + 1..] {
        if text.contains(']') {
            break;
        }
        text.push_str(line);
    }
    text.split(']').next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::tidy::house::House;

    fn findings(text: &str) -> usize {
        check(&House::of(&[("a.rs", text)])).len()
    }

    #[test]
    fn a_reason_may_stand_on_a_line_of_its_own() {
        assert_eq!(
            findings("#[expect(\n    clippy::a,\n    reason = \"because [of] it\"\n)]\nfn a() {}\n"),
            0
        );
    }

    #[test]
    fn an_exception_without_a_reason_is_found() {
        assert_eq!(findings("#[allow(dead_code)]\nfn reason() {}\n#![expect(clippy::a)]\n"), 2);
    }
}
