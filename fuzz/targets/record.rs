//! The record of an event, sound but for some bytes: what is parsed can be looked at, and what is trusted too.

#![no_main]

use bytes::Bytes;
use ledgerstone_core::{
    EncodedEvent, EventData, EventJson, EventType, RecordedEvent, StreamId, SubjectId, Tag, Tenant,
};

fn sound() -> Option<Vec<u8>> {
    let mut event = EventData::json(Default::default(), EventType::new("Made").ok()?, "{\"a\":1}");
    event.tags = vec![Tag::new("red").ok()?, Tag::new("seat:1").ok()?];
    event.subject = SubjectId::new("somebody").ok();
    event.metadata.source = Some("crm".to_owned());
    event.metadata.entries = vec![("k".to_owned(), "v".to_owned())];
    let (tenant, stream) = (Tenant::new("acme").ok()?, StreamId::new("a-1").ok()?);
    Some(EncodedEvent::new(&tenant, Some(&stream), &event, true, true).as_bytes().to_vec())
}

fn look_at(event: &RecordedEvent) {
    let _ = (event.tenant(), event.stream(), event.event_type(), event.content_type(), event.subject());
    let _ = (event.tags().count(), event.has_tag("a"), event.has_tag("$source:a"), event.category());
    let _ = (event.metadata(), event.payload(), event.payload_bytes(), event.occurred_at(), event.to_data());
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some((first, rest)) = data.split_first() else { return };
    let mut bytes = rest.to_vec();
    if first % 2 == 0 {
        bytes = sound().unwrap_or_default();
        for edit in rest.chunks_exact(3) {
            let at = usize::from(u16::from_le_bytes([edit[0], edit[1]])) % bytes.len().max(1);
            bytes[at] = edit[2];
        }
    }
    let bytes = Bytes::from(bytes);
    look_at(&RecordedEvent::trusted(bytes.clone()));
    if let Ok(event) = RecordedEvent::parse(bytes) {
        look_at(&event);
        let _ = EventJson::recorded(&event);
    }
});
