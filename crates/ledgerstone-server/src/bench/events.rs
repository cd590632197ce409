//! The events that every benchmark appends: 256 bytes of JSON, about 80 bytes of metadata.

use ledgerstone::core::{
    Append, Batch, EventData, EventType, ExpectedRevision, InvalidName, Metadata, StreamId,
};
use uuid::Uuid;

/// Makes an event with a random id, 256 bytes of JSON and about 80 bytes of metadata.
pub fn bench_event() -> Result<EventData, InvalidName> {
    let id = Uuid::new_v4();
    let mut payload = format!(r#"{{"order":"{id}","amount":1995,"note":""#);
    payload.extend(std::iter::repeat_n('x', 254_usize.saturating_sub(payload.len())));
    payload.push_str("\"}");
    let mut event = EventData::json(id, EventType::new("OrderPlaced")?, payload);
    event.metadata = Metadata {
        correlation: Some(id.simple().to_string()),
        source: Some("bench".to_owned()),
        actor: Some("somebody-who-places-orders".to_owned()),
        ..Metadata::default()
    };
    Ok(event)
}

/// Names one of the benchmark's streams.
pub fn bench_stream(number: u64) -> Result<StreamId, InvalidName> {
    StreamId::new(format!("order-{number:08}"))
}

/// Makes a batch of `events` new events for one stream.
pub fn bench_batch(stream: u64, expected: ExpectedRevision, events: usize) -> Result<Batch, InvalidName> {
    let events = (0..events).map(|_| bench_event()).collect::<Result<_, _>>()?;
    Ok(Batch::of(Append::to(bench_stream(stream)?, expected, events)))
}
