//! A declared read model: rules in TOML instead of Rust, run by the same projector as any other.

use std::sync::Arc;

use ledgerstone_core::{Body, Definition, DocumentKey, Projection, ProjectionError, Query, RecordedEvent};

use crate::declared::apply::{Outcome, apply};
use crate::declared::declaration::{Declaration, Rule};
use crate::declared::declaration_error::DeclarationError;
use crate::declared::parse::{Author, parse};
use crate::declared::payload::Picked;
use crate::declared::source::Template;

/// A read model declared in TOML; the format is described in `docs/reference/declared-read-models.md`.
///
/// ```toml
/// [read_model]
/// name = "accounts"
/// key = "{stream.id}"
///
/// [fields]
/// owner = { kind = "text", indexed = true }
/// deposits = "integer"
///
/// [[on]]
/// types = ["AccountOpened"]
/// set = { owner = "/owner" }
///
/// [[on]]
/// types = ["MoneyDeposited"]
/// increment = { deposits = 1 }
/// ```
#[derive(Debug, Clone)]
pub struct DeclaredReadModel {
    declaration: Arc<Declaration>,
    query: Query,
    /// Whether some rule has a key of its own.
    several_keys: bool,
    toml: Arc<str>,
}

impl DeclaredReadModel {
    /// Reads and checks a declaration.
    pub fn parse(toml: &str) -> Result<Self, DeclarationError> {
        Self::parse_by(toml, Author::User)
    }

    /// Reads and checks a declaration of an author.
    pub(crate) fn parse_by(toml: &str, author: Author) -> Result<Self, DeclarationError> {
        let declaration = parse(toml, author)?;
        let query =
            declaration.query().map_err(|error| DeclarationError::at(toml, 0..0, error.to_string()))?;
        let several_keys = declaration.rules.iter().any(|rule| rule.key.is_some());
        Ok(Self { declaration: Arc::new(declaration), query, several_keys, toml: toml.into() })
    }

    /// Returns the text that it was read from.
    pub fn toml(&self) -> &str {
        &self.toml
    }

    /// Returns what its author says that it is for.
    pub fn description(&self) -> Option<&str> {
        self.declaration.description.as_deref()
    }

    /// Returns what was declared.
    pub(crate) fn declaration(&self) -> &Declaration {
        &self.declaration
    }

    /// Projects like [`Projection::project`], and tells `watch` what came of each field.
    pub(crate) fn project_watched(
        &self,
        event: &RecordedEvent,
        key: &DocumentKey,
        body: Option<Body>,
        watch: &mut impl FnMut(usize, Outcome),
    ) -> Result<Option<Body>, ProjectionError> {
        let picked = self.pick(event)?;
        let key_picked = if self.several_keys { Some(self.pick_for_keys(event)?) } else { None };
        let mut exists = body.is_some();
        let mut body = body.unwrap_or_default();
        for rule in self.matching(event) {
            let elsewhere = key_picked.as_ref().is_some_and(|key_picked| {
                self.key_of(rule).fill(event, key_picked).as_deref() != Ok(key.as_str())
            });
            if elsewhere || (rule.if_exists && !exists) {
                continue;
            }
            if rule.delete {
                exists = false;
                body.clear();
                continue;
            }
            exists = true;
            apply(rule, &self.declaration.fields, event, &picked, &mut body, watch)?;
        }
        Ok(exists.then_some(body))
    }

    fn matching(&self, event: &RecordedEvent) -> impl Iterator<Item = &Rule> {
        self.declaration.rules.iter().filter(|rule| rule.matching.matches(event))
    }

    fn key_of<'a>(&'a self, rule: &'a Rule) -> &'a Template {
        rule.key.as_ref().unwrap_or(&self.declaration.key)
    }

    fn pick(&self, event: &RecordedEvent) -> Result<Picked, ProjectionError> {
        let pointers = &self.declaration.pointers;
        match self.declaration.upcasts.upcast(event)? {
            Some(payload) => Ok(pointers.find(&payload)),
            None => pointers.pick(event),
        }
    }

    fn pick_for_keys(&self, event: &RecordedEvent) -> Result<Picked, ProjectionError> {
        let pointers = &self.declaration.key_pointers;
        if pointers.is_empty() {
            return pointers.pick(event);
        }
        match self.declaration.upcasts.upcast(event)? {
            Some(payload) => Ok(pointers.find(&payload)),
            None => pointers.pick(event),
        }
    }
}

impl Projection for DeclaredReadModel {
    fn definition(&self) -> Definition {
        self.declaration.definition()
    }

    fn query(&self) -> Query {
        self.query.clone()
    }

    fn keys(&self, event: &RecordedEvent) -> Result<Vec<DocumentKey>, ProjectionError> {
        let mut keys: Vec<DocumentKey> = Vec::with_capacity(1);
        let mut picked = None;
        for rule in self.matching(event) {
            if !keys.is_empty() && !self.several_keys {
                break;
            }
            let picked = match &picked {
                Some(picked) => picked,
                None => picked.insert(self.pick_for_keys(event)?),
            };
            let template = self.key_of(rule);
            match template.fill(event, picked) {
                Ok(text) => {
                    let key = DocumentKey::new(text).map_err(|_| unusable(template))?;
                    if !keys.contains(&key) {
                        keys.push(key);
                    }
                }
                Err(_) if self.declaration.skip_without_key => {}
                Err(missing) => return Err(keyless(template, missing)),
            }
        }
        Ok(keys)
    }

    fn project(
        &self,
        event: &RecordedEvent,
        key: &DocumentKey,
        body: Option<Body>,
    ) -> Result<Option<Body>, ProjectionError> {
        self.project_watched(event, key, body, &mut |_, _| {})
    }
}

fn unusable(template: &Template) -> ProjectionError {
    let key = template.as_str();
    let limit = DocumentKey::MAX_BYTES;
    ProjectionError(format!("the key {key:?} is empty, above {limit} bytes or not printable for this event"))
}

fn keyless(template: &Template, missing: &str) -> ProjectionError {
    let key = template.as_str();
    ProjectionError(format!("the event has no value for {{{missing}}} in the key {key:?}"))
}
