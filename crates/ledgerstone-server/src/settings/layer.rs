//! The layers of the configuration: files and variables, read into keys with their origins.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use super::InvalidSettings;
use super::key::Key;
use super::sections::Sections;

/// The beginning of every variable of ours.
const PREFIX: &str = "LEDGERSTONE__";

/// Where a key was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// In a file, on a line.
    File(PathBuf, usize),
    /// In a variable of the environment.
    Variable(String),
    /// As a flag of the command.
    Flag(&'static str),
}

impl Origin {
    /// Spells a key as it is written at such a place.
    pub(super) fn spell(&self, key: &str) -> String {
        match self {
            Self::Variable(_) => format!("{PREFIX}{}", key.replace('.', "__").to_uppercase()),
            Self::File(..) | Self::Flag(_) => key.to_owned(),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path, line) => write!(f, "{} line {line}", path.display()),
            Self::Variable(name) => write!(f, "variable {name}"),
            Self::Flag(flag) => write!(f, "flag {flag}"),
        }
    }
}

/// A key as it was given: its value as text, or what it is instead of a text, a number or a boolean.
#[derive(Debug)]
pub(super) struct Given {
    pub(super) key: String,
    pub(super) value: Result<String, &'static str>,
    pub(super) origin: Origin,
}

/// What the environment says.
#[derive(Debug, Default)]
pub(super) struct Environment {
    pub(super) given: Vec<Given>,
    pub(super) port: Option<u16>,
}

/// Reads a file; one that is not there is nothing, unless it is required. Named sections go where they are kept.
pub(super) fn read_file(
    path: &Path,
    required: bool,
    sections: &mut Sections,
) -> Result<Option<Vec<Given>>, InvalidSettings> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && !required => return Ok(None),
        Err(error) => return Err(InvalidSettings(format!("{}: cannot be read: {error}", path.display()))),
    };
    let line_of = |at: usize| 1 + text.bytes().take(at).filter(|byte| *byte == b'\n').count();
    let table = DeTable::parse(&text).map_err(|error| {
        let line = line_of(error.span().map_or(0, |span| span.start));
        InvalidSettings(format!("{} line {line}: {}", path.display(), error.message()))
    })?;
    let origin = |at| Origin::File(path.to_owned(), line_of(at));
    take_sections(&text, table.get_ref(), &origin, sections)?;
    let mut given = Vec::new();
    collect(table.get_ref(), "", &origin, &mut given);
    given.sort_by_key(|given| match given.origin {
        Origin::File(_, line) => line,
        _ => 0,
    });
    Ok(Some(given))
}

/// Takes the named sections out of a file that was parsed before.
fn take_sections(
    text: &str,
    parsed: &DeTable<'_>,
    origin: &dyn Fn(usize) -> Origin,
    sections: &mut Sections,
) -> Result<(), InvalidSettings> {
    if !parsed.keys().any(|key| Sections::holds(key.get_ref())) {
        return Ok(());
    }
    // It parsed as a table before, so it parses as one now.
    let table = toml::from_str::<toml::Table>(text).map_err(|error| InvalidSettings(error.to_string()))?;
    for (kind, value) in table.into_iter().filter(|(kind, _)| Sections::holds(kind)) {
        let spanned = parsed.iter().find(|(key, _)| *key.get_ref() == kind);
        let line_of = |name: &str| {
            let inner = spanned.and_then(|(_, value)| value.get_ref().as_table());
            let named = inner.and_then(|inner| inner.keys().find(|key| *key.get_ref() == name));
            let key = named.or(spanned.map(|(key, _)| key));
            origin(key.map_or(0, |key| key.span().start))
        };
        sections.take(&kind, value, line_of)?;
    }
    Ok(())
}

fn collect(table: &DeTable<'_>, prefix: &str, origin: &dyn Fn(usize) -> Origin, given: &mut Vec<Given>) {
    for (key, value) in table.iter() {
        let name =
            if prefix.is_empty() { key.get_ref().to_string() } else { format!("{prefix}.{}", key.get_ref()) };
        if prefix.is_empty() && Sections::holds(&name) {
            continue;
        }
        if let DeValue::Table(inner) = value.get_ref()
            && Key::is_section(&name)
        {
            collect(inner, &name, origin, given);
            continue;
        }
        // A section that nobody knows is told as such, and not key by key.
        given.push(Given { key: name, value: scalar(value.get_ref()), origin: origin(key.span().start) });
    }
}

fn scalar(value: &DeValue<'_>) -> Result<String, &'static str> {
    match value {
        DeValue::String(text) => Ok(text.to_string()),
        DeValue::Integer(number) => {
            let parsed = i64::from_str_radix(number.as_str(), number.radix());
            parsed.map(|number| number.to_string()).map_err(|_| "a number of that size")
        }
        DeValue::Boolean(flag) => Ok(flag.to_string()),
        DeValue::Float(_) => Err("a broken number"),
        DeValue::Datetime(_) => Err("a time"),
        DeValue::Array(_) => Err("a list"),
        DeValue::Table(_) => Err("a section"),
    }
}

/// Reads the variables of ours and the few of others that are honoured; an empty one counts as not set.
pub(super) fn read_environment(
    variables: impl Iterator<Item = (OsString, OsString)>,
) -> Result<Environment, InvalidSettings> {
    let mut environment = Environment::default();
    let mut ours = Vec::new();
    for (name, value) in variables {
        let Some(name) = name.to_str().map(str::to_owned) else { continue };
        if !name.starts_with(PREFIX) && name != "PORT" && name != "RUST_LOG" {
            continue;
        }
        let Some(value) = value.to_str().map(str::to_owned) else {
            return Err(InvalidSettings(format!("variable {name}: its value is not UTF-8")));
        };
        match name.as_str() {
            _ if value.is_empty() => {}
            "PORT" => environment.port = Some(port(&value)?),
            "RUST_LOG" => environment.given.push(Given {
                key: "log.filter".to_owned(),
                value: Ok(value),
                origin: Origin::Variable(name),
            }),
            _ => ours.push((name, value)),
        }
    }
    ours.sort();
    environment.given.extend(ours.into_iter().map(|(name, value)| Given {
        key: key_of(&name),
        value: Ok(value),
        origin: Origin::Variable(name),
    }));
    Ok(environment)
}

fn port(text: &str) -> Result<u16, InvalidSettings> {
    text.parse().map_err(|_| InvalidSettings(format!("variable PORT: {text:?} is not a port number")))
}

/// Turns the name of a variable into that of a key.
fn key_of(variable: &str) -> String {
    let rest = variable.strip_prefix(PREFIX).unwrap_or(variable);
    rest.replace("__", ".").to_lowercase()
}
