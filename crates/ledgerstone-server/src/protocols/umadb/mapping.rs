//! What UmaDB's clients say, in the words of the store.

use ledgerstone::core::{
    AppendCondition, ContentType, EventData, EventType, IdSource, InvalidName, LogKind, Metadata, Position,
    Query, QueryItem, Tag,
};
use tonic::Status;
use uuid::Uuid;

use super::failure::invalid;
use super::unnamed_id::unnamed;
use super::{tracking, wire};

/// What payloads are that do not look like JSON.
const BYTES: &str = "application/octet-stream";

/// Turns a query; none matches every event.
pub(super) fn query(query: Option<wire::Query>) -> Result<Query, Status> {
    let items = query.unwrap_or_default().items;
    if items.len() > Query::MAX_ITEMS {
        let most = Query::MAX_ITEMS;
        return Err(invalid(format!("the query has {} items and the limit is {most}", items.len())));
    }
    let items = items.iter().map(query_item).collect::<Result<Vec<_>, _>>().map_err(invalid)?;
    Ok(Query::any_of(items))
}

fn query_item(item: &wire::QueryItem) -> Result<QueryItem, InvalidName> {
    Ok(QueryItem {
        stream: None,
        types: item.types.iter().map(EventType::new).collect::<Result<_, _>>()?,
        tags: item.tags.iter().map(Tag::new).collect::<Result<_, _>>()?,
    })
}

/// Turns a condition.
pub(super) fn condition(condition: wire::AppendCondition) -> Result<AppendCondition, Status> {
    let fail_if_match = query(condition.fail_if_events_match)?;
    Ok(AppendCondition { fail_if_match, after: Position(condition.after.unwrap_or(0)) })
}

/// Turns an event that is to be appended with `tracking`.
pub(super) fn event(
    event: wire::Event,
    tracking: Option<&wire::TrackingInfo>,
    ids: &dyn IdSource,
) -> Result<EventData, Status> {
    let id = match event.uuid.as_str() {
        "" => unnamed(ids.next_id()),
        text => Uuid::try_parse(text).map_err(|_| invalid(format!("{text:?} is no UUID")))?,
    };
    let event_type = EventType::new(&event.event_type).map_err(invalid)?;
    if event_type.log() == LogKind::System {
        let name = event_type.as_str();
        return Err(invalid(format!(
            "event type {name:?} begins with $ and belongs to the system; choose another"
        )));
    }
    let tags = event.tags.iter().map(Tag::new).collect::<Result<Vec<_>, _>>().map_err(invalid)?;
    let mut metadata = metadata(event.metadata)?;
    if let Some(tracking) = tracking {
        tracking::note(&mut metadata, tracking);
    }
    Ok(EventData {
        id,
        event_type,
        schema_version: 1,
        content_type: content_type(&event.data).map_err(invalid)?,
        payload: event.data,
        metadata,
        tags,
        subject: None,
        carries_state: false,
    })
}

fn metadata(given: Vec<wire::MetadataEntry>) -> Result<Metadata, Status> {
    let mut entries: Vec<(String, String)> = Vec::with_capacity(given.len());
    let mut seen = std::collections::HashSet::new();
    for entry in &given {
        if !seen.insert(entry.key.as_str()) {
            return Err(invalid(format!("metadata key {:?} stands twice; give it once", entry.key)));
        }
    }
    entries.extend(given.into_iter().map(|entry| (entry.key, entry.value)));
    Ok(Metadata { entries, ..Metadata::default() })
}

/// Tells what kind of bytes a payload is, as UmaDB does not say: what begins and ends as a JSON object or list
/// does is taken for JSON. Either comes back byte for byte.
fn content_type(data: &[u8]) -> Result<ContentType, InvalidName> {
    let is_json = matches!(data, [b'{', .., b'}'] | [b'[', .., b']']);
    if is_json { Ok(ContentType::json()) } else { ContentType::new(BYTES) }
}
