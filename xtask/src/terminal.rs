//! The one place where xtask writes to the terminal.

use std::fmt::Display;
use std::io::{self, Write};

/// Writes a line to standard output; a reader that has gone away is no error.
pub(crate) fn say(line: impl Display) {
    let mut out = io::stdout().lock();
    // `cargo xtask help | head -1` must not end in a panic.
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

/// Writes a line to standard error.
pub(crate) fn complain(line: impl Display) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// Announces a step of a longer run.
pub(crate) fn heading(text: impl Display) {
    say(format!("\n== {text}"));
}
