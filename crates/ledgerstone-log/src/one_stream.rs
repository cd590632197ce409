//! A small log of one stream, whose events are appended one by one, for tests.

use std::sync::Arc;

use ledgerstone_core::{
    EncodedEvent, EventData, EventType, LogKind, RecordedEvent, Revision, Stamp, StreamId, Tenant,
    TimeOrderedIds, Timestamp,
};
use uuid::Uuid;

use crate::appender::Appender;
use crate::failure::LogError;
use crate::group::NewEvent;
use crate::log::LogReader;
use crate::page::Page;
use crate::reader::Patience;
use crate::shared::Options;
use crate::tail::Entry;
use crate::terms::id_key;

/// Returns options by which three events or so fill a segment, and nothing happens on threads.
pub(crate) fn options() -> Options {
    let mut options = Options::new(Arc::new(TimeOrderedIds));
    options.segment_bytes = 600;
    options.background = false;
    options
}

/// Appends the next event of the one stream that there is.
pub(crate) fn append(reader: &LogReader, appender: &mut Appender) {
    append_sized(reader, appender, 90);
}

/// Does the same with an event whose payload has so many bytes.
pub(crate) fn append_sized(reader: &LogReader, appender: &mut Appender, bytes: usize) {
    let position = appender.written().application.next();
    let stream = StreamId::new("s-1").expect("a stream");
    let kind = EventType::new("Made").expect("a type");
    let event = EventData::json(Uuid::from_u128(position.0.into()), kind, vec![b'x'; bytes]);
    let mut encoded = EncodedEvent::new(&Tenant::default(), Some(&stream), &event, true, true);
    let (revision, recorded_at) =
        (Revision(position.0 - 1), Timestamp::from_micros(position.0.cast_signed()));
    encoded.stamp(Stamp { position, revision, recorded_at });
    let term = reader.hasher().stream(LogKind::Application, "", "s-1");
    let entry = Entry {
        log: LogKind::Application,
        position,
        id_key: id_key(event.id),
        stream: Some((term, revision.0)),
        terms: &[],
    };
    appender.begin();
    appender.event(NewEvent { entry, record: encoded.as_bytes() });
    appender.end(&Tenant::default(), Vec::new(), recorded_at);
    appender.commit().expect("committed");
}

/// Reads every event up to the head, in order or from the end.
pub(crate) fn read_all(reader: &LogReader, forwards: bool) -> Result<Vec<RecordedEvent>, LogError> {
    let (mut found, mut range) = (Vec::new(), Some((1, reader.heads().application.0)));
    while let Some((low, high)) = range {
        let mut page = Page::new(3, 400);
        let next =
            reader.read_stretch(LogKind::Application, low..=high, forwards, &mut page, Patience::Wait)?;
        found.extend(page.finish());
        range = next.map(|next| if forwards { (next, high) } else { (low, next) });
    }
    Ok(found)
}

/// Returns the positions of events.
pub(crate) fn positions(events: &[RecordedEvent]) -> Vec<u64> {
    events.iter().map(|event| event.position().0).collect()
}

/// Returns the positions that the index knows of the one stream.
pub(crate) fn indexed(reader: &LogReader) -> Vec<u64> {
    let term = reader.hasher().stream(LogKind::Application, "", "s-1");
    let (mut found, range) = (Vec::new(), (1, reader.heads().application.0));
    reader
        .index()
        .positions((LogKind::Application, term), range, true, usize::MAX / 2, Patience::Wait, &mut found)
        .expect("an index");
    found
}
