//! What a request is sent to, and the name under which it is measured.

use std::borrow::Cow;
use std::sync::Arc;

use crate::client::base_url::{encode_whole, is_dots};

/// The name under which a request without a template is measured.
pub(crate) const UNMATCHED: &str = "unmatched";

/// What a request is sent to: a template beneath the client's base, a path, or an absolute URL.
///
/// A template, such as `/users/{id}`, is what metrics and errors name; the path that was made of it never
/// is, since there are as many paths as there are users. A literal is taken for a template. A text made at
/// run time is a path, measured as `unmatched` unless [`measured_as`](Self::measured_as) names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    pub(crate) target: Target,
    pub(crate) label: Label,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    Template(Label),
    Path(String),
    Absolute(String),
}

/// A name of few: written in the code or the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Label {
    Fixed(&'static str),
    Named(Arc<str>),
}

impl Label {
    pub(crate) fn as_str(&self) -> &str {
        match self {
            Self::Fixed(text) => text,
            Self::Named(text) => text,
        }
    }

    pub(crate) fn to_metric(&self) -> metrics::SharedString {
        match self {
            Self::Fixed(text) => metrics::SharedString::const_str(text),
            Self::Named(text) => metrics::SharedString::from(Arc::clone(text)),
        }
    }
}

impl Route {
    /// Takes a template that comes from configuration, of which there are few.
    pub fn template(template: impl Into<Arc<str>>) -> Self {
        let label = Label::Named(template.into());
        Self { target: Target::Template(label.clone()), label }
    }

    /// Takes a path beneath the base, with a query or without.
    pub fn path(path: impl Into<String>) -> Self {
        Self { target: Target::Path(path.into()), label: Label::Fixed(UNMATCHED) }
    }

    /// Takes a whole URL, wherever it leads.
    ///
    /// On another origin than the base's, neither the client's credentials nor its default headers are sent.
    pub fn absolute(url: impl Into<String>) -> Self {
        Self { target: Target::Absolute(url.into()), label: Label::Fixed(UNMATCHED) }
    }

    /// Names it in metrics and errors.
    #[must_use]
    pub fn measured_as(mut self, template: &'static str) -> Self {
        self.label = Label::Fixed(template);
        self
    }
}

impl From<&'static str> for Route {
    fn from(template: &'static str) -> Self {
        let label = Label::Fixed(template);
        Self { target: Target::Template(label.clone()), label }
    }
}

impl From<String> for Route {
    fn from(path: String) -> Self {
        Self::path(path)
    }
}

/// Puts values into the braces of a template, each encoded as one part of the path.
pub(crate) fn fill<'a>(template: &'a str, values: &[(&'static str, String)]) -> Result<Cow<'a, str>, String> {
    if template.contains('?') {
        return Err(format!("the template {template} holds a query; give it apart"));
    }
    let mut filled = String::new();
    let mut used = 0;
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        let Some((name, behind)) = after.split_once('}') else {
            return Err(format!("the template {template} has an open brace without a closing one"));
        };
        let mut given = values.iter().filter(|(given, _)| *given == name);
        let value = match (given.next(), given.next()) {
            (Some((_, value)), None) => value,
            (None, _) => return Err(format!("the template {template} needs a value for {{{name}}}")),
            (Some(_), Some(_)) => return Err(format!("{name} was given twice for {template}")),
        };
        // An empty part would ask for the whole collection instead of one thing of it.
        if value.is_empty() || is_dots(value) {
            return Err(format!("the value of {{{name}}} in {template} is empty or made of dots only"));
        }
        filled.push_str(before);
        encode_whole(&mut filled, value);
        used += 1;
        rest = behind;
    }
    let has = |name: &str| template.split('{').skip(1).any(|gap| gap.split('}').next() == Some(name));
    if let Some((name, _)) = values.iter().find(|(name, _)| !has(name)) {
        return Err(format!("the template {template} has no {{{name}}}"));
    }
    if used == 0 {
        return Ok(Cow::Borrowed(template));
    }
    filled.push_str(rest);
    Ok(Cow::Owned(filled))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_become_one_part_each() {
        let value = |text: &str| vec![("id", text.to_owned())];
        assert_eq!(
            fill("/users/{id}/posts", &value("a/b?c#d%")).as_deref(),
            Ok("/users/a%2Fb%3Fc%23d%25/posts")
        );
        assert_eq!(fill("/users", &[]).as_deref(), Ok("/users"));
        for bad in ["", ".", "..", "%2e%2e"] {
            assert!(fill("/users/{id}", &value(bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_template_and_its_values_must_fit() {
        assert!(fill("/users/{id}", &[]).is_err());
        assert!(fill("/users", &[("id", "7".to_owned())]).is_err());
        assert!(fill("/users/{id", &[("id", "7".to_owned())]).is_err());
        assert!(fill("/users/{id}", &[("id", "7".to_owned()), ("id", "8".to_owned())]).is_err());
        assert!(fill("/users?all", &[]).is_err());
    }

    #[test]
    fn what_is_made_at_run_time_is_measured_under_one_name() {
        assert_eq!(Route::from("/users/{id}").label.as_str(), "/users/{id}");
        assert_eq!(Route::from(format!("/users/{}", 7)).label.as_str(), UNMATCHED);
        let named = Route::path("/users/7").measured_as("/users/{id}");
        assert_eq!(named.label.as_str(), "/users/{id}");
    }
}
