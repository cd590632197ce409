//! Reads one `[[on]]` of a declaration.

use ledgerstone_core::{EventType, FieldKind, StreamId, Tag};
use serde_json::Value;
use toml::de::DeValue;

use crate::declared::declaration::{DeclaredField, Matching, Operation, Reader, Rule, Step};
use crate::declared::declaration_error::DeclarationError;
use crate::declared::hint::hint;
use crate::declared::parse::parse_key;
use crate::declared::payload::Pointers;
use crate::declared::source::Source;
use crate::declared::toml_table::{Item, Placed, TomlTable};
use crate::declared::value::{Reading, ValueKind};

const KEYS: [&str; 16] = [
    "types",
    "categories",
    "streams",
    "tags",
    "key",
    "if_exists",
    "set",
    "set_if_absent",
    "min",
    "max",
    "unset",
    "add_to",
    "remove_from",
    "increment",
    "soft_delete",
    "delete",
];

/// What reads rules: the fields that they may change, and the places that they read.
#[derive(Debug)]
pub(crate) struct RuleReader<'a> {
    pub fields: &'a [DeclaredField],
    pub pointers: &'a mut Pointers,
    pub key_pointers: &'a mut Pointers,
}

impl RuleReader<'_> {
    /// Reads a rule.
    pub(crate) fn read(&mut self, table: &TomlTable<'_, '_>) -> Result<Rule, DeclarationError> {
        table.only(&KEYS)?;
        let key = match table.text("key")? {
            Some(key) => Some(parse_key(table, key, self.key_pointers)?),
            None => None,
        };
        let mut steps = Vec::new();
        self.valued(table, "set", &mut steps, Operation::Set)?;
        self.valued(table, "set_if_absent", &mut steps, Operation::SetIfAbsent)?;
        self.valued(table, "min", &mut steps, Operation::Min)?;
        self.valued(table, "max", &mut steps, Operation::Max)?;
        self.named(table, "unset", &mut steps, &Operation::Unset)?;
        self.valued(table, "add_to", &mut steps, Operation::AddTo)?;
        self.valued(table, "remove_from", &mut steps, Operation::RemoveFrom)?;
        self.valued(table, "increment", &mut steps, Operation::Increment)?;
        self.named(table, "soft_delete", &mut steps, &Operation::SoftDelete)?;
        let delete = table.flag("delete")?;
        if delete && !steps.is_empty() {
            return Err(
                table.error("it deletes the document, so it cannot change fields too; use two [[on]]")
            );
        }
        if !delete && steps.is_empty() {
            return Err(
                table.error("the [[on]] does nothing; give it set, increment, delete or another operation")
            );
        }
        let matching = read_matching(table)?;
        Ok(Rule { matching, key, if_exists: table.flag("if_exists")?, delete, steps })
    }

    /// Reads an operation that gives values to fields: `set = { field = value }`.
    fn valued(
        &mut self,
        table: &TomlTable<'_, '_>,
        name: &'static str,
        steps: &mut Vec<Step>,
        operation: impl Fn(Reader) -> Operation,
    ) -> Result<(), DeclarationError> {
        let Some(values) = table.table(name, name)? else { return Ok(()) };
        for (field, item) in values.entries() {
            let field = self.field(&values, name, field)?;
            let reader = self.reader(&values, item)?;
            let kind = self.fields.get(field).map_or(ValueKind::Json, |field| field.kind);
            check_constants(kind, &reader).map_err(|message| values.error_at(item.span(), message))?;
            steps.push(Step { field, operation: operation(reader) });
        }
        Ok(())
    }

    /// Reads an operation that only names fields: `unset = ["field"]`.
    fn named(
        &self,
        table: &TomlTable<'_, '_>,
        name: &'static str,
        steps: &mut Vec<Step>,
        operation: &Operation,
    ) -> Result<(), DeclarationError> {
        for field in table.texts(name)? {
            let field = self.field(table, name, field)?;
            steps.push(Step { field, operation: operation.clone() });
        }
        Ok(())
    }

    /// Finds a declared field and checks that the operation suits its kind.
    fn field(
        &self,
        table: &TomlTable<'_, '_>,
        operation: &str,
        (name, span): Placed<'_>,
    ) -> Result<usize, DeclarationError> {
        let Some(at) = self.fields.iter().position(|field| field.name.as_str() == name) else {
            let hint = hint(name, self.fields.iter().map(|field| field.name.as_str()));
            let hint = if hint.is_empty() { "; declare it in [fields]".to_owned() } else { hint };
            return Err(table.error_at(span, format!("there is no field {name:?}{hint}")));
        };
        let kind = self.fields[at].kind;
        let (suits, needed) = match operation {
            "min" | "max" => (kind.is_ordered(), "a text, an integer, a number or a time"),
            "add_to" | "remove_from" => (kind == ValueKind::Field(FieldKind::TextArray), "a text_array"),
            "increment" => {
                let numbers = [FieldKind::Integer, FieldKind::Number].map(ValueKind::Field);
                (numbers.contains(&kind), "an integer or a number")
            }
            "soft_delete" => (kind == ValueKind::Field(FieldKind::Boolean), "a boolean"),
            _ => (true, ""),
        };
        if suits {
            return Ok(at);
        }
        let message = format!("{operation} needs {needed}, and field {name} is {}", kind.as_str());
        Err(table.error_at(span, message))
    }

    /// Reads a value: a text, a number, or a table with a constant or with details.
    fn reader(&mut self, table: &TomlTable<'_, '_>, item: Item<'_, '_>) -> Result<Reader, DeclarationError> {
        let written = table.as_json(item)?;
        let plain = |source: Source, written: Value| Reader {
            source,
            default: None,
            reading: Reading::default(),
            written,
        };
        match item.get_ref() {
            DeValue::String(text) => {
                let source = Source::parse(text, self.pointers);
                Ok(plain(source.map_err(|message| table.error_at(item.span(), message))?, written))
            }
            DeValue::Table(_) => self.detailed(&table.as_table(item, "a value")?, written),
            // A number or a flag can only be meant as itself.
            _ => Ok(plain(Source::Constant(written.clone()), written)),
        }
    }

    fn detailed(&mut self, table: &TomlTable<'_, '_>, written: Value) -> Result<Reader, DeclarationError> {
        table.only(&["value", "from", "default", "parse", "zone"])?;
        let source = match (table.get("value"), table.text("from")?) {
            (Some(value), None) => Source::Constant(table.as_json(value)?),
            (None, Some((text, span))) => {
                Source::parse(text, self.pointers).map_err(|message| table.error_at(span, message))?
            }
            _ => return Err(table.error("a value has either value = … (a constant) or from = \"…\"")),
        };
        let default = table.get("default").map(|item| table.as_json(item)).transpose()?;
        let zone = table.text("zone")?;
        if let Some((name, span)) = &zone
            && jiff::tz::TimeZone::get(name).is_err()
        {
            return Err(table.error_at(
                span.clone(),
                format!("there is no time zone {name:?}, such as Europe/Amsterdam"),
            ));
        }
        let zone = zone.map(|(name, _)| name.to_owned());
        Ok(Reader { source, default, reading: Reading { parse: table.flag("parse")?, zone }, written })
    }
}

/// Refuses a constant that the field could never hold.
fn check_constants(kind: ValueKind, reader: &Reader) -> Result<(), String> {
    let constant = match &reader.source {
        Source::Constant(value) => Some(value),
        _ => None,
    };
    for value in constant.into_iter().chain(&reader.default) {
        // A text may be added to an array, or taken out of it.
        let element = kind == ValueKind::Field(FieldKind::TextArray) && value.is_string();
        if !element {
            kind.take(value, &reader.reading)
                .map_err(|reason| format!("the constant does not fit: {reason}"))?;
        }
    }
    Ok(())
}

fn read_matching(table: &TomlTable<'_, '_>) -> Result<Matching, DeclarationError> {
    let checked = |key: &str, check: &dyn Fn(&str) -> Result<(), String>| {
        let texts = table.texts(key)?.into_iter().map(|(text, span)| {
            check(text).map_err(|message| table.error_at(span, message)).map(|()| text.to_owned())
        });
        texts.collect::<Result<Vec<String>, DeclarationError>>()
    };
    let mut types = checked("types", &|text| match EventType::new(text) {
        Ok(_) if text.starts_with('$') => Err("types that begin with $ belong to the system".to_owned()),
        Ok(_) => Ok(()),
        Err(error) => Err(error.to_string()),
    })?;
    if types.iter().any(|text| text == "*") {
        types.clear();
    }
    let stream = |text: &str| StreamId::new(text).map(drop).map_err(|error| error.to_string());
    let category = |text: &str| match text.contains('-') {
        true => Err("a category ends at the first -, so it holds none".to_owned()),
        false => Tag::category(text).map(drop).map_err(|error| error.to_string()),
    };
    let tag = |text: &str| Tag::new(text).map(drop).map_err(|error| error.to_string());
    Ok(Matching {
        types: types.into_iter().collect(),
        categories: checked("categories", &category)?,
        streams: checked("streams", &stream)?,
        tags: checked("tags", &tag)?,
    })
}
