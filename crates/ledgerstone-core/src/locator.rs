//! Locators: where data lives, as one text such as `sqlite:app.db`.

use std::fmt;
use std::str::FromStr;

use crate::text::InvalidName;

/// Names a backend by its scheme, and a place in it: `sqlite:app.db`, `http://host:port`, `memory:`.
///
/// What is printed of it leaves a password out.
#[derive(Clone, PartialEq, Eq)]
pub struct Locator {
    scheme: String,
    place: String,
    parameters: Vec<(String, String)>,
}

impl Locator {
    /// Returns the scheme in lower case.
    pub fn scheme(&self) -> &str {
        &self.scheme
    }

    /// Returns what stands between the scheme's colon and the `?`.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// Returns a parameter after the `?`.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Returns the names of the parameters.
    pub fn parameter_names(&self) -> impl Iterator<Item = &str> {
        self.parameters.iter().map(|(name, _)| name.as_str())
    }

    /// Returns the place with a password between `:` and `@` left out.
    fn public_place(&self) -> String {
        let Some((authority, rest)) = self.place.split_once('@') else { return self.place.clone() };
        match authority.rsplit_once(':') {
            Some((user, _)) if authority.starts_with("//") && user.len() > 1 => format!("{user}:…@{rest}"),
            _ => self.place.clone(),
        }
    }
}

impl FromStr for Locator {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let Some((scheme, rest)) = text.split_once(':') else {
            let reason = "it has no scheme; write it like sqlite:app.db, http://127.0.0.1:7400 or memory:";
            return Err(InvalidName::new("a store locator", text, reason));
        };
        let sound = |c: char| c.is_ascii_alphanumeric() || c == '+' || c == '-';
        if scheme.is_empty() || !scheme.chars().all(sound) {
            let reason = "its scheme may hold letters and digits only";
            return Err(InvalidName::new("a store locator", scheme, reason));
        }
        let (place, parameters) = rest.split_once('?').unwrap_or((rest, ""));
        let parameters = parameters.split('&').filter(|pair| !pair.is_empty());
        let parameters = parameters.map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (name.to_owned(), value.to_owned())
        });
        Ok(Self {
            scheme: scheme.to_ascii_lowercase(),
            place: place.to_owned(),
            parameters: parameters.collect(),
        })
    }
}

impl fmt::Display for Locator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.scheme, self.public_place())
    }
}

impl fmt::Debug for Locator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_never_printed() {
        let locator: Locator = "postgres://app:hunter2@db/app?sslmode=require".parse().expect("a locator");
        assert_eq!(locator.to_string(), "postgres://app:…@db/app");
        assert!(!format!("{locator:?}").contains("hunter2"));
        assert_eq!(locator.parameter("sslmode"), Some("require"));
    }

    #[test]
    fn a_path_alone_is_refused_with_advice() {
        let refused = "app.db".parse::<Locator>().expect_err("no scheme");
        assert!(refused.to_string().contains("sqlite:app.db"), "{refused}");
    }
}
