//! Handlers that read documents as the document store has them.

use std::time::Duration;

use axum::extract::{FromRequestParts, State};
use axum::http::Uri;
use axum::http::request::Parts;
use ledgerstone::core::{
    Code, Collection, CollectionName, CollectionRef, Document, DocumentKey, DocumentPageJson, ErrorKind,
    Field, FieldKind, FieldName, Filter, KeysJson, LogPoint, OrderBy, Problem, Select, SelectJson,
};
use ledgerstone::http::Failure;
use serde::Serialize;
use serde_json::Value;

use crate::api::answer::{Answered, json};
use crate::api::call::Call;
use crate::api::json_body::JsonBody;
use crate::api::log::wait;
use crate::api::parameters::{Parameters, refused, unknown};
use crate::api::path_names::{ReadModelName, named};
use crate::api::point::{check_position, read_position};
use crate::api::route::{Kind, Parameter, parameter};
use crate::api::state::Api;
use crate::json_words::told;

/// How long a request waits for a read model unless it says otherwise.
const PATIENCE: Duration = Duration::from_secs(5);

const AT_LEAST: Parameter = parameter(
    "at_least",
    Kind::Text,
    "wait until the read model has seen this position, or the point of an append",
);
const TIMEOUT: Parameter =
    parameter("timeout", Kind::Whole, "how many seconds to wait at most; 5 unless given, 30 at most");

/// What reads of a document and of many take.
pub(crate) const FRESH: &[Parameter] = &[AT_LEAST, TIMEOUT];

/// What `GET /v1/read-models/{name}` takes besides the names of fields.
pub(crate) const BROWSE: &[Parameter] = &[
    parameter("filter", Kind::Json, "a filter, such as {\"eq\":{\"field\":\"status\",\"value\":\"active\"}}"),
    parameter(
        "sort",
        Kind::Text,
        "fields by which to sort, with commas between; - before one turns it around",
    ),
    parameter("search", Kind::Text, "words that must all occur in the searchable fields"),
    parameter("size", Kind::Whole, "at most so many documents"),
    parameter("cursor", Kind::Text, "the next of an earlier page"),
    AT_LEAST,
    TIMEOUT,
];

/// A document's key in a path.
#[derive(Debug)]
pub(crate) struct KeyName(DocumentKey);

impl<S: Send + Sync> FromRequestParts<S> for KeyName {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        Ok(Self(DocumentKey::new(named(parts, state, "key").await?)?))
    }
}

#[derive(Serialize)]
struct Catalogue {
    collections: Vec<Collection>,
}

/// Answers every generation of every collection.
pub(crate) async fn catalogue(State(api): State<Api>, uri: Uri) -> Answered {
    Parameters::of(&uri, &[])?;
    json(&Catalogue { collections: api.app.documents.alter(Vec::new()).await? })
}

/// Answers a page of documents, as the parameters describe it.
pub(crate) async fn browse(
    State(api): State<Api>,
    ReadModelName(name): ReadModelName,
    uri: Uri,
    call: Call,
) -> Answered {
    let given = Parameters::any(&uri)?;
    let mut filters = Vec::new();
    filters.extend(
        given.read("filter", |text| serde_json::from_str::<Filter>(text).map_err(|error| told(&error)))?,
    );
    if let Some(text) = given.one("search")? {
        filters.push(Filter::Matches { field: None, text: text.to_owned() });
    }
    filters.extend(equalities(&api, &name, &given).await?);
    let filter = match filters.len() {
        0 => Filter::All,
        1 => filters.remove(0),
        _ => Filter::And(filters),
    };
    fresh(&api, &name, &given).await?;
    let select = Select {
        collection: name.into(),
        tenant: call.scope(),
        filter,
        order: given.read("sort", read_order)?.unwrap_or_default(),
        size: given
            .number("size")?
            .map_or(Select::DEFAULT_SIZE, |size| usize::try_from(size).unwrap_or(usize::MAX)),
        cursor: given.one("cursor")?.map(str::to_owned),
    };
    page(&api, select).await
}

/// Answers a page of documents.
pub(crate) async fn query(
    State(api): State<Api>,
    ReadModelName(name): ReadModelName,
    uri: Uri,
    call: Call,
    JsonBody(select): JsonBody<SelectJson>,
) -> Answered {
    fresh(&api, &name, &Parameters::of(&uri, FRESH)?).await?;
    page(&api, select.into_select(name, call.scope())).await
}

async fn page(api: &Api, select: Select) -> Answered {
    json(&DocumentPageJson::from(api.app.documents.query(select).await?))
}

#[derive(Serialize)]
struct Count {
    count: u64,
}

/// Counts documents.
pub(crate) async fn count(
    State(api): State<Api>,
    ReadModelName(name): ReadModelName,
    uri: Uri,
    call: Call,
    JsonBody(select): JsonBody<SelectJson>,
) -> Answered {
    fresh(&api, &name, &Parameters::of(&uri, FRESH)?).await?;
    if select.size.is_some() || select.cursor.is_some() || !select.order.is_empty() {
        return Err(Problem::invalid("a count takes a filter only; leave order, size and cursor out").into());
    }
    let collection = CollectionRef::new(name, select.definition);
    let count = api.app.documents.count(&collection, &call.scope(), &select.filter).await?;
    json(&Count { count })
}

/// Answers one document.
pub(crate) async fn document(
    State(api): State<Api>,
    ReadModelName(name): ReadModelName,
    KeyName(key): KeyName,
    uri: Uri,
    call: Call,
) -> Answered {
    fresh(&api, &name, &Parameters::of(&uri, FRESH)?).await?;
    let keys = std::slice::from_ref(&key);
    let found = api.app.documents.get(&name.clone().into(), &call.tenant, keys).await?;
    match found.into_iter().next().flatten() {
        Some(document) => json(&document),
        None => Err(Problem::not_found(format!("{name} has no document {key}")).into()),
    }
}

#[derive(Serialize)]
struct Documents {
    documents: Vec<Option<Document>>,
}

/// Answers many documents by key, in the order of the keys.
pub(crate) async fn documents(
    State(api): State<Api>,
    ReadModelName(name): ReadModelName,
    uri: Uri,
    call: Call,
    JsonBody(asked): JsonBody<KeysJson>,
) -> Answered {
    fresh(&api, &name, &Parameters::of(&uri, FRESH)?).await?;
    let most = api.app.documents.capabilities().page_size;
    if asked.keys.len() > most {
        let detail = format!("{} keys are above the limit of {most}; ask in parts", asked.keys.len());
        return Err(Problem::new(ErrorKind::Invalid, Code::TooLarge, detail).into());
    }
    let collection = CollectionRef::new(name, asked.definition);
    json(&Documents { documents: api.app.documents.get(&collection, &call.tenant, &asked.keys).await? })
}

/// Waits until the read model has seen what the caller needs.
async fn fresh(api: &Api, name: &CollectionName, given: &Parameters<'_>) -> Result<(), Failure> {
    let timeout = wait(given, "timeout")?.unwrap_or(PATIENCE);
    let Some(text) = given.one("at_least")? else { return Ok(()) };
    let position = read_position(api, "at_least", text).await?;
    let head = api.app.events.head().await?;
    check_position(&head, ledgerstone::core::LogKind::Application, position)?;
    let point = LogPoint { log: head.log, position };
    crate::api::read_models::wait_for(api, name, point, timeout).await
}

fn read_order(text: &str) -> Result<Vec<OrderBy>, ledgerstone::core::InvalidName> {
    let fields = text.split(',').map(str::trim).filter(|field| !field.is_empty());
    let order = fields.map(|field| {
        let (descending, field) = match field.strip_prefix('-') {
            Some(field) => (true, field),
            None => (false, field),
        };
        Ok(OrderBy { field: FieldName::new(field)?, descending })
    });
    order.collect()
}

/// Reads parameters that are names of fields as plain equality, each value by the type of its field.
async fn equalities(
    api: &Api,
    name: &CollectionName,
    given: &Parameters<'_>,
) -> Result<Vec<Filter>, Failure> {
    let others: Vec<_> = given.unknown(BROWSE).collect();
    if others.is_empty() {
        return Ok(Vec::new());
    }
    let collections = api.app.documents.alter(Vec::new()).await?;
    let live = collections.iter().find(|collection| {
        collection.definition.id.name == *name && collection.state == ledgerstone::core::CollectionState::Live
    });
    // Without a collection there are no fields, and the query itself says what is wrong.
    let Some(live) = live else { return Ok(Vec::new()) };
    let fields = &live.definition.fields;
    let equality = |(name, value): (&str, &str)| match fields.iter().find(|field| field.name.as_str() == name)
    {
        Some(field) => equality(field, value),
        None => {
            let known = BROWSE.iter().map(|parameter| parameter.name);
            Err(unknown(name, fields.iter().map(|field| field.name.as_str()).chain(known)))
        }
    };
    others.into_iter().map(equality).collect()
}

fn equality(field: &Field, text: &str) -> Result<Filter, Failure> {
    let name = field.name.clone();
    let invalid = |what: &str| refused(field.name.as_str(), format!("{text:?} is not {what}"));
    let value = match field.kind {
        FieldKind::TextArray => return Ok(Filter::Contains { field: name, value: text.to_owned() }),
        FieldKind::Text | FieldKind::Time => Value::from(text),
        FieldKind::Integer => Value::from(text.parse::<i64>().map_err(|_| invalid("a whole number"))?),
        FieldKind::Number => Value::from(text.parse::<f64>().map_err(|_| invalid("a number"))?),
        FieldKind::Boolean => Value::from(text.parse::<bool>().map_err(|_| invalid("true or false"))?),
    };
    Ok(Filter::Eq { field: name, value })
}
