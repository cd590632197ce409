//! Named sections: parts of the configuration whose names the user chooses, such as `[services.orders]`.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use toml::{Table, Value};

use super::InvalidSettings;
use super::layer::Origin;

/// The kinds of named sections.
pub(super) const KINDS: &[&str] = &["caches", "limits", "policies", "routes", "services"];

/// The named sections of every layer, a later layer winning key by key.
#[derive(Debug, Clone, Default)]
pub struct Sections(BTreeMap<(&'static str, String), Section>);

#[derive(Debug, Clone)]
struct Section {
    table: Table,
    /// Where it was given last.
    origin: Origin,
}

impl Sections {
    /// Tells whether a key, such as `services.orders.policy`, lies in a named section.
    pub(super) fn holds(key: &str) -> bool {
        kind_of(key).is_some()
    }

    /// Takes what a file says in the sections of a kind.
    pub(super) fn take(
        &mut self,
        kind: &str,
        value: Value,
        origin: impl Fn(&str) -> Origin,
    ) -> Result<(), InvalidSettings> {
        let Some(kind) = kind_of(kind) else { return Ok(()) };
        let expects = |place: Origin, what: &str| {
            InvalidSettings(format!(
                "{place}: {what} must be a section with a name, such as [{kind}.example]"
            ))
        };
        let Value::Table(named) = value else { return Err(expects(origin(""), kind)) };
        for (name, value) in named {
            let origin = origin(&name);
            let Value::Table(given) = value else { return Err(expects(origin, &format!("{kind}.{name}"))) };
            merge(&mut self.section(kind, &name, origin).table, given);
        }
        Ok(())
    }

    /// Takes one value of a variable: a TOML value where it reads as one, and a text otherwise.
    pub(super) fn set(&mut self, key: &str, text: &str, origin: Origin) -> Result<(), InvalidSettings> {
        let mut parts = key.split('.').skip(1);
        let (Some(kind), Some(name)) = (kind_of(key), parts.next().filter(|name| !name.is_empty())) else {
            return Err(InvalidSettings(format!("{origin}: {} names no section", origin.spell(key))));
        };
        let path: Vec<&str> = parts.collect();
        let Some((last, inner)) = path.split_last() else {
            let spelled = origin.spell(key);
            return Err(InvalidSettings(format!(
                "{origin}: {spelled} names a section; name a key of it too"
            )));
        };
        let mut table = Table::from_iter([((*last).to_owned(), value_of(text))]);
        for key in inner.iter().rev() {
            table = Table::from_iter([((*key).to_owned(), Value::Table(table))]);
        }
        merge(&mut self.section(kind, name, origin).table, table);
        Ok(())
    }

    fn section(&mut self, kind: &'static str, name: &str, origin: Origin) -> &mut Section {
        let fresh = Section { table: Table::new(), origin: origin.clone() };
        let section = self.0.entry((kind, name.to_owned())).or_insert(fresh);
        section.origin = origin;
        section
    }

    /// Reads the sections of a kind, by name.
    pub fn read<T: DeserializeOwned>(&self, kind: &str) -> Result<BTreeMap<String, T>, InvalidSettings> {
        let of_kind = self.0.iter().filter(|((of, _), _)| *of == kind);
        let read = of_kind.map(|((kind, name), section)| {
            let read = Value::Table(section.table.clone()).try_into::<T>().map_err(|error| {
                let message = error.message().trim().replace('\n', " ");
                InvalidSettings(format!("{}: {kind}.{name}: {message}", section.origin))
            });
            Ok((name.clone(), read?))
        });
        read.collect()
    }

    /// Says that a section is wrong, and where it stands.
    pub fn wrong(&self, kind: &str, name: &str, why: impl std::fmt::Display) -> InvalidSettings {
        let found = self.0.iter().find(|((of, named), _)| *of == kind && named == name);
        let place = found.map_or_else(String::new, |(_, section)| format!("{}: ", section.origin));
        InvalidSettings(format!("{place}{kind}.{name}: {why}"))
    }

    /// Returns each section as `kind.name`, where it was given last, and how many keys it has.
    pub(super) fn names(&self) -> impl Iterator<Item = (String, &Origin, usize)> {
        self.0
            .iter()
            .map(|((kind, name), section)| (format!("{kind}.{name}"), &section.origin, section.table.len()))
    }
}

fn kind_of(key: &str) -> Option<&'static str> {
    let first = key.split('.').next()?;
    KINDS.iter().copied().find(|kind| *kind == first)
}

fn value_of(text: &str) -> Value {
    let read = toml::from_str::<Table>(&format!("value = {text}")).ok();
    let value = read.filter(|table| table.len() == 1).and_then(|mut table| table.remove("value"));
    value.unwrap_or_else(|| Value::String(text.to_owned()))
}

fn merge(into: &mut Table, given: Table) {
    for (key, value) in given {
        match (into.get_mut(&key), value) {
            (Some(Value::Table(standing)), Value::Table(inner)) => merge(standing, inner),
            (_, value) => {
                into.insert(key, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    #[derive(Debug, PartialEq, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Example {
        text: String,
        #[serde(default)]
        list: Vec<u32>,
    }

    fn file(line: usize) -> impl Fn(&str) -> Origin {
        move |_| Origin::File(PathBuf::from("ledgerstone.toml"), line)
    }

    fn table(text: &str) -> Value {
        Value::Table(text.parse().expect("a table"))
    }

    #[test]
    fn a_later_layer_wins_key_by_key() {
        let mut sections = Sections::default();
        sections.take("services", table("[orders]\ntext = 'a'\nlist = [1, 2]"), file(3)).expect("taken");
        let variable = || Origin::Variable("LEDGERSTONE__SERVICES__ORDERS__TEXT".to_owned());
        sections.set("services.orders.text", "b c", variable()).expect("taken");
        sections.set("services.orders.list", "[7]", variable()).expect("taken");
        let read = sections.read::<Example>("services").expect("read");
        let example = Example { text: "b c".to_owned(), list: vec![7] };
        assert_eq!(read, BTreeMap::from([("orders".to_owned(), example)]));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        let mut sections = Sections::default();
        sections.take("services", table("[orders]\ntxet = 'a'"), file(3)).expect("taken");
        let error = sections.read::<Example>("services").expect_err("a wrong key");
        assert!(
            error.to_string().starts_with("ledgerstone.toml line 3: services.orders: unknown field `txet`"),
            "{error}"
        );
        let error = sections.take("limits", Value::Integer(1), file(9)).expect_err("no section");
        assert!(error.to_string().contains("line 9: limits must be a section"), "{error}");
        let variable = Origin::Variable("LEDGERSTONE__LIMITS".to_owned());
        assert!(sections.set("limits", "1", variable).is_err());
    }
}
