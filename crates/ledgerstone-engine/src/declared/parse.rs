//! Reads a declaration from TOML, and refuses what nobody could have meant.

use ledgerstone_core::{CollectionName, Definition, DefinitionHash, EventType, FieldKind, FieldName, Query};
use toml::de::{DeTable, DeValue};

use crate::declared::declaration::{Declaration, DeclaredField, Rule};
use crate::declared::declaration_error::DeclarationError;
use crate::declared::hint::hint;
use crate::declared::parse_rule::RuleReader;
use crate::declared::payload::{Pointers, steps};
use crate::declared::source::Template;
use crate::declared::toml_table::{Item, Placed, TomlTable};
use crate::declared::upcast::{Upcast, Upcasts};
use crate::declared::value::{KINDS, ValueKind};

/// The largest text of a declaration in bytes.
const MAX_BYTES: usize = 256 * 1024;
/// The largest number of rules and of upcasts.
const MAX_RULES: usize = 256;

/// Whose declarations may have names that begin with `$`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Author {
    /// Everybody's may not.
    User,
    /// The built-in ones must.
    System,
}

/// Reads and checks a declaration.
pub(crate) fn parse(text: &str, author: Author) -> Result<Declaration, DeclarationError> {
    if text.len() > MAX_BYTES {
        let message = format!("it has {} bytes and the limit is {MAX_BYTES}", text.len());
        return Err(DeclarationError::at(text, 0..0, message));
    }
    let parsed = DeTable::parse(text).map_err(|error| {
        DeclarationError::at(text, error.span().unwrap_or(0..0), error.message().trim().to_owned())
    })?;
    let root = TomlTable::root(text, &parsed);
    root.only(&["read_model", "fields", "on", "upcast"])?;
    let head = root.table("read_model", "[read_model]")?;
    let head = head.ok_or_else(|| root.error("it needs a [read_model] with a name and a key"))?;
    head.only(&["name", "description", "key", "without_key"])?;

    let mut key_pointers = Pointers::default();
    let mut pointers = Pointers::default();
    let key = parse_key(&head, head.required("key")?, &mut key_pointers)?;
    let fields = parse_fields(&root)?;
    let upcasts = parse_upcasts(&root)?;
    let mut reader = RuleReader { fields: &fields, pointers: &mut pointers, key_pointers: &mut key_pointers };
    let rules = at_most(&root, "on", "[[on]]")?;
    let rules = rules.iter().map(|table| reader.read(table)).collect::<Result<Vec<Rule>, _>>()?;
    if rules.is_empty() {
        return Err(head.error("it needs at least one [[on]], which says what events do"));
    }
    let mut declaration = Declaration {
        name: parse_name(&head, author)?,
        description: head.text("description")?.map(|(text, _)| text.to_owned()),
        key,
        skip_without_key: parse_without_key(&head)?,
        fields,
        rules,
        upcasts: Upcasts::default(),
        pointers,
        key_pointers,
        hash: DefinitionHash::of(b""),
    };
    declaration.hash = declaration.hash_of(&upcasts);
    declaration.upcasts = Upcasts::new(upcasts);
    check_query(&head, &declaration)?;
    Ok(declaration)
}

fn check_query(head: &TomlTable<'_, '_>, declaration: &Declaration) -> Result<(), DeclarationError> {
    let query = declaration.query().map_err(|error| head.error(error.to_string()))?;
    if query.items().len() > Query::MAX_ITEMS {
        let message = format!(
            "its rules name {} streams and categories and the limit is {}; use tags or a category instead",
            query.items().len(),
            Query::MAX_ITEMS
        );
        return Err(head.error(message));
    }
    Ok(())
}

fn parse_name(head: &TomlTable<'_, '_>, author: Author) -> Result<CollectionName, DeclarationError> {
    let (name, span) = head.required("name")?;
    let error = |message: String| head.error_at(span.clone(), message);
    let name = CollectionName::new(name).map_err(|invalid| error(invalid.to_string()))?;
    if author == Author::System {
        return Ok(name);
    }
    if name.as_str().starts_with('$') {
        return Err(error("names that begin with $ belong to the system".to_owned()));
    }
    let is_plain = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
    if !name.as_str().chars().all(is_plain) || name.as_str().starts_with('.') {
        let message = "a name has letters, digits, '-', '_' and '.', since it stands in paths and commands";
        return Err(error(message.to_owned()));
    }
    Ok(name)
}

/// Reads the expression of a key, which must say something about the event.
pub(crate) fn parse_key(
    table: &TomlTable<'_, '_>,
    (text, span): Placed<'_>,
    pointers: &mut Pointers,
) -> Result<Template, DeclarationError> {
    let key = Template::parse(text, pointers).map_err(|message| table.error_at(span.clone(), message))?;
    if key.as_str().is_empty() {
        return Err(table.error_at(span, "the key is empty; use \"{stream}\" for a document a stream"));
    }
    Ok(key)
}

fn parse_without_key(head: &TomlTable<'_, '_>) -> Result<bool, DeclarationError> {
    match head.text("without_key")? {
        None | Some(("park", _)) => Ok(false),
        Some(("skip", _)) => Ok(true),
        Some((_, span)) => Err(head.error_at(span, "without_key is \"park\" or \"skip\"")),
    }
}

fn parse_fields(root: &TomlTable<'_, '_>) -> Result<Vec<DeclaredField>, DeclarationError> {
    let Some(table) = root.table("fields", "[fields]")? else {
        return Err(root.error("it needs [fields], such as channel = { kind = \"text\", indexed = true }"));
    };
    let fields = table.entries().map(|(name, item)| parse_field(&table, name, item));
    let fields = fields.collect::<Result<Vec<_>, _>>()?;
    if fields.len() > Definition::MAX_FIELDS {
        let message = format!("it has {} fields and the limit is {}", fields.len(), Definition::MAX_FIELDS);
        return Err(table.error(message));
    }
    Ok(fields)
}

fn parse_field<'t, 'i>(
    fields: &TomlTable<'t, 'i>,
    (name, span): Placed<'t>,
    item: Item<'t, 'i>,
) -> Result<DeclaredField, DeclarationError> {
    let name = FieldName::declared(name).map_err(|error| fields.error_at(span, error.to_string()))?;
    if let DeValue::String(_) = item.get_ref() {
        let kind = parse_kind(fields, fields.as_text("a field", item)?)?;
        return Ok(DeclaredField { name, kind, indexed: false, searchable: false });
    }
    let table = fields.as_table(item, "a field")?;
    table.only(&["kind", "indexed", "searchable"])?;
    let kind = parse_kind(&table, table.required("kind")?)?;
    let (indexed, searchable) = (table.flag("indexed")?, table.flag("searchable")?);
    let texts = matches!(kind, ValueKind::Field(FieldKind::Text | FieldKind::TextArray));
    if searchable && !texts {
        return Err(
            table.error(format!("field {name} is no text; only texts and arrays of texts are searchable"))
        );
    }
    if indexed && kind == ValueKind::Json {
        return Err(
            table.error(format!("field {name} is json, which is kept but never filtered by or indexed"))
        );
    }
    Ok(DeclaredField { name, kind, indexed, searchable })
}

fn parse_kind(table: &TomlTable<'_, '_>, (text, span): Placed<'_>) -> Result<ValueKind, DeclarationError> {
    let names = KINDS.map(|(name, _)| name);
    let kind = KINDS.iter().find(|(name, _)| *name == text).map(|(_, kind)| *kind);
    kind.ok_or_else(|| {
        let hint = hint(text, names);
        let hint = if hint.is_empty() { format!("; there are {}", names.join(", ")) } else { hint };
        table.error_at(span, format!("there is no kind {text:?}{hint}"))
    })
}

fn at_most<'t, 'i>(
    root: &TomlTable<'t, 'i>,
    key: &str,
    name: &'static str,
) -> Result<Vec<TomlTable<'t, 'i>>, DeclarationError> {
    let tables = root.tables(key, name)?;
    match tables.get(MAX_RULES) {
        Some(above) => Err(above.error(format!("there are more than {MAX_RULES} {name}"))),
        None => Ok(tables),
    }
}

fn parse_upcasts(root: &TomlTable<'_, '_>) -> Result<Vec<Upcast>, DeclarationError> {
    let mut upcasts: Vec<Upcast> = Vec::new();
    for table in at_most(root, "upcast", "[[upcast]]")? {
        let upcast = parse_upcast(&table)?;
        if upcasts.iter().any(|known| known.event_type == upcast.event_type && known.from == upcast.from) {
            let message = format!("{} from version {} is declared twice", upcast.event_type, upcast.from);
            return Err(table.error(message));
        }
        upcasts.push(upcast);
    }
    Ok(upcasts)
}

fn parse_upcast(table: &TomlTable<'_, '_>) -> Result<Upcast, DeclarationError> {
    table.only(&["type", "from", "rename", "default", "remove"])?;
    let (event_type, span) = table.required("type")?;
    EventType::new(event_type).map_err(|error| table.error_at(span, error.to_string()))?;
    let item =
        table.get("from").ok_or_else(|| table.error("[[upcast]] needs the version that it starts from"))?;
    let from = table.as_json(item)?.as_u64().and_then(|version| u32::try_from(version).ok());
    let from = from.filter(|version| *version > 0);
    let from = from.ok_or_else(|| table.error_at(item.span(), "from is a version, counted from 1"))?;
    let mut upcast = Upcast {
        event_type: event_type.to_owned(),
        from,
        renames: Vec::new(),
        defaults: Vec::new(),
        removes: Vec::new(),
    };
    if let Some(renames) = table.table("rename", "rename")? {
        for (from, to) in renames.entries() {
            let to = renames.as_text("rename", to)?;
            upcast.renames.push((pointer(&renames, from)?, pointer(&renames, to)?));
        }
    }
    if let Some(defaults) = table.table("default", "default")? {
        for (at, value) in defaults.entries() {
            upcast.defaults.push((pointer(&defaults, at)?, defaults.as_json(value)?));
        }
    }
    for at in table.texts("remove")? {
        upcast.removes.push(pointer(table, at)?);
    }
    if upcast.renames.is_empty() && upcast.defaults.is_empty() && upcast.removes.is_empty() {
        return Err(table.error("the upcast does nothing; give it rename, default or remove"));
    }
    Ok(upcast)
}

fn pointer(table: &TomlTable<'_, '_>, (text, span): Placed<'_>) -> Result<String, DeclarationError> {
    match steps(text) {
        Ok(path) if !path.is_empty() => Ok(text.to_owned()),
        Ok(_) => Err(table.error_at(span, "an upcast changes places within the payload, not all of it")),
        Err(message) => Err(table.error_at(span, message)),
    }
}
