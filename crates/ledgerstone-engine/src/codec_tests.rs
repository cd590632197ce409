//! Tests of the codec.

use serde_json::json;

use ledgerstone_core::{EncodedEvent, Position, Revision, Stamp, SubjectId, Tag, Tenant, Timestamp};

use crate::upcaster::tests::{Event, Opened, chain};

use super::*;

fn recorded(event_type: &str, version: u32, payload: &str) -> RecordedEvent {
    let event_type = EventType::new(event_type).expect("a type");
    let mut data = EventData::json(Uuid::from_u128(1), event_type, payload.to_owned());
    data.schema_version = version;
    let mut encoded = EncodedEvent::new(&Tenant::default(), None, &data, true, true);
    let stamp = Stamp { position: Position(7), revision: Revision(0), recorded_at: Timestamp::default() };
    encoded.stamp(stamp);
    encoded.into_recorded()
}

#[test]
fn what_was_encoded_decodes_to_the_same() {
    let event = Event::from(Opened { owner: "Ada".to_owned(), currency: "USD".to_owned() });
    let tag = Tag::new("account:1").expect("a tag");
    let context = Context::new().source("crm").tag(tag.clone()).tag(tag);
    let data = Codec::default().encode(Uuid::from_u128(1), &event, &context).expect("encodes");
    assert_eq!((data.schema_version, data.tags.len()), (3, 1));
    assert_eq!(data.metadata.source.as_deref(), Some("crm"));
    let mut encoded = EncodedEvent::new(&Tenant::default(), None, &data, true, true);
    encoded.stamp(Stamp { position: Position(1), revision: Revision(0), recorded_at: Timestamp::default() });
    let decoded: Event = Codec::default().decode(&encoded.into_recorded()).expect("decodes");
    assert_eq!(decoded, event);
}

#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
struct Enrolled {
    student: String,
}

#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
struct Summed {
    courses: Vec<String>,
}

ledgerstone_core::domain_events! {
    /// What happens to a student.
    enum StudentEvent {
        /// A place was taken.
        Enrolled = "Enrolled" v1,
        /// The books were closed.
        Summed = "CoursesSummed" v1,
    }
    tags = |event| match event {
        Self::Enrolled(data) => Ok(vec![Tag::new(&data.student)?]),
        Self::Summed(_) => Ok(Vec::new()),
    },
    subject = |event| match event {
        Self::Enrolled(data) => SubjectId::new(&data.student).map(Some),
        Self::Summed(_) => Ok(None),
    },
    carries_state = |event| matches!(event, Self::Summed(_)),
}

#[test]
fn an_event_says_its_tags_its_subject_and_whether_it_carries_the_state() {
    let tag = |text: &str| Tag::new(text).expect("a tag");
    let subject = |text: &str| Some(SubjectId::new(text).expect("a subject"));
    let context = Context::new().tag(tag("term:1")).subject(SubjectId::new("class").expect("a subject"));
    let encode = |event: StudentEvent| Codec::default().encode(Uuid::from_u128(1), &event, &context);
    let enrolled = encode(Enrolled { student: "ada".to_owned() }.into()).expect("encodes");
    assert_eq!(enrolled.tags, [tag("ada"), tag("term:1")]);
    assert_eq!((enrolled.subject, enrolled.carries_state), (subject("ada"), false));
    let summed = encode(Summed { courses: Vec::new() }.into()).expect("encodes");
    assert_eq!(summed.tags, [tag("term:1")]);
    assert_eq!((summed.subject, summed.carries_state), (subject("class"), true));
}

#[test]
fn an_event_whose_tag_cannot_be_one_is_not_encoded() {
    let event = StudentEvent::from(Enrolled { student: "a\u{0}b".to_owned() });
    let refused = Codec::default().encode(Uuid::from_u128(1), &event, &Context::new());
    assert!(matches!(refused, Err(CodecError::Name(_))), "{refused:?}");
}

#[test]
fn an_older_version_is_lifted_before_it_is_decoded() {
    let old = recorded("AcctOpened", 1, &json!({"name": "Ada"}).to_string());
    let event: Event = Codec::new(chain()).decode(&old).expect("decodes");
    assert_eq!(event, Opened { owner: "Ada".to_owned(), currency: "EUR".to_owned() }.into());
}

#[test]
fn an_unknown_type_or_version_is_an_error_that_names_it_or_kept_by_choice() {
    let codec = Codec::new(chain());
    for (event_type, version, said) in
        [("Other", 2, "no decoder knows"), ("AccountOpened", 9, "newer"), ("AccountOpened", 1, "no upcaster")]
    {
        let event = recorded(event_type, version, "{}");
        let error = codec.decode::<Event>(&event).expect_err("unknown");
        assert_eq!(error.code(), ledgerstone_core::Code::UnknownEventType);
        let text = error.to_string();
        let named = format!("position 7 ({event_type} version {version})");
        assert!(text.contains(said) && text.contains(&named), "{text}");
        let kept = codec.decode_or_keep::<Event>(&event).expect("kept");
        assert!(matches!(kept, Decoded::Unknown { event: kept, .. } if kept == event));
    }
}

#[test]
fn a_payload_that_does_not_decode_is_never_kept_silently() {
    for payload in ["{", "{}", "null"] {
        let event = recorded("AccountOpened", 3, payload);
        let error = Codec::default().decode_or_keep::<Event>(&event).expect_err("malformed");
        assert_eq!(error.code(), ledgerstone_core::Code::Corrupt, "{error}");
    }
}
