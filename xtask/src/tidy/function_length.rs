//! Rule: a function has at most sixty lines, from its signature to its closing brace.

use crate::tidy::finding::Finding;
use crate::tidy::house::House;
use crate::tidy::rust_file::{RustFile, closing_line};

const LIMIT: usize = 60;

/// Names every longer function that is no test.
pub(crate) fn check(house: &House) -> Vec<Finding> {
    house.rust().iter().flat_map(in_file).collect()
}

fn in_file(file: &RustFile) -> Vec<Finding> {
    let lines: Vec<&str> = file.code.lines().collect();
    let mut found = Vec::new();
    for (start, line) in lines.iter().enumerate() {
        let Some(name) = function_name(line).filter(|_| !file.is_test_line(start)) else { continue };
        if !has_body(&lines[start..]) {
            continue;
        }
        let Some(end) = closing_line(&lines, start) else { continue };
        let length = end - start + 1;
        if length > LIMIT {
            let what = format!("fn {name} has {length} lines; split it, {LIMIT} is the limit");
            found.push(Finding::at_line(&file.path, start, what));
        }
    }
    found
}

/// The name of the function whose signature begins on this line of masked code.
pub(crate) fn function_name(line: &str) -> Option<&str> {
    let (before, after) = line.split_once("fn ")?;
    let is_item =
        before.chars().all(|c| c.is_alphanumeric() || matches!(c, ' ' | '(' | ')' | ':' | '_' | '"'));
    let begins_word = before.is_empty() || before.ends_with(' ');
    let name = after.split(|c: char| !(c.is_alphanumeric() || c == '_')).next()?;
    (is_item && begins_word && !name.is_empty()).then_some(name)
}

/// Says whether a brace comes before the semicolon that ends a mere declaration.
fn has_body(lines: &[&str]) -> bool {
    let mut depth = 0_i32;
    for c in lines.iter().flat_map(|line| line.chars()) {
        match c {
            '(' | '[' => depth += 1,
            ')' | ']' => depth -= 1,
            '{' if depth == 0 => return true,
            ';' if depth == 0 => return false,
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::{check, function_name};
    use crate::tidy::house::House;

    fn function(lines: usize) -> String {
        format!("pub(crate) async fn long(a: [u8; 2]) {{\n{}}}\n", "    a();\n".repeat(lines - 2))
    }

    #[test]
    fn sixty_lines_pass_and_sixty_one_are_found() {
        assert_eq!(check(&House::of(&[("a.rs", &function(60))])), []);
        let found = check(&House::of(&[("a.rs", &function(61))]));
        assert_eq!(found[0].to_string(), "a.rs:1: fn long has 61 lines; split it, 60 is the limit");
    }

    #[test]
    fn braces_in_strings_do_not_end_a_function() {
        let body = "    let a = \"}\";\n".repeat(70);
        assert_eq!(check(&House::of(&[("a.rs", &format!("fn a() {{\n{body}}}\n"))])).len(), 1);
    }

    #[test]
    fn tests_and_declarations_are_free() {
        let tests = format!("#[cfg(test)]\nmod tests {{\n{}}}\n", function(90));
        assert_eq!(check(&House::of(&[("a.rs", &tests), ("x/tests/it.rs", &function(90))])), []);
        let declared = format!("trait A {{\n    fn a();\n{}}}\n", "    const B: u8;\n".repeat(70));
        assert_eq!(check(&House::of(&[("a.rs", &declared)])), []);
    }

    #[test]
    fn only_items_are_functions() {
        assert_eq!(function_name("    pub const unsafe fn a<T>("), Some("a"));
        assert_eq!(function_name("let f: fn (u8) = a;"), None);
        assert_eq!(function_name("use crate::often ;"), None);
    }
}
