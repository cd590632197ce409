//! What can be asked of a service, declared by name: method, path, whether it may be repeated, how long it may take.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::gateway::path_template::PathTemplate;
use crate::gateway::span;

/// An operation of a service, as the settings declare it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OperationSettings {
    /// The method; `GET` unless said otherwise.
    #[serde(default = "get")]
    pub method: String,
    /// The path, with gaps in braces, such as `/orders/{id}`.
    pub path: String,
    /// Whether it may be repeated; unless said otherwise, the method decides (RFC 9110, 9.2.2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotent: Option<bool>,
    /// How long one attempt may take; unless said otherwise, as long as any of the service.
    #[serde(default, with = "span::optional", skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
    /// The policy; unless said otherwise, that of the service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
}

fn get() -> String {
    "GET".to_owned()
}

/// An operation that was found sound.
#[derive(Debug, Clone)]
pub(crate) struct Operation {
    pub(crate) method: &'static str,
    pub(crate) path: PathTemplate,
    pub(crate) idempotent: bool,
    pub(crate) timeout: Option<Duration>,
    pub(crate) policy: Option<String>,
}

impl Operation {
    /// Checks what was declared, or says what is wrong.
    pub(crate) fn from_settings(settings: &OperationSettings) -> Result<Self, String> {
        let mut operation = Self::of(&settings.method, &settings.path)?;
        operation.idempotent = settings.idempotent.unwrap_or(operation.idempotent);
        operation.timeout = settings.timeout;
        operation.policy.clone_from(&settings.policy);
        if operation.timeout.is_some_and(|timeout| timeout.is_zero()) {
            return Err("timeout is 0; leave it out, or give it some time".to_owned());
        }
        Ok(operation)
    }

    /// Makes an operation of a method and a path, which nobody declared.
    pub(crate) fn of(method: &str, path: &str) -> Result<Self, String> {
        let Some(&(method, idempotent)) = METHODS.iter().find(|(name, _)| *name == method) else {
            let names: Vec<_> = METHODS.iter().map(|(name, _)| *name).collect();
            return Err(format!("{method:?} is no method; write one of {}", names.join(", ")));
        };
        let path = PathTemplate::parse(path)?;
        Ok(Self { method, path, idempotent, timeout: None, policy: None })
    }
}

/// The methods, and whether one may be repeated by what it means.
const METHODS: &[(&str, bool)] = &[
    ("GET", true),
    ("HEAD", true),
    ("OPTIONS", true),
    ("PUT", true),
    ("DELETE", true),
    ("POST", false),
    ("PATCH", false),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_method_decides_about_repeating_unless_somebody_did() {
        let read = |text: &str| serde_json::from_str::<OperationSettings>(text).expect("settings");
        let idempotent = |text: &str| Operation::from_settings(&read(text)).map(|found| found.idempotent);
        assert_eq!(idempotent(r#"{"path": "/a"}"#), Ok(true));
        assert_eq!(idempotent(r#"{"method": "POST", "path": "/a"}"#), Ok(false));
        assert_eq!(idempotent(r#"{"method": "POST", "path": "/a", "idempotent": true}"#), Ok(true));
        assert!(idempotent(r#"{"method": "get", "path": "/a"}"#).is_err());
        assert!(idempotent(r#"{"path": "/a", "timeout": "0s"}"#).is_err());
    }
}
