//! `ledgerstone read-models query`: documents by filter, order and page.

use clap::Args;
use ledgerstone::core::{
    Code, CollectionName, Document, ErrorKind, Field, FieldKind, FieldName, Filter, OrderBy, SelectJson,
    nearest,
};
use serde_json::Value;

use super::Session;
use super::read_models::count;
use super::streams::cell;
use crate::compose::Access;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::json_words::told;
use crate::output::grouped;
use crate::progress_bar::ProgressBar;
use crate::read_model_desk::ReadModelDesk;
use crate::read_model_watch::number;

/// Read documents by filter, order and page.
#[derive(Debug, Args)]
pub(super) struct Query {
    /// The read model
    name: CollectionName,
    /// Where the field has this value, or the array this element; all of several must hold
    #[arg(long = "where", value_name = "FIELD=VALUE")]
    equal: Vec<String>,
    /// A filter as JSON, such as '{"range":{"field":"age","from":18}}'
    #[arg(long, value_name = "JSON")]
    filter: Option<String>,
    /// Where all these words occur in the searchable fields
    #[arg(long, value_name = "WORDS")]
    search: Option<String>,
    /// Sort by these fields; - before one turns it around
    #[arg(long, value_name = "FIELD,-FIELD", allow_hyphen_values = true, value_delimiter = ',')]
    sort: Vec<String>,
    /// So many documents in a page
    #[arg(long, value_name = "COUNT", default_value_t = 50)]
    size: usize,
    /// Go on where an earlier page ended
    #[arg(long, value_name = "CURSOR")]
    cursor: Option<String>,
    /// Every page
    #[arg(long, conflicts_with = "cursor")]
    all: bool,
    /// Count only
    #[arg(long)]
    count: bool,
    /// Answer from what is there, without applying newer events first
    #[arg(long)]
    as_it_is: bool,
}

impl Query {
    pub(super) async fn run(self, session: &mut Session) -> Result<Exit, Failure> {
        let opened = session.open(Access::Read).await?;
        let desk = ReadModelDesk::of(&opened, session.tenant()).await?;
        self.answer(&desk, session).await.map(|()| Exit::Done)
    }

    async fn answer(&self, desk: &ReadModelDesk, session: &mut Session) -> Result<(), Failure> {
        let status = desk.status(&self.name).await?;
        let fields = fields(&status);
        if !self.as_it_is {
            let bar = ProgressBar::count(&session.output, "catching up", None);
            desk.catch_up(&self.name, &bar).await?;
        }
        if number(&status, "lag") > 0 {
            remark_lag(session, &desk.status(&self.name).await?);
        }
        let mut select = SelectJson {
            filter: self.to_filter(&fields)?,
            order: self.order()?,
            size: Some(self.size),
            cursor: self.cursor.clone(),
            ..SelectJson::default()
        };
        if self.count {
            let counted = desk.count(&self.name, select).await?;
            return if session.output.json {
                session.output.document(&count(counted))
            } else {
                session.output.line(counted)
            };
        }
        let mut documents = Vec::new();
        loop {
            let page = desk.query(&self.name, select.clone()).await?;
            if session.output.json {
                page.documents.iter().try_for_each(|document| session.output.document(document))?;
            } else {
                documents.extend(page.documents);
            }
            select.cursor = page.next;
            if !self.all || select.cursor.is_none() {
                break;
            }
        }
        if !session.output.json {
            table(session, &fields, &documents)?;
        }
        if let Some(cursor) = select.cursor {
            if session.output.json {
                session.output.document(&serde_json::json!({ "next": cursor }))?;
            } else {
                session.output.remark(format!("more with --cursor {cursor}"));
            }
        }
        Ok(())
    }

    fn to_filter(&self, fields: &[Field]) -> Result<Filter, Failure> {
        let mut filters =
            self.equal.iter().map(|text| equality(text, fields)).collect::<Result<Vec<_>, _>>()?;
        if let Some(json) = &self.filter {
            let filter = serde_json::from_str(json).map_err(|error| {
                Failure::usage(format!("the filter is not valid: {}", told(&error)))
                    .with_help("write it like '{\"eq\":{\"field\":\"status\",\"value\":\"active\"}}'")
            })?;
            filters.push(filter);
        }
        if let Some(words) = &self.search {
            check_searchable(&self.name, fields)?;
            filters.push(Filter::Matches { field: None, text: words.clone() });
        }
        Ok(match filters.len() {
            0 => Filter::All,
            1 => filters.remove(0),
            _ => Filter::And(filters),
        })
    }

    fn order(&self) -> Result<Vec<OrderBy>, Failure> {
        let order = self.sort.iter().map(|name| {
            let field = name.strip_prefix('-');
            Ok(OrderBy { field: FieldName::new(field.unwrap_or(name))?, descending: field.is_some() })
        });
        order.collect()
    }
}

/// Says that newer events are missing from the answer, if some are.
fn remark_lag(session: &Session, status: &Value) {
    let lag = number(status, "lag");
    if lag > 0 {
        let never = status.get("checkpoint").is_none_or(Value::is_null);
        let filled = if never { "not filled yet" } else { "not up to date" };
        let events = if lag == 1 { "event" } else { "events" };
        session.output.remark(format!("{filled}: {} {events} behind", grouped(lag)));
    }
}

/// Refuses a search where nothing is searchable, with what makes it so.
fn check_searchable(name: &CollectionName, fields: &[Field]) -> Result<(), Failure> {
    if fields.iter().any(|field| field.searchable) {
        return Ok(());
    }
    let texts = fields.iter().filter(|field| matches!(field.kind, FieldKind::Text | FieldKind::TextArray));
    let texts: Vec<_> = texts.map(|field| field.name.as_str()).collect();
    let texts = if texts.is_empty() { "a text field".to_owned() } else { texts.join(", ") };
    Err(Failure::new(ErrorKind::Invalid, Code::InvalidFilter, format!("{name} has no searchable field"))
        .with_help(format!("declare it anew with searchable = true for {texts}, or use --where FIELD=VALUE")))
}

fn fields(status: &Value) -> Vec<Field> {
    status.get("fields").and_then(|fields| serde_json::from_value(fields.clone()).ok()).unwrap_or_default()
}

/// Makes a filter of `field=value`, the value read as the field's type says; an empty one is null.
fn equality(text: &str, fields: &[Field]) -> Result<Filter, Failure> {
    let Some((name, value)) = text.split_once('=') else {
        return Err(Failure::usage(format!("--where {text:?} is not FIELD=VALUE")));
    };
    let Some(field) = fields.iter().find(|field| field.name.as_str() == name) else {
        let names: Vec<_> = fields.iter().map(|field| field.name.as_str()).collect();
        let hint = match nearest(name, names.iter().copied()) {
            Some(nearest) => format!("did you mean {nearest}?"),
            None => format!("there are {}", names.join(", ")),
        };
        let message = format!("there is no field {name:?}; {hint}");
        return Err(Failure::new(ErrorKind::Invalid, Code::InvalidFilter, message));
    };
    let invalid = |what: &str| Failure::usage(format!("--where {name}: {value:?} is not {what}"));
    let read = match field.kind {
        FieldKind::TextArray => {
            return Ok(Filter::Contains { field: field.name.clone(), value: value.to_owned() });
        }
        _ if value.is_empty() => Value::Null,
        FieldKind::Text | FieldKind::Time => Value::from(value),
        FieldKind::Integer => Value::from(value.parse::<i64>().map_err(|_| invalid("a whole number"))?),
        FieldKind::Number => Value::from(value.parse::<f64>().map_err(|_| invalid("a number"))?),
        FieldKind::Boolean => Value::from(value.parse::<bool>().map_err(|_| invalid("true or false"))?),
    };
    Ok(Filter::Eq { field: field.name.clone(), value: read })
}

fn table(session: &mut Session, fields: &[Field], documents: &[Document]) -> Result<(), Failure> {
    let head: Vec<&str> =
        std::iter::once("KEY").chain(fields.iter().map(|field| field.name.as_str())).collect();
    let rows: Vec<Vec<String>> = documents
        .iter()
        .map(|document| {
            let cells = fields.iter().map(|field| cell(document.body.get(field.name.as_str())));
            std::iter::once(document.key.as_str().to_owned()).chain(cells).collect()
        })
        .collect();
    session.output.table(&head, &rows)
}
