//! Lines of JSON: what makes a row, and why others are rejected.

use std::sync::Arc;

use ledgerstone::core::{Limits, Tenant};

use super::*;

fn rules() -> Rules {
    Rules {
        source: "feed".to_owned(),
        tenant: Tenant::default(),
        category: None,
        zone: None,
        limits: Limits::default(),
    }
}

fn row(line: &str) -> Row {
    parse(line.as_bytes(), &rules()).expect("a row")
}

fn rejected(line: &[u8]) -> String {
    parse(line, &rules()).expect_err("rejected")
}

#[test]
fn the_payload_is_kept_byte_for_byte() {
    let row = row(
        r#"{"stream":"a-1","type":"x","data":{"b": 1.00,  "a":2},"occurred_at":"2011-10-11 13:45:40+02:00"}"#,
    );
    assert_eq!(row.event.payload.as_ref(), br#"{"b": 1.00,  "a":2}"#);
    assert_eq!(row.event.metadata.source.as_deref(), Some("feed"));
    assert_eq!(row.event.metadata.occurred_at.map(|time| time.offset), Some(Some(7200)));
}

#[test]
fn equal_content_is_equal_however_it_is_written() {
    let one = row(r#"{"stream":"a","type":"x","data":{"a":[1,{"c":null,"b":true}]}}"#);
    let other = row(r#"{ "type":"x", "data": {"a": [1, {"b":true,"c":null}]}, "stream":"a" }"#);
    let another = row(r#"{"stream":"a","type":"x","data":{"a":[1,{"c":null,"b":false}]}}"#);
    assert_eq!(one.identity, other.identity);
    assert_ne!(one.identity, another.identity);
}

#[test]
fn a_bad_line_is_rejected_with_its_reason() {
    let cases: [(&[u8], &str); 12] = [
        (br#"{"strem":"a","type":"x"}"#, r#"unknown key "strem"; did you mean "stream"?"#),
        (br#"{"stream":"a","type":"x","whatever":1}"#, "belongs into \"data\""),
        (br#"{"type":"x"}"#, "stream is missing"),
        (br#"{"stream":"a"}"#, "type is missing"),
        (br#"{"stream":"$a","type":"x"}"#, "reserved for the system"),
        (br#"{"stream":"a","type":"$x"}"#, "reserved for the system"),
        (br#"{"stream":"a","type":"x","occurred_at":"2011-10-11 13:45:40"}"#, "no offset"),
        (br#"{"stream":"a","type":"x""#, "not a JSON object"),
        (b"\xff\xfe", "not UTF-8"),
        (br#"{"stream":"a","type":"x","id":"7"}"#, "at column"),
        (br#"{"stream":"a","type":"x","tags":["$category:x"]}"#, "reserved"),
        (br#"{"stream":"a","type":"x","tenant":"acme"}"#, "tenant"),
    ];
    for (line, reason) in cases {
        let text = rejected(line);
        assert!(text.contains(reason), "{text:?} does not say {reason:?}");
    }
}

#[test]
fn a_zone_completes_a_time_without_an_offset_and_changes_nothing_else() {
    let rules = Rules { zone: Some("Europe/Amsterdam".to_owned()), ..rules() };
    let line = br#"{"stream":"a","type":"x","data":{"n":1.50},"occurred_at":"2011-10-11 13:45:40"}"#;
    let row = parse(line, &rules).expect("a row");
    assert_eq!(row.event.payload.as_ref(), br#"{"n":1.50}"#);
    assert_eq!(row.event.metadata.occurred_at.map(|time| time.offset), Some(Some(7200)));
}

#[test]
fn an_exported_event_can_be_imported() {
    let line = br#"{"position":7,"stream":"a","revision":3,"id":"018f4e7a-0000-7000-8000-000000000001","type":"x","schema_version":2,"recorded_at":"2024-01-01T00:00:00Z","batch":"first"}"#;
    let row = parse(line, &rules()).expect("a row");
    assert_eq!(row.identity, Identity::Own);
    assert_eq!(row.event.schema_version, 2);
}

#[test]
fn lines_are_counted_over_blank_ones_and_the_last_needs_no_end() {
    let bytes = b"\n  \r\n{\"stream\":\"a\",\"type\":\"x\"}\r\n\n{}";
    let mut source = Source::new(Box::new(&bytes[..]), Arc::default());
    let mut lines = Vec::new();
    while let Some(record) = next(&mut source, &rules()).expect("reads") {
        lines.push((record.line, record.row.is_ok()));
    }
    assert_eq!(lines, [(3, true), (5, false)]);
}

#[test]
fn a_line_without_end_does_not_fill_the_memory() {
    let long = std::io::Read::take(std::io::repeat(b'x'), 3 * MAX_ROW_BYTES as u64);
    let input = std::io::Read::chain(long, &b"\n{\"stream\":\"a\",\"type\":\"x\"}\n"[..]);
    let mut source = Source::new(Box::new(input), Arc::default());
    let record = next(&mut source, &rules()).expect("reads").expect("a record");
    assert!(record.row.is_err() && record.raw.len() < 10_000);
    let record = next(&mut source, &rules()).expect("reads").expect("a record");
    assert!(record.row.is_ok() && record.line == 2);
}
