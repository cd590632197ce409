//! Something that breaks a rule, and where it stands.

use std::fmt;

/// A place in the checkout and what is wrong there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    place: String,
    what: String,
}

impl Finding {
    /// Names a whole file.
    pub(crate) fn in_file(path: &str, what: impl Into<String>) -> Self {
        Self { place: path.to_owned(), what: what.into() }
    }

    /// Names a line of a file, counted from zero as an index is.
    pub(crate) fn at_line(path: &str, index: usize, what: impl Into<String>) -> Self {
        Self { place: format!("{path}:{}", index + 1), what: what.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.what)
    }
}
