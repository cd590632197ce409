//! Sound documents with some hostile changes: they are read or refused, what was read prints and reads back as the
//! same, and nothing panics. `cargo xtask fuzz` looks for worse ones.

use proptest::prelude::*;
use uuid::Uuid;

use crate::batch::Limits;
use crate::checked::cursor::PageEnd;
use crate::checked::field_value::FieldValue;
use crate::document::{CollectionId, CollectionName, Definition, DefinitionHash, Field, FieldKind};
use crate::document_store::{DocumentCapabilities, Select};
use crate::json::batch::BatchJson;
use crate::json::event::EventJson;
use crate::json::object::ObjectJson;
use crate::json::select::SelectJson;
use crate::json::selection::SelectionJson;
use crate::locator::Locator;
use crate::position::{LogIdentity, LogPoint};
use crate::stream::ExpectedRevision;
use crate::tenant::{Tenant, TenantScope};
use crate::timestamp::{OffsetTime, Timestamp};

const EVENTS: [&str; 2] = [
    include_str!("../../../../fuzz/seeds/event_json/given"),
    include_str!("../../../../fuzz/seeds/event_json/recorded"),
];
const REQUESTS: [&str; 2] = [
    include_str!("../../../../fuzz/seeds/request_json/batch"),
    include_str!("../../../../fuzz/seeds/request_json/selection"),
];
const QUESTION: &str = include_str!("../../../../fuzz/seeds/select_json/question");
const TEXTS: [&str; 5] = [
    include_str!("../../../../fuzz/seeds/texts/point"),
    include_str!("../../../../fuzz/seeds/texts/locator"),
    include_str!("../../../../fuzz/seeds/texts/expected"),
    "2026-11-21T15:00:00.123456+01:00",
    "18446744073709551615",
];
/// What parsers stumble over.
const PIECES: [&str; 16] = [
    "null",
    "true",
    "-1",
    "1e999",
    "18446744073709551616",
    "\"\"",
    "{}",
    "[]",
    "[[[[[[[[",
    "\\u0000",
    "\u{7f}",
    "é",
    "\"$\"",
    ":",
    "9999-12-31T23:59:60Z",
    "....",
];

/// A change: where, how many bytes go, and what comes instead.
fn changed(text: &'static str) -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        prop::sample::select(&PIECES[..]).prop_map(str::to_owned),
        any::<char>().prop_map(String::from),
        Just(String::new()),
    ];
    let change = (any::<prop::sample::Index>(), 0..12_usize, piece);
    proptest::collection::vec(change, 0..4).prop_map(move |changes| {
        let mut characters: Vec<char> = text.chars().collect();
        for (at, gone, piece) in changes {
            let at = at.index(characters.len() + 1);
            let end = characters.len().min(at + gone);
            characters.splice(at..end, piece.chars());
        }
        characters.into_iter().collect()
    })
}

fn one_of(texts: &'static [&'static str]) -> impl Strategy<Value = String> {
    prop::sample::select(texts).prop_flat_map(changed)
}

fn reads_back<T: std::str::FromStr + std::fmt::Display + PartialEq>(text: &str) -> bool {
    text.parse::<T>().map_or(true, |value| value.to_string().parse().is_ok_and(|again: T| again == value))
}

fn definition() -> Definition {
    use FieldKind::{Boolean, Integer, Number, Text, TextArray, Time};
    let kinds = [("t", Text), ("i", Integer), ("n", Number), ("b", Boolean), ("m", Time), ("a", TextArray)];
    let field = |(name, kind): (&str, FieldKind)| Field {
        name: name.try_into().expect("a name"),
        kind,
        indexed: true,
        searchable: matches!(kind, Text | TextArray),
    };
    let name = CollectionName::try_from("c").expect("a name");
    let id = CollectionId { name, definition: DefinitionHash::of(b"c") };
    Definition { id, fields: kinds.into_iter().map(field).collect() }
}

const CAPABILITIES: DocumentCapabilities = DocumentCapabilities {
    backend: "none",
    durable: false,
    writable: false,
    search: true,
    page_size: 1_000,
    document_bytes: 1_000_000,
    commit_writes: 1_000,
};

fn question(text: &str) -> Option<Select> {
    let ObjectJson(question) = serde_json::from_str::<ObjectJson<SelectJson>>(text).ok()?;
    Some(question.into_select(definition().id.name, TenantScope::All))
}

proptest! {
    #[test]
    fn a_changed_event_is_read_or_refused(text in one_of(&EVENTS)) {
        if let Ok(ObjectJson(event)) = serde_json::from_str::<ObjectJson<EventJson>>(&text) {
            if let Ok(given) = event.to_data(Uuid::nil) {
                prop_assert_eq!(EventJson::from_data(&given).to_data(Uuid::nil), Ok(given));
            }
            if let Ok(recorded) = event.to_recorded() {
                prop_assert_eq!(EventJson::recorded(&recorded).to_recorded(), Ok(recorded));
            }
        }
    }

    #[test]
    fn a_changed_request_is_read_or_refused(text in one_of(&REQUESTS)) {
        if let Ok(ObjectJson(batch)) = serde_json::from_str::<ObjectJson<BatchJson>>(&text)
            && let Ok(batch) = batch.to_batch(Tenant::default(), Uuid::nil)
        {
            let _ = Limits::default().check(&batch);
            let again = BatchJson::from_batch(&batch).to_batch(Tenant::default(), Uuid::nil);
            prop_assert_eq!(again, Ok(batch));
        }
        if let Ok(ObjectJson(selection)) = serde_json::from_str::<ObjectJson<SelectionJson>>(&text) {
            let _ = selection.into_selection(TenantScope::All).check();
        }
    }

    #[test]
    fn a_changed_question_is_checked_or_refused(text in changed(QUESTION)) {
        if let Some(select) = question(&text)
            && let Ok(checked) = select.check(&definition(), &CAPABILITIES)
        {
            let _ = checked.filter.matches(&vec![FieldValue::Null; definition().fields.len()]);
        }
    }

    #[test]
    fn a_changed_cursor_is_read_or_refused(edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4)) {
        let mut select = question(r#"{"order":[{"field":"t"},{"field":"m"}]}"#).expect("a question");
        let checked = select.check(&definition(), &CAPABILITIES).expect("sound");
        let values = vec![FieldValue::Text("é".to_owned()), FieldValue::Time(Timestamp::from_micros(7))];
        let end = PageEnd { values, tenant: Tenant::default(), key: "key".try_into().expect("a key") };
        let mut cursor = checked.cursor(&end).into_bytes();
        for (at, byte) in edits {
            let at = at.index(cursor.len());
            cursor[at] = byte;
        }
        select.cursor = Some(String::from_utf8_lossy(&cursor).into_owned());
        let _ = select.check(&definition(), &CAPABILITIES);
    }

    #[test]
    fn a_changed_text_is_read_as_what_it_prints_or_refused(text in one_of(&TEXTS)) {
        prop_assert!(reads_back::<LogPoint>(&text));
        prop_assert!(reads_back::<LogIdentity>(&text));
        prop_assert!(reads_back::<ExpectedRevision>(&text));
        let _ = text.parse::<Locator>().map(|locator| locator.to_string());
        let _ = (Timestamp::parse(&text), OffsetTime::parse(&text, None), OffsetTime::parse(&text, Some("Europe/Paris")));
    }
}
