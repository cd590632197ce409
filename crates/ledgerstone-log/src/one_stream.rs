//! A small log of one stream, whose events are appended one by one, for tests.

use std::sync::Arc;

use ledgerstone_core::{
    EncodedEvent, EventData, EventType, LogKind, Revision, Stamp, StreamId, Tenant, TimeOrderedIds, Timestamp,
};
use uuid::Uuid;

use crate::appender::Appender;
use crate::group::NewEvent;
use crate::log::LogReader;
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
    let position = appender.written().application.next();
    let stream = StreamId::new("s-1").expect("a stream");
    let kind = EventType::new("Made").expect("a type");
    let event = EventData::json(Uuid::from_u128(position.0.into()), kind, vec![b'x'; 90]);
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
