//! Properties of the record layout.

use proptest::prelude::*;

use super::*;
use crate::event::{ContentType, EventType, SubjectId};
use crate::tag::Tag;

prop_compose! {
    fn event()(
        id in any::<u128>(),
        name in "[a-zA-Z $]{1,20}",
        payload in proptest::collection::vec(any::<u8>(), 0..300),
        tags in proptest::collection::vec("[a-zä:0-9]{1,20}", 0..5),
        subject in proptest::option::of("[a-z]{1,9}"),
        correlation in proptest::option::of("[a-z]{1,9}"),
        source in proptest::option::of("[a-z]{1,9}"),
        entries in proptest::collection::vec(("[a-z]{1,9}", ".{0,20}"), 0..4),
        occurred in proptest::option::of((0..4_000_000_000_000_000_i64, proptest::option::of(-50_000..50_000))),
        carries_state in any::<bool>(),
        schema_version in any::<u32>(),
        json in any::<bool>(),
    ) -> EventData {
        EventData {
            id: Uuid::from_u128(id),
            event_type: EventType::new(name).expect("a type"),
            schema_version,
            content_type: if json { ContentType::json() } else { ContentType::new("text/plain").expect("text") },
            payload: payload.into(),
            metadata: Metadata {
                correlation,
                source,
                validation: serde_json::from_str("{\"checked\": true}").ok(),
                occurred_at: occurred.map(|(at, offset)| OffsetTime { at: Timestamp::from_micros(at), offset }),
                entries,
                ..Metadata::default()
            },
            tags: tags.into_iter().map(|tag| Tag::new(tag).expect("a tag")).collect(),
            subject: subject.map(|subject| SubjectId::new(subject).expect("a subject")),
            carries_state,
        }
    }
}

fn recorded(event: &EventData) -> RecordedEvent {
    let tenant = Tenant::new("acme").expect("a tenant");
    let stream = StreamId::new("account-42").expect("a stream");
    let mut encoded = EncodedEvent::new(&tenant, Some(&stream), event, true, false);
    encoded.stamp(Stamp {
        position: Position(9),
        revision: Revision(3),
        recorded_at: Timestamp::from_micros(77),
    });
    let (head, payload) = encoded.parts();
    assert_eq!([head, payload].concat(), encoded.as_bytes());
    encoded.into_recorded()
}

proptest! {
    #[test]
    fn what_is_encoded_reads_back(event in event()) {
        let recorded = RecordedEvent::parse(recorded(&event).as_bytes().clone()).expect("a sound record");
        prop_assert_eq!(recorded.to_data().expect("sound names"), event.clone());
        prop_assert_eq!(recorded.stream(), Some("account-42"));
        prop_assert_eq!(recorded.tenant(), "acme");
        prop_assert_eq!(recorded.position(), Position(9));
        prop_assert_eq!(recorded.revision(), Some(Revision(3)));
        prop_assert_eq!(recorded.recorded_at(), Timestamp::from_micros(77));
        prop_assert!(recorded.is_batch_first() && !recorded.is_batch_last());
        prop_assert!(recorded.has_tag("$category:account"));
        prop_assert_eq!(recorded.source(), event.metadata.source.as_deref());
        let metadata = &event.metadata;
        let named = [("correlation", metadata.correlation.as_deref()), ("source", metadata.source.as_deref())];
        let named = named.into_iter().filter_map(|(name, text)| Some((name, text?)));
        let entries = metadata.entries.iter().map(|(key, text)| (key.as_str(), text.as_str()));
        let texts: Vec<_> = named.chain([("validation", "{\"checked\": true}")]).chain(entries).collect();
        prop_assert_eq!(recorded.metadata_texts().collect::<Vec<_>>(), texts);
    }

    #[test]
    fn damaged_bytes_never_panic(event in event(), at in any::<prop::sample::Index>(), value in any::<u8>(), cut in any::<prop::sample::Index>()) {
        let mut bytes = recorded(&event).as_bytes().to_vec();
        let at = at.index(bytes.len());
        bytes[at] = value;
        bytes.truncate(cut.index(bytes.len() + 1));
        let bytes = Bytes::from(bytes);
        let _ = RecordedEvent::parse(bytes.clone());
        let unsound = RecordedEvent::trusted(bytes);
        let _ = (unsound.to_data(), unsound.stream().map(str::len), unsound.has_tag("x"), unsound.payload().len());
    }
}

#[test]
fn a_text_that_ends_within_a_character_is_refused() {
    let (tenant, event_type) = (Tenant::new("acme").expect("a tenant"), EventType::new("T").expect("a type"));
    let stream = StreamId::new("äther-1").expect("a stream");
    let event = EventData::json(Uuid::nil(), event_type, "{}");
    let mut bytes = EncodedEvent::new(&tenant, Some(&stream), &event, true, true).as_bytes().to_vec();
    assert!(RecordedEvent::parse(bytes.clone().into()).is_ok());
    let length = |bytes: &mut Vec<u8>, at: usize, length: usize| set(bytes, at, &len16(length));
    length(&mut bytes, 64, "acme".len() + 1);
    length(&mut bytes, 66, "äther-1".len() - 1);
    let refused = RecordedEvent::parse(bytes.into()).expect_err("half an ä");
    assert_eq!(refused, InvalidRecord("a text is not UTF-8"));
}
