//! A table of a declaration while it is read: every complaint knows its line, every unknown key its nearest.

use std::ops::Range;

use serde_json::Value;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::declared::declaration_error::DeclarationError;
use crate::declared::hint::hint;

/// A table, its place in the text, and what to call it.
#[derive(Debug, Clone)]
pub(crate) struct TomlTable<'t, 'i> {
    text: &'t str,
    entries: &'t DeTable<'i>,
    span: Range<usize>,
    name: &'static str,
}

/// A text and its place.
pub(crate) type Placed<'t> = (&'t str, Range<usize>);
/// A value and its place.
pub(crate) type Item<'t, 'i> = &'t Spanned<DeValue<'i>>;

impl<'t, 'i> TomlTable<'t, 'i> {
    /// Takes the root of a parsed text.
    pub(crate) fn root(text: &'t str, root: &'t Spanned<DeTable<'i>>) -> Self {
        Self { text, entries: root.get_ref(), span: 0..0, name: "the declaration" }
    }

    /// Makes an error that stands at the table itself.
    pub(crate) fn error(&self, message: impl Into<String>) -> DeclarationError {
        self.error_at(self.span.clone(), message)
    }

    /// Makes an error that stands at a place.
    pub(crate) fn error_at(&self, span: Range<usize>, message: impl Into<String>) -> DeclarationError {
        DeclarationError::at(self.text, span, message)
    }

    /// Refuses every key that is not known.
    pub(crate) fn only(&self, known: &[&str]) -> Result<(), DeclarationError> {
        for key in self.entries.keys() {
            let given: &str = key.get_ref();
            if !known.contains(&given) {
                let hint = hint(given, known.iter().copied());
                let hint = if hint.is_empty() { format!("; it knows {}", known.join(", ")) } else { hint };
                let message = format!("{} has no key {given:?}{hint}", self.name);
                return Err(self.error_at(key.span(), message));
            }
        }
        Ok(())
    }

    /// Returns every key with its value, in the order of the keys.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (Placed<'t>, Item<'t, 'i>)> {
        self.entries.iter().map(|(key, value)| ((key.get_ref().as_ref(), key.span()), value))
    }

    /// Returns a value.
    pub(crate) fn get(&self, key: &str) -> Option<Item<'t, 'i>> {
        self.entries.get(key)
    }

    /// Returns a text.
    pub(crate) fn text(&self, key: &str) -> Result<Option<Placed<'t>>, DeclarationError> {
        self.get(key).map(|item| self.as_text(key, item)).transpose()
    }

    /// Returns a text that must be there.
    pub(crate) fn required(&self, key: &str) -> Result<Placed<'t>, DeclarationError> {
        self.text(key)?.ok_or_else(|| self.error(format!("{} needs a {key}", self.name)))
    }

    /// Returns true or false, false if nothing is said.
    pub(crate) fn flag(&self, key: &str) -> Result<bool, DeclarationError> {
        let Some(item) = self.get(key) else { return Ok(false) };
        item.get_ref()
            .as_bool()
            .ok_or_else(|| self.error_at(item.span(), format!("{key} must be true or false")))
    }

    /// Returns a list of texts; one text alone is a list of one.
    pub(crate) fn texts(&self, key: &str) -> Result<Vec<Placed<'t>>, DeclarationError> {
        let Some(item) = self.get(key) else { return Ok(Vec::new()) };
        match item.get_ref() {
            DeValue::Array(items) => items.iter().map(|item| self.as_text(key, item)).collect(),
            _ => Ok(vec![self.as_text(key, item)?]),
        }
    }

    /// Returns a table within, called `name` in complaints.
    pub(crate) fn table(&self, key: &str, name: &'static str) -> Result<Option<Self>, DeclarationError> {
        self.get(key).map(|item| self.as_table(item, name)).transpose()
    }

    /// Returns a list of tables within, each called `name` in complaints.
    pub(crate) fn tables(&self, key: &str, name: &'static str) -> Result<Vec<Self>, DeclarationError> {
        let Some(item) = self.get(key) else { return Ok(Vec::new()) };
        match item.get_ref() {
            DeValue::Array(items) => items.iter().map(|item| self.as_table(item, name)).collect(),
            _ => {
                Err(self
                    .error_at(item.span(), format!("write [[{key}]] with two brackets; there may be many")))
            }
        }
    }

    /// Takes a value as a table.
    pub(crate) fn as_table(&self, item: Item<'t, 'i>, name: &'static str) -> Result<Self, DeclarationError> {
        let entries = item
            .get_ref()
            .as_table()
            .ok_or_else(|| self.error_at(item.span(), format!("{name} must be a table")))?;
        Ok(Self { text: self.text, entries, span: item.span(), name })
    }

    /// Takes a value as a text.
    pub(crate) fn as_text(&self, key: &str, item: Item<'t, 'i>) -> Result<Placed<'t>, DeclarationError> {
        let text = item.get_ref().as_str();
        let text =
            text.ok_or_else(|| self.error_at(item.span(), format!("{key} must be a text in quotes")))?;
        Ok((text, item.span()))
    }

    /// Takes a value as JSON; times become texts.
    pub(crate) fn as_json(&self, item: Item<'t, 'i>) -> Result<Value, DeclarationError> {
        Ok(match item.get_ref() {
            DeValue::String(text) => Value::from(text.as_ref()),
            DeValue::Boolean(flag) => Value::from(*flag),
            DeValue::Datetime(time) => Value::from(time.to_string()),
            DeValue::Integer(number) => {
                let parsed = i64::from_str_radix(number.as_str(), number.radix());
                let too_large = |_| self.error_at(item.span(), "the number does not fit into 64 bits");
                Value::from(parsed.map_err(too_large)?)
            }
            DeValue::Float(number) => {
                let parsed = number.as_str().parse::<f64>().ok().and_then(serde_json::Number::from_f64);
                let strange =
                    || self.error_at(item.span(), "the number is not finite; JSON has no such number");
                Value::Number(parsed.ok_or_else(strange)?)
            }
            DeValue::Array(items) => items.iter().map(|item| self.as_json(item)).collect::<Result<_, _>>()?,
            DeValue::Table(entries) => {
                let entries =
                    entries.iter().map(|(key, item)| Ok((key.get_ref().to_string(), self.as_json(item)?)));
                Value::Object(entries.collect::<Result<_, DeclarationError>>()?)
            }
        })
    }
}
