//! Wrong command lines: what the parser says of them, in words that need no Rust.

use std::io::{IsTerminal as _, Write as _};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;

/// What number parsers say, and what it means.
const WORDS: [(&str, &str); 6] = [
    ("invalid digit found in string", "it is not a whole number"),
    ("cannot parse integer from empty string", "it is empty"),
    ("number too large to fit in target type", "it is too large"),
    ("number would be zero for non-zero type", "it is 0, and the least is 1"),
    ("invalid float literal", "it is not a number"),
    ("cannot parse float from empty string", "it is empty"),
];

/// Prints help and version where they were asked for, and what is wrong otherwise.
pub(super) fn usage(error: &clap::Error, json: bool) -> Exit {
    if !error.use_stderr() {
        let _ = error.print();
        return Exit::Done;
    }
    let text = error.render();
    if json {
        let text = reworded(&text.to_string());
        let message = text.trim().trim_start_matches("error: ");
        let ends = ["\n\nUsage:", "\n\nFor more information"];
        let message = ends.iter().fold(message, |message, end| message.split(end).next().unwrap_or(message));
        let message = message.split_whitespace().collect::<Vec<_>>().join(" ");
        let failure = Failure::usage(message).with_help("ledgerstone --help lists commands and options");
        Output::failure(true, &failure);
    } else {
        let mut stderr = std::io::stderr();
        let coloured = stderr.is_terminal() && std::env::var_os("NO_COLOR").is_none();
        let text = if coloured { text.ansi().to_string() } else { text.to_string() };
        let _ = write!(stderr, "{}", reworded(&text));
    }
    Exit::Usage
}

fn reworded(text: &str) -> String {
    WORDS.iter().fold(text.to_owned(), |text, (theirs, ours)| text.replace(theirs, ours))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_number_parsers_say_is_known() {
        let errors = [
            "x".parse::<u64>().expect_err("a word").to_string(),
            "".parse::<u64>().expect_err("nothing").to_string(),
            "99999999999999999999".parse::<u64>().expect_err("too large").to_string(),
            "0".parse::<std::num::NonZeroU64>().expect_err("zero").to_string(),
            "x".parse::<f64>().expect_err("a word").to_string(),
            "".parse::<f64>().expect_err("nothing").to_string(),
        ];
        for error in errors {
            assert!(reworded(&error).starts_with("it is "), "{error}");
        }
    }
}
