//! Rule: nothing unfinished, skipped or left from debugging is in the house.

use crate::tidy::finding::Finding;
use crate::tidy::house::House;

const IN_CODE: &[(&str, &str)] = &[
    ("todo!(", "finish it, or write an issue"),
    ("unimplemented!(", "finish it, or leave it out"),
    ("dbg!(", "remove it; tracing stays, debugging goes"),
    ("#[ignore", "a test that is not run proves nothing; mend or remove it"),
];
const IN_COMMENTS: &[&str] = &["TODO", "FIXME", "XXX"];

/// Names every leftover.
pub(crate) fn check(house: &House) -> Vec<Finding> {
    let mut found = Vec::new();
    for file in house.rust() {
        for (index, (code, spoken)) in file.code.lines().zip(file.spoken.lines()).enumerate() {
            for (leftover, advice) in IN_CODE.iter().filter(|(leftover, _)| code.contains(leftover)) {
                found.push(Finding::at_line(&file.path, index, format!("`{leftover}`: {advice}")));
            }
            let mut words = spoken.split(|c: char| !c.is_alphanumeric());
            if let Some(word) = words.find(|word| IN_COMMENTS.contains(word)) {
                found.push(Finding::at_line(
                    &file.path,
                    index,
                    format!("{word}: finish it, or write an issue"),
                ));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::tidy::house::House;

    fn findings(text: &str) -> usize {
        check(&House::of(&[("a.rs", text)])).len()
    }

    #[test]
    fn every_kind_of_leftover_is_found() {
        assert_eq!(
            findings("fn a() { todo!() }\n#[ignore = \"slow\"]\nlet b = dbg!(c);\n// TODO: later\n"),
            4
        );
    }

    #[test]
    fn words_in_strings_and_inside_other_words_pass() {
        assert_eq!(findings("let a = \"todo!() TODO\"; // TODOS are others\n"), 0);
    }
}
