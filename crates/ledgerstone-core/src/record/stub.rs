//! Stubs: what scavenging leaves of a removed event, so that no answer changes when its room is reclaimed.

use super::{
    BATCH_FIRST, BATCH_LAST, HEADER, NO_OFFSET, RecordedEvent, SHORT_HEADER, STATE, STREAM, STUB, SYSTEM,
    encode_metadata, len16, len32, put_u16, set,
};
use crate::metadata::Metadata;
use crate::tag::outlives_removal;

impl RecordedEvent {
    /// Returns the stub of the event: its place, its id, its stream, and how it stood in its batch.
    ///
    /// That is what positions, revisions, holes and repeated appends are told by. Of an event with a tag that holds
    /// a value or releases one, whatever a condition can ask for stays too: type, tags, source and correlation. The payload, the
    /// rest of the metadata and the subject are gone. The stub of a stub is itself.
    #[must_use]
    pub fn stub(&self) -> Self {
        let holds = self.tags().any(outlives_removal);
        let header = if self.is_short() { SHORT_HEADER } else { HEADER };
        let mut bytes = Vec::with_capacity(header + 64);
        bytes.extend_from_slice(self.as_bytes().get(..header).unwrap_or(&[0; HEADER]));
        let kind = if holds { self.event_type() } else { "" };
        let texts = [self.tenant(), self.stream().unwrap_or_default(), kind];
        for text in texts {
            bytes.extend_from_slice(text.as_bytes());
        }
        let (tags_at, mut tags) = (bytes.len(), 0);
        for tag in self.tags().filter(|_| holds) {
            put_u16(&mut bytes, tag.len());
            bytes.extend_from_slice(tag.as_bytes());
            tags += 1;
        }
        let metadata_at = bytes.len();
        if holds {
            let owned = |text: &str| text.to_owned();
            let (source, correlation) = (self.source().map(owned), self.correlation().map(owned));
            let metadata = Metadata { source, correlation, ..Metadata::default() };
            encode_metadata(&mut bytes, &metadata, self.is_short());
        }
        let total = bytes.len();
        let flags = self.as_bytes().get(5).copied().unwrap_or_default();
        let kept = flags & (STREAM | SYSTEM | STATE | BATCH_FIRST | BATCH_LAST);
        set(&mut bytes, 0, &len32(total));
        set(&mut bytes, 5, &[kept | STUB]);
        set(&mut bytes, 6, &len16(tags));
        let lengths = (metadata_at - tags_at, total - metadata_at);
        let set_lengths = if self.is_short() { set_short_lengths } else { set_long_lengths };
        set_lengths(&mut bytes, texts.map(str::len), lengths);
        Self::trusted(bytes.into())
    }
}

/// Puts the lengths of tenant, stream and type, and of tags and metadata, into a short record.
fn set_short_lengths(
    record: &mut [u8],
    [tenant, stream, kind]: [usize; 3],
    (tags, metadata): (usize, usize),
) {
    // They are parts of what was short already.
    let byte = |length: usize| u8::try_from(length).unwrap_or(u8::MAX);
    set(record, 50, &[byte(tenant), byte(kind)]);
    set(record, 52, &len16(stream));
    set(record, 54, &[0, 0]);
    set(record, 56, &len16(tags));
    set(record, 58, &len16(metadata));
}

/// Puts the same into a long record, which says besides that it has not occurred, and no payload.
fn set_long_lengths(record: &mut [u8], [tenant, stream, kind]: [usize; 3], (tags, metadata): (usize, usize)) {
    for (index, length) in [tenant, stream, kind, 0, 0].into_iter().enumerate() {
        set(record, 64 + 2 * index, &len16(length));
    }
    set(record, 32, &[0; 8]);
    set(record, 40, &NO_OFFSET.to_le_bytes());
    set(record, 76, &len32(tags));
    set(record, 80, &len32(metadata));
    set(record, 84, &[0; 4]);
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::event::{EventData, EventType, SubjectId};
    use crate::position::Position;
    use crate::query::{Query, QueryItem};
    use crate::record::{EncodedEvent, RecordLayout, Stamp};
    use crate::stream::{Revision, StreamId};
    use crate::tag::Tag;
    use crate::tenant::Tenant;
    use crate::timestamp::{OffsetTime, Timestamp};

    const LAYOUTS: [RecordLayout; 2] = [RecordLayout::Long, RecordLayout::Short];

    fn recorded(tags: Vec<Tag>, layout: RecordLayout) -> RecordedEvent {
        let kind = EventType::new("AccountOpened").expect("a type");
        let mut event = EventData::json(Uuid::from_u128(7), kind, vec![b'x'; 1000]);
        event.tags = tags;
        event.subject = SubjectId::new("ada").ok();
        event.metadata.source = Some("shop".to_owned());
        event.metadata.correlation = Some("c-1".to_owned());
        event.metadata.actor = Some("ada".to_owned());
        event.carries_state = true;
        let tenant = Tenant::new("acme").expect("a tenant");
        let stream = StreamId::new("account-1").expect("a stream");
        event.metadata.occurred_at = Some(OffsetTime::utc(Timestamp::from_micros(5)));
        let mut bytes = Vec::new();
        EncodedEvent::put(&mut bytes, &tenant, Some(&stream), &event, (true, false), layout);
        let recorded_at = Timestamp::from_micros(99);
        Stamp { position: Position(12), revision: Revision(3), recorded_at }.put(&mut bytes);
        RecordedEvent::parse(bytes.into()).expect("a sound record")
    }

    #[test]
    fn a_stub_keeps_the_place_and_the_id_and_loses_the_rest() {
        for layout in LAYOUTS {
            keeps_the_place(layout);
        }
    }

    fn keeps_the_place(layout: RecordLayout) {
        let event = recorded(vec![Tag::new("vip").expect("a tag")], layout);
        let stub = event.stub();
        RecordedEvent::parse(stub.as_bytes().clone()).expect("a sound record");
        assert!(stub.is_stub() && !event.is_stub());
        let place = |event: &RecordedEvent| {
            let batch = (event.is_batch_first(), event.is_batch_last(), event.carries_state());
            let stream = event.stream().map(str::to_owned);
            (event.id(), event.position(), event.log(), stream, event.revision(), event.recorded_at(), batch)
        };
        assert_eq!(place(&stub), place(&event));
        assert_eq!(stub.tenant(), "acme");
        let left = (stub.event_type(), stub.payload(), stub.subject(), stub.source(), stub.tags().count());
        assert_eq!(left, ("", &b""[..], None, None, 0));
        assert!(!stub.as_bytes().windows(3).any(|bytes| bytes == b"ada"));
        assert!(stub.as_bytes().len() < 110, "{} bytes", stub.as_bytes().len());
    }

    #[test]
    fn a_stub_that_holds_a_value_matches_whatever_the_event_matched() {
        for layout in LAYOUTS {
            matches_what_the_event_matched(layout);
        }
    }

    fn matches_what_the_event_matched(layout: RecordLayout) {
        let unique = Tag::unique("mail", "k").expect("a tag");
        let event = recorded(vec![Tag::new("vip").expect("a tag"), unique.clone()], layout);
        let stub = event.stub();
        RecordedEvent::parse(stub.as_bytes().clone()).expect("a sound record");
        let source = Tag::source("shop").expect("a tag");
        let correlation = Tag::correlation("c-1").expect("a tag");
        let category = Tag::category("account").expect("a tag");
        let vip = Tag::new("vip").expect("a tag");
        let mut item = QueryItem::tags([unique, vip, source, correlation, category]);
        item.types = vec![EventType::new("AccountOpened").expect("a type")];
        assert!(Query::from(item).matches(&stub));
        assert_eq!((stub.payload(), stub.subject(), stub.metadata().actor), (&b""[..], None, None));
    }

    #[test]
    fn the_stub_of_a_stub_is_itself() {
        let tags = [Tag::unique("mail", "k"), Tag::released("mail", "k")].map(|tag| tag.expect("a tag"));
        for tags in [Vec::new(), vec![tags[0].clone()], vec![tags[1].clone()]] {
            for layout in LAYOUTS {
                let stub = recorded(tags.clone(), layout).stub();
                assert_eq!(stub.tags().count(), tags.len());
                assert_eq!(stub.stub(), stub);
            }
        }
    }
}
