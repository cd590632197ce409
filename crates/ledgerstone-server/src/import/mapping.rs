//! Mappings: which column of a CSV file becomes which part of an event.

use ledgerstone::core::nearest;

use super::convert::ColumnType;
use crate::failure::Failure;

/// The parts of an event that a column can be mapped to.
const TARGETS: [&str; 10] =
    ["stream", "type", "time", "id", "tags", "data", "subject", "correlation", "actor", "source"];

/// A mapping as the command line gives it, not yet looked up in a header.
#[derive(Debug, Clone, Default)]
pub struct MappingArguments {
    /// `TARGET=COLUMN`, several columns with commas for `tags` and `data`.
    pub map: Vec<String>,
    /// `COLUMN=TYPE,…`.
    pub types: Vec<String>,
}

/// A column by its place and its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Column {
    pub(super) at: usize,
    pub(super) name: String,
    pub(super) kind: ColumnType,
}

/// A mapping onto the columns of a certain header.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Mapping {
    pub(super) stream: Option<Column>,
    pub(super) event_type: Option<Column>,
    pub(super) time: Option<Column>,
    pub(super) id: Option<Column>,
    pub(super) subject: Option<Column>,
    pub(super) correlation: Option<Column>,
    pub(super) actor: Option<Column>,
    pub(super) source: Option<Column>,
    pub(super) tags: Vec<Column>,
    pub(super) data: Vec<Column>,
    /// The places of all columns in the order of their names, in which rows are compared.
    pub(super) by_name: Vec<usize>,
}

impl Mapping {
    /// Looks the columns up in a header.
    pub(super) fn resolve(arguments: &MappingArguments, header: &[String]) -> Result<Self, Failure> {
        check_header(header)?;
        let mut mapping = Self::default();
        let mut mapped = Vec::new();
        let mut data_named = false;
        for argument in &arguments.map {
            let (target, columns) = split_map(argument)?;
            let columns = find_columns(columns, header, matches!(target, "tags" | "data"), argument)?;
            match target {
                "tags" => mapping.tags.extend(columns.iter().cloned()),
                "data" => {
                    data_named = true;
                    mapping.data.extend(columns.iter().cloned());
                }
                single => mapping.set(single, columns.first().cloned())?,
            }
            mapped.extend(columns.iter().map(|column| column.at));
        }
        mapping.require(header)?;
        if !data_named {
            let rest = header.iter().enumerate().filter(|(at, _)| !mapped.contains(at));
            mapping.data = rest.map(|(at, name)| column(at, name)).collect();
        }
        mapping.set_types(&arguments.types, header)?;
        let mut by_name: Vec<usize> = (0..header.len()).collect();
        by_name.sort_by_key(|at| header.get(*at));
        mapping.by_name = by_name;
        Ok(mapping)
    }

    fn set(&mut self, target: &str, column: Option<Column>) -> Result<(), Failure> {
        let slot = match target {
            "stream" => &mut self.stream,
            "type" => &mut self.event_type,
            "time" => &mut self.time,
            "id" => &mut self.id,
            "subject" => &mut self.subject,
            "correlation" => &mut self.correlation,
            "actor" => &mut self.actor,
            _ => &mut self.source,
        };
        if slot.is_some() {
            return Err(Failure::usage(format!("--map {target}=… is given twice; one column will do")));
        }
        *slot = column;
        Ok(())
    }

    fn require(&self, header: &[String]) -> Result<(), Failure> {
        for (target, column) in [("stream", &self.stream), ("type", &self.event_type)] {
            if column.is_none() {
                let columns = header.join(", ");
                let message = format!("--map {target}=COLUMN is missing; the columns are: {columns}");
                return Err(Failure::usage(message).with_help(
                    "name the columns that stream and type come from, such as --map stream=case:concept:name \
                     --map type=concept:name",
                ));
            }
        }
        Ok(())
    }

    fn set_types(&mut self, types: &[String], header: &[String]) -> Result<(), Failure> {
        for pair in types.iter().flat_map(|list| list.split(',')).filter(|pair| !pair.is_empty()) {
            let (name, kind) = pair.rsplit_once('=').unwrap_or((pair, ""));
            let Some(kind) = ColumnType::parse(kind.trim()) else {
                let names: Vec<_> = ColumnType::NAMES.iter().map(|(name, _)| *name).collect();
                let message = format!("--types {pair:?}: write COLUMN=TYPE with one of {}", names.join(", "));
                return Err(Failure::usage(message));
            };
            let at = find_column(name, header, "--types")?;
            let Some(column) = self.data.iter_mut().find(|column| column.at == at) else {
                let message = format!("--types {name}: the column is not part of the data");
                return Err(
                    Failure::usage(message).with_help("add it with --map data=…, or leave the type out")
                );
            };
            column.kind = kind;
        }
        Ok(())
    }
}

fn column(at: usize, name: &str) -> Column {
    Column { at, name: name.to_owned(), kind: ColumnType::Text }
}

fn check_header(header: &[String]) -> Result<(), Failure> {
    for (at, name) in header.iter().enumerate() {
        if header.iter().take(at).any(|earlier| earlier == name) {
            let message = format!("the header has the column {name:?} twice");
            return Err(Failure::usage(message).with_help("give every column a name of its own"));
        }
    }
    Ok(())
}

/// Splits at the first `=`: names of columns may contain more of them.
fn split_map(argument: &str) -> Result<(&'static str, &str), Failure> {
    let (target, columns) = argument.split_once('=').unwrap_or((argument, ""));
    let known = TARGETS.iter().copied().find(|known| *known == target.trim());
    match known {
        Some(target) if !columns.is_empty() => Ok((target, columns)),
        Some(target) => Err(Failure::usage(format!("--map {target}= names no column"))),
        None => {
            let hint = match nearest(target, TARGETS) {
                Some(nearest) => format!("did you mean {nearest}?"),
                None => format!("write one of {}", TARGETS.join(", ")),
            };
            Err(Failure::usage(format!("--map {argument:?}: unknown target {target:?}; {hint}")))
        }
    }
}

fn find_columns(
    names: &str,
    header: &[String],
    several: bool,
    argument: &str,
) -> Result<Vec<Column>, Failure> {
    // A name may contain a comma itself.
    let is_one = !several || header.iter().any(|name| name == names);
    let names: Vec<&str> = if is_one { vec![names] } else { names.split(',').collect() };
    let found = names.into_iter().map(|name| {
        let at = find_column(name, header, &format!("--map {argument}"))?;
        Ok(column(at, header.get(at).map_or("", String::as_str)))
    });
    found.collect()
}

fn find_column(name: &str, header: &[String], place: &str) -> Result<usize, Failure> {
    let found = header.iter().position(|known| known == name);
    found.or_else(|| header.iter().position(|known| known == name.trim())).ok_or_else(|| {
        let hint = match nearest(name, header.iter().map(String::as_str)) {
            Some(nearest) => format!("did you mean {nearest:?}?"),
            None => format!("the columns are: {}", header.join(", ")),
        };
        Failure::usage(format!("{place}: there is no column {name:?}; {hint}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> Vec<String> {
        ["case:concept:name", "concept:name", "time:timestamp", "a,b", "amount", "org group"]
            .map(str::to_owned)
            .to_vec()
    }

    fn arguments(map: &[&str], types: &[&str]) -> MappingArguments {
        let own = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        MappingArguments { map: own(map), types: own(types) }
    }

    fn refused(map: &[&str], types: &[&str]) -> String {
        Mapping::resolve(&arguments(map, types), &header()).expect_err("refused").to_string()
    }

    #[test]
    fn colons_commas_and_spaces_in_names_do_no_harm() {
        let arguments = arguments(
            &["stream=case:concept:name", "type=concept:name", "time=time:timestamp", "tags=a,b"],
            &["amount=number"],
        );
        let mapping = Mapping::resolve(&arguments, &header()).expect("a mapping");
        assert_eq!(mapping.stream.map(|column| column.at), Some(0));
        assert_eq!(mapping.event_type.map(|column| column.at), Some(1));
        assert_eq!(mapping.tags.len(), 1);
        let data: Vec<_> = mapping.data.iter().map(|column| (column.name.as_str(), column.kind)).collect();
        assert_eq!(data, [("amount", ColumnType::Number), ("org group", ColumnType::Text)]);
    }

    #[test]
    fn named_data_is_all_the_data() {
        let map = ["stream=case:concept:name", "type=concept:name", "data=org group,amount"];
        let mapping = Mapping::resolve(&arguments(&map, &[]), &header()).expect("a mapping");
        assert_eq!(mapping.data.iter().map(|column| column.at).collect::<Vec<_>>(), [5, 4]);
    }

    #[test]
    fn mistakes_name_the_nearest() {
        let both = ["stream=case:concept:name", "type=concept:name"];
        assert!(refused(&["stream=case:concept:nam"], &[]).contains("\"case:concept:name\"?"));
        assert!(refused(&["strem=concept:name"], &[]).contains("did you mean stream?"));
        assert!(refused(&["stream=case:concept:name"], &[]).contains("--map type=COLUMN is missing"));
        assert!(refused(&both, &["amount=float"]).contains("integer"));
        assert!(refused(&both, &["amout=integer"]).contains("\"amount\"?"));
        assert!(refused(&["stream=a,b", "stream=amount"], &[]).contains("twice"));
    }
}
