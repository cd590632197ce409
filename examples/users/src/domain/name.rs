//! The name of a user.

use std::fmt;

use super::invalid_user::InvalidUser;

/// What a user is called.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Name(String);

impl Name {
    /// The most characters of a name.
    pub const MAX_CHARS: usize = 100;

    /// Takes a name; spaces around it do not count.
    pub fn new(text: &str) -> Result<Self, InvalidUser> {
        let refuse = |reason| Err(InvalidUser::new("a name", reason));
        let text = text.trim();
        if text.is_empty() {
            return refuse("it is empty");
        }
        if text.chars().count() > Self::MAX_CHARS {
            return refuse("it has more than 100 characters");
        }
        if text.chars().any(char::is_control) {
            return refuse("it has a control character in it");
        }
        Ok(Self(text.to_owned()))
    }

    /// Returns the name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Name {
    /// Leaves the name out: what is printed for debugging ends in logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Name(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_line_of_a_hundred_characters_at_most() {
        assert_eq!(Name::new(" Ada ").expect("a name").as_str(), "Ada");
        assert!(Name::new(&"ü".repeat(100)).is_ok());
        for text in ["", "  ", "A\nda", &"ü".repeat(101)] {
            assert!(Name::new(text).is_err(), "{text:?}");
        }
    }
}
