//! Promise 7: an event comes back as it was appended.

use bytes::Bytes;
use ledgerstone_core::ExpectedRevision::Any;
use ledgerstone_core::serde_json::value::RawValue;
use ledgerstone_core::{
    Append, Batch, ContentType, EventData, Metadata, OffsetTime, Selection, SubjectId, Timestamp,
};

use super::arrange::{Cases, Events, FreshEvents, append, batch, event, one, read, read_all, stream, tag};
use crate::conformance::case::{CaseResult, cases};

pub(super) fn cases() -> Cases {
    cases![
        7: every_field_comes_back,
        7: an_event_with_nothing_but_a_type_comes_back,
        7: payloads_come_back_byte_for_byte,
        7: a_payload_of_a_megabyte_comes_back,
        7: names_beyond_ascii_come_back,
        7: names_are_compared_as_bytes,
        7: metadata_entries_keep_their_order_and_their_doubles,
        7: times_keep_their_offsets,
        7: the_bounds_of_a_batch_are_told,
    ]
}

/// Appends an event and compares what is read with it, by stream and from the log.
async fn must_come_back(store: &Events, given: EventData) -> CaseResult {
    let answer = store.append(one("account-1", given.clone())).await?;
    let last = answer.last.application;
    let from_log = read(store, Selection::all().after(ledgerstone_core::Position(last.0 - 1))).await?;
    let from_stream = read(store, Selection::stream(stream("account-1")).backwards().limit(1)).await?;
    for reading in [from_log, from_stream] {
        assert_eq!(reading.events.len(), 1);
        assert_eq!(reading.events[0].to_data()?, given);
        assert_eq!(reading.events[0].stream(), Some("account-1"));
    }
    Ok(())
}

fn full() -> Result<EventData, crate::conformance::CaseError> {
    let validation = r#"{"passed": true,  "checked_by": ["schema", "v2.10"], "score": 1.0}"#;
    Ok(EventData {
        schema_version: 7,
        content_type: ContentType::new("application/vnd.example+json")?,
        metadata: Metadata {
            correlation: Some("order 7".to_owned()),
            causation: Some("message-9".to_owned()),
            actor: Some("u-17".to_owned()),
            source: Some("crm".to_owned()),
            validation: Some(RawValue::from_string(validation.to_owned())?),
            occurred_at: Some(OffsetTime::parse("2011-10-11T13:45:40.276001+02:00", None)?),
            entries: vec![("region".to_owned(), "eu".to_owned()), ("empty".to_owned(), String::new())],
        },
        tags: vec![tag("seat:1"), tag("row a"), tag("$unique:mail:4711")],
        subject: Some(SubjectId::new("s-1")?),
        carries_state: true,
        ..event("opened")
    })
}

/// Promise 7. Id, type, version, content type, payload, metadata, tags, subject, state.
async fn every_field_comes_back(fresh: FreshEvents) -> CaseResult {
    must_come_back(&fresh.store, full()?).await
}

/// Promise 7. What was not given is not there.
async fn an_event_with_nothing_but_a_type_comes_back(fresh: FreshEvents) -> CaseResult {
    must_come_back(&fresh.store, EventData { payload: Bytes::new(), ..event("x") }).await
}

/// Promise 7. Whether it is JSON or not, and however it is spaced.
async fn payloads_come_back_byte_for_byte(fresh: FreshEvents) -> CaseResult {
    let payloads: [&'static [u8]; 11] = [
        b"",
        b"null",
        b"{\"b\": 1.0,   \"a\": 2, \"a\": 3}",
        b"{\n  \"spread\": \"out\"\r\n}",
        b" [1, 2]\t",
        b"123456789012345678901234567890.10",
        b"\"\\u00e9\\/\"",
        b"{not json",
        b"\x00\xff\xfe\x80",
        b"'; drop table events; --",
        "{\"name\":\"\u{e9}\u{1f980}\"}".as_bytes(),
    ];
    for payload in payloads {
        for content_type in ["application/json", "application/octet-stream"] {
            let content_type = ContentType::new(content_type)?;
            let payload = Bytes::from_static(payload);
            must_come_back(&fresh.store, EventData { payload, content_type, ..event("opened") }).await?;
        }
    }
    Ok(())
}

/// Promise 7. Size is no matter within the limits.
async fn a_payload_of_a_megabyte_comes_back(fresh: FreshEvents) -> CaseResult {
    let bytes: Vec<u8> = (0..1_048_576_u32).map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect();
    let content_type = ContentType::new("application/octet-stream")?;
    must_come_back(&fresh.store, EventData { payload: bytes.into(), content_type, ..event("scanned") }).await
}

/// Promise 7. Every printable text is a name.
async fn names_beyond_ascii_come_back(fresh: FreshEvents) -> CaseResult {
    let store = fresh.store;
    let name = "konto-M\u{fc}ller & S\u{f6}hne/50% \u{1f980} 'x' \"y\" ?a=b#c";
    let mut given = event("Er\u{f6}ffnet \u{2603}");
    given.tags = vec![tag("stra\u{df}e:\u{4e2d}\u{6587}"), tag("a%2Fb")];
    given.metadata.actor = Some("\u{414}\u{430}".to_owned());
    store.append(one(name, given.clone())).await?;

    let kept = read(&store, Selection::stream(stream(name))).await?;
    assert_eq!(kept.events.len(), 1);
    assert_eq!(kept.events[0].stream(), Some(name));
    assert_eq!(kept.events[0].to_data()?, given);
    let tagged = super::arrange::by_tag("stra\u{df}e:\u{4e2d}\u{6587}");
    assert_eq!(read(&store, Selection::query(tagged)).await?.positions(), [1]);
    Ok(())
}

/// Promise 7. Neither case nor composition nor spaces at the end make two names one.
async fn names_are_compared_as_bytes(fresh: FreshEvents) -> CaseResult {
    let store = fresh.store;
    let names = ["konto-1", "Konto-1", "konto-1 ", "konto-01", "caf\u{e9}-1", "cafe\u{301}-1", "konto-%31"];
    for name in names {
        store.append(batch(name, ledgerstone_core::ExpectedRevision::NoStream, &["opened"])).await?;
    }
    for name in names {
        let kept = read(&store, Selection::stream(stream(name))).await?;
        assert_eq!(kept.events.iter().map(|event| event.stream()).collect::<Vec<_>>(), [Some(name)]);
    }
    Ok(())
}

/// Promise 7. Entries are a list.
async fn metadata_entries_keep_their_order_and_their_doubles(fresh: FreshEvents) -> CaseResult {
    let pairs = [("z", "1"), ("a", "2"), ("z", "3"), ("line", "one\ntwo"), ("a ", "")];
    let entries = pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).to_vec();
    let metadata = Metadata { entries, ..Metadata::default() };
    must_come_back(&fresh.store, EventData { metadata, ..event("opened") }).await
}

/// Promise 7. The moment to the microsecond, and the offset that was written beside it.
async fn times_keep_their_offsets(fresh: FreshEvents) -> CaseResult {
    let texts = [
        "2011-10-11T13:45:40.276000+02:00",
        "2011-10-11T13:45:40.276000-03:30",
        "2011-10-11T13:45:40.000001Z",
        "1969-12-31T23:59:59.999999Z",
        "1899-01-01T00:00:00+00:00",
    ];
    for text in texts {
        let mut given = event("opened");
        given.metadata.occurred_at = Some(OffsetTime::parse(text, None)?);
        must_come_back(&fresh.store, given).await?;
    }
    let mut given = event("opened");
    given.metadata.occurred_at = Some(OffsetTime { at: Timestamp::from_micros(0), offset: Some(-3600) });
    must_come_back(&fresh.store, given).await
}

/// Promise 7. A copy of the log can put the same batches together again, in either count.
async fn the_bounds_of_a_batch_are_told(fresh: FreshEvents) -> CaseResult {
    let store = fresh.store;
    let mut wide = batch("a-1", Any, &["one", "two"]);
    wide.appends.push(append("a-1", Any, &["$three"]));
    wide.appends.push(Append::to_log(vec![event("four")]));
    store.append(wide).await?;
    store.append(Batch::of(Append::to_log(vec![event("five")]))).await?;

    let kept = read_all(&store).await?;
    let bounds = kept.events.iter().map(|event| (event.is_batch_first(), event.is_batch_last()));
    assert_eq!(bounds.collect::<Vec<_>>(), [(true, false), (false, false), (false, true), (true, true)]);
    let system = read(&store, Selection::all().log(ledgerstone_core::LogKind::System)).await?;
    assert!(system.events[0].is_batch_first() && system.events[0].is_batch_last());
    Ok(())
}
