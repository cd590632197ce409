//! The files of the checkout, read once for every rule.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context, Result};

use crate::checkout::Checkout;
use crate::tidy::manifest::Manifest;
use crate::tidy::rust_file::RustFile;

/// Every file of the checkout by its path from the root; what is not text has no content here.
#[derive(Debug, Default)]
pub(crate) struct House {
    texts: BTreeMap<String, Option<String>>,
    rust: Vec<RustFile>,
    manifests: Vec<Manifest>,
}

impl House {
    /// Reads the files of a checkout.
    pub(crate) fn read(checkout: &Checkout) -> Result<Self> {
        let mut house = Self::default();
        for path in checkout.files()? {
            let bytes =
                fs::read(checkout.root().join(&path)).with_context(|| format!("{path} could not be read"))?;
            house.add(path, String::from_utf8(bytes).ok());
        }
        Ok(house)
    }

    fn add(&mut self, path: String, text: Option<String>) {
        if let Some(text) = &text {
            if path.ends_with(".rs") {
                self.rust.push(RustFile::new(&path, text));
            }
            if path == "Cargo.toml" || path.ends_with("/Cargo.toml") {
                self.manifests.extend(Manifest::parse(&path, text));
            }
        }
        self.texts.insert(path, text);
    }

    /// Every Rust file.
    pub(crate) fn rust(&self) -> &[RustFile] {
        &self.rust
    }

    /// The manifest of every package.
    pub(crate) fn manifests(&self) -> &[Manifest] {
        &self.manifests
    }

    /// Every text file with its path.
    pub(crate) fn texts(&self) -> impl Iterator<Item = (&str, &str)> {
        self.texts.iter().filter_map(|(path, text)| Some((path.as_str(), text.as_deref()?)))
    }

    /// Every Markdown file with its path.
    pub(crate) fn markdown(&self) -> impl Iterator<Item = (&str, &str)> {
        self.texts().filter(|(path, _)| path.ends_with(".md"))
    }

    /// The text of one file.
    pub(crate) fn text(&self, path: &str) -> Option<&str> {
        self.texts.get(path)?.as_deref()
    }

    /// Says whether a file or a folder of this path exists.
    pub(crate) fn holds(&self, path: &str) -> bool {
        let folder = format!("{}/", path.trim_end_matches('/'));
        path.is_empty() || self.texts.keys().any(|known| known == path || known.starts_with(&folder))
    }
}

#[cfg(test)]
impl House {
    /// Builds a house of the given files, for the tests of a rule.
    pub(crate) fn of(files: &[(&str, &str)]) -> Self {
        let mut house = Self::default();
        for (path, text) in files {
            house.add((*path).to_owned(), Some((*text).to_owned()));
        }
        house
    }
}

#[cfg(test)]
mod tests {
    use super::House;

    #[test]
    fn files_and_their_folders_are_held() {
        let house = House::of(&[("docs/adr/0001.md", "")]);
        assert!(house.holds("docs/adr/0001.md") && house.holds("docs/adr") && house.holds("docs/"));
        assert!(!house.holds("docs/ad"));
    }
}
