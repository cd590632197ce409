//! The address of a user.

use std::fmt;

use super::invalid_user::InvalidUser;

/// A mail address, in lower case, so that one mailbox is one address.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Email(String);

impl Email {
    /// The longest address in bytes (RFC 5321, 4.5.3.1.3).
    pub const MAX_BYTES: usize = 254;

    /// Takes an address; what a mail server thinks of it, only a mail can tell.
    pub fn new(text: &str) -> Result<Self, InvalidUser> {
        let refuse = |reason| Err(InvalidUser::new("an address", reason));
        let text = text.trim().to_lowercase();
        if text.len() > Self::MAX_BYTES {
            return refuse("it is longer than 254 bytes");
        }
        if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return refuse("it has a space or a control character in it");
        }
        match text.split_once('@') {
            Some((mailbox, host)) if !mailbox.is_empty() && !host.is_empty() && !host.contains('@') => {
                Ok(Self(text))
            }
            _ => refuse("it needs a mailbox, one @ and a host"),
        }
    }

    /// Returns the address.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Email {
    /// Leaves the address out: what is printed for debugging ends in logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Email(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_mailbox_is_one_address() {
        assert_eq!(Email::new(" Ada@Example.ORG ").expect("an address").as_str(), "ada@example.org");
    }

    #[test]
    fn what_is_no_address_is_refused_and_not_quoted() {
        let long = format!("{}@example.org", "a".repeat(250));
        for text in ["", "ada", "@example.org", "ada@", "ada@home@work", "ada lovelace@example.org", &long] {
            let refused = Email::new(text).expect_err(text).to_string();
            assert!(text.is_empty() || !refused.contains(text), "{refused}");
        }
        let address = Email::new("ada@example.org").expect("an address");
        assert!(!format!("{address:?}").contains("ada"));
    }
}
