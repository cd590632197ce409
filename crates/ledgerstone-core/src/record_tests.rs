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
        schema_version in prop_oneof![0..5_u32, any::<u32>()],
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

/// Encodes an event in the short layout, if it fits.
fn short(tenant: &Tenant, stream: &StreamId, event: &EventData, last: bool) -> EncodedEvent {
    let mut bytes = Vec::new();
    let head = EncodedEvent::put(&mut bytes, tenant, Some(stream), event, (true, last), RecordLayout::Short);
    EncodedEvent { bytes, head }
}

fn recorded(event: &EventData) -> RecordedEvent {
    let tenant = Tenant::new("acme").expect("a tenant");
    let stream = StreamId::new("account-42").expect("a stream");
    let mut encoded = short(&tenant, &stream, event, false);
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
    let (tenant_more, stream_less) = ("acme".len() + 1, "äther-1".len() - 1);
    for schema_version in [1, 100_000] {
        let event = EventData { schema_version, ..EventData::json(Uuid::nil(), event_type.clone(), "{}") };
        let mut bytes = short(&tenant, &stream, &event, true).as_bytes().to_vec();
        assert!(RecordedEvent::parse(bytes.clone().into()).is_ok());
        if schema_version == 1 {
            set(&mut bytes, 50, &[tenant_more as u8]);
            set(&mut bytes, 52, &len16(stream_less));
        } else {
            set(&mut bytes, 64, &len16(tenant_more));
            set(&mut bytes, 66, &len16(stream_less));
        }
        let refused = RecordedEvent::parse(bytes.into()).expect_err("half an ä");
        assert_eq!(refused, InvalidRecord("a text is not UTF-8"));
    }
}

#[test]
fn what_is_too_much_for_the_short_layout_takes_the_long_one() {
    let event_type = EventType::new("T").expect("a type");
    let event = EventData::json(Uuid::from_u128(7), event_type, "{}");
    let layout = |event: &EventData| {
        let recorded = RecordedEvent::parse(recorded(event).as_bytes().clone()).expect("a sound record");
        assert_eq!(recorded.to_data().expect("sound names"), *event);
        recorded.as_bytes()[4]
    };
    let entry = |bytes: usize| vec![("k".to_owned(), "x".repeat(bytes))];
    let entries = |bytes| Metadata { entries: entry(bytes), ..Metadata::default() };
    assert_eq!(layout(&event), SHORT);
    assert_eq!(EncodedEvent::new(&Tenant::default(), None, &event, true, true).as_bytes()[4], LONG);
    assert_eq!(layout(&EventData { metadata: entries(65_000), ..event.clone() }), SHORT);
    assert_eq!(layout(&EventData { metadata: entries(65_535), ..event.clone() }), LONG);
    assert_eq!(layout(&EventData { schema_version: 65_536, ..event.clone() }), LONG);
    let tags = (0..64).map(|n| Tag::new(format!("{n:0>200}")).expect("a tag")).collect();
    assert_eq!(layout(&EventData { tags, ..event }), SHORT);
}

#[test]
fn a_record_in_the_long_layout_of_before_reads_on() {
    // Written by hand, so that no change of the code that writes can change what must be read.
    let mut bytes = vec![0; HEADER];
    set(&mut bytes, 4, &[LONG, STREAM | OCCURRED | BATCH_FIRST]);
    for (at, number) in [(8, 9_u64), (16, 3), (24, 77), (32, 55)] {
        set(&mut bytes, at, &number.to_le_bytes());
    }
    set(&mut bytes, 40, &3_600_i32.to_le_bytes());
    set(&mut bytes, 44, &2_u32.to_le_bytes());
    set(&mut bytes, 48, &[5; 16]);
    set(&mut bytes, 66, &len16(3));
    set(&mut bytes, 68, &len16(1));
    set(&mut bytes, 80, &len32(7));
    set(&mut bytes, 84, &len32(2));
    bytes.extend_from_slice(b"a-1T\x04\x02\0\0\0me{}");
    let total = len32(bytes.len());
    set(&mut bytes, 0, &total);
    let event = RecordedEvent::parse(bytes.into()).expect("a sound record");
    assert_eq!((event.position(), event.revision()), (Position(9), Some(Revision(3))));
    assert_eq!((event.stream(), event.event_type(), event.payload()), (Some("a-1"), "T", b"{}".as_slice()));
    assert_eq!((event.schema_version(), event.id()), (2, Uuid::from_bytes([5; 16])));
    assert_eq!(event.source(), Some("me"));
    let occurred = OffsetTime { at: Timestamp::from_micros(55), offset: Some(3_600) };
    assert_eq!(event.occurred_at(), Some(occurred));
}
