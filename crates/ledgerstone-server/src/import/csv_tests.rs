//! Lines of CSV: quotes, broken records, bytes that are no text, and what rows are compared by.

use std::sync::Arc;

use ledgerstone::core::{Limits, Tenant};
use proptest::prelude::*;

use super::*;

fn rules() -> Rules {
    Rules {
        source: "feed".to_owned(),
        tenant: Tenant::default(),
        category: Some("case".to_owned()),
        zone: None,
        limits: Limits::default(),
    }
}

fn read(text: &[u8]) -> Vec<Record> {
    let map = ["stream=id", "type=what", "time=at", "tags=tag"].map(str::to_owned).to_vec();
    let arguments = MappingArguments { map, types: vec!["n=integer".to_owned()] };
    let bytes = std::io::Cursor::new(text.to_vec());
    let mut source = Source::new(Box::new(bytes), Arc::default());
    let mut csv = CsvReader::new(&mut source, b',', &arguments).expect("a header");
    let mut records = Vec::new();
    while let Some(record) = csv.next(&mut source, &rules()).expect("reads") {
        records.push(record);
    }
    assert_eq!(source.taken(), text.len() as u64);
    records
}

const HEADER: &str = "id,what,at,tag,n,note\n";

fn read_rows(rows: &str) -> Vec<Record> {
    read(format!("{HEADER}{rows}").as_bytes())
}

#[test]
fn a_row_becomes_an_event() {
    let records = read_rows("7,Opened,2011-10-11 13:45:40+02:00,red,42,\"a \"\"b\"\"\nc\"\r\n");
    let row = records[0].row.as_ref().expect("a row");
    assert_eq!(row.stream.as_str(), "case-7");
    assert_eq!(row.event.event_type.as_str(), "Opened");
    assert_eq!(row.event.payload.as_ref(), br#"{"n":42,"note":"a \"b\"\nc"}"#);
    assert_eq!(row.event.tags[0].as_str(), "tag:red");
    assert_eq!(row.event.metadata.occurred_at.map(|time| time.offset), Some(Some(7200)));
    assert_eq!((records[0].line, records.len()), (2, 1));
}

#[test]
fn a_quote_that_is_never_closed_costs_one_line() {
    let records = read_rows("1,A,,,,\n2,\"B,,,,\n3,C,,,,\n4,D,,,,\n");
    let sound: Vec<_> = records.iter().map(|record| (record.line, record.row.is_ok())).collect();
    assert_eq!(sound, [(2, true), (3, false), (4, true), (5, true)]);
    assert_eq!(records[1].raw, b"2,\"B,,,,");
}

#[test]
fn a_quote_in_the_last_column_that_is_never_closed_costs_one_line() {
    let records = read_rows("1,A,,,,\n2,B,,,,\"open\n3,C,,,,\n4,D,,,,\n");
    let sound: Vec<_> = records.iter().map(|record| (record.line, record.row.is_ok())).collect();
    assert_eq!(sound, [(2, true), (3, false), (4, true), (5, true)]);
}

#[test]
fn a_quote_that_is_open_at_the_end_is_a_bad_row() {
    for end in ["2,B,,,,\"open\n", "2,B,,,,\"open", "2,B,,,,\"", "2,B,,,,\"a \"\"\r\n"] {
        let records = read_rows(&format!("1,A,,,,\n{end}"));
        let sound: Vec<_> = records.iter().map(|record| (record.line, record.row.is_ok())).collect();
        assert_eq!(sound, [(2, true), (3, false)], "{end:?}");
        assert_eq!(records[1].raw, end.trim_end().as_bytes());
    }
    for end in ["2,B,,,,\"closed\"", "2,B,,,5,7\" nails", "2,B,,,,\"\"", "2,B,,,,\"a\nb\"", "\n\n"] {
        let records = read_rows(&format!("1,A,,,5,\n{end}"));
        assert!(records.iter().all(|record| record.row.is_ok()), "{end:?}");
    }
}

#[test]
fn a_place_is_open_inside_a_line_and_behind_a_quote_that_was_open_at_the_end() {
    let open = |rows: &str| {
        let bytes = std::io::Cursor::new(format!("{HEADER}{rows}").replace('\n', "\r\n"));
        let mut source = Source::new(Box::new(bytes), Arc::default());
        let arguments = MappingArguments {
            map: ["stream=id", "type=what"].map(str::to_owned).to_vec(),
            types: Vec::new(),
        };
        let mut csv = CsvReader::new(&mut source, b',', &arguments).expect("a header");
        let mut open = vec![csv.ends_open(&source)];
        while csv.next(&mut source, &rules()).expect("reads").is_some() {
            open.push(csv.ends_open(&source));
        }
        open
    };
    assert_eq!(open("1,A,,,,\n\n2,B,,,,\n3,\"C\",,,,\"x\"\n"), [false; 4]);
    assert_eq!(open("1,A,,,,\n2,B,,,,"), [false, false, true]);
    assert_eq!(open("1,A,,,,\n2,B,,,,\"open\n3,C,,,,\n"), [false, false, true, true]);
}

#[test]
fn a_row_with_other_columns_is_rejected_and_the_next_is_read() {
    let records = read_rows("1,A\n\n2,B,,,,,,,\n3,C,,,,\n");
    let lines: Vec<_> = records.iter().map(|record| (record.line, record.row.is_ok())).collect();
    assert_eq!(lines, [(2, false), (4, false), (5, true)]);
    let reason = records[0].row.as_ref().expect_err("rejected");
    assert_eq!(reason, "the row has 2 columns and the header has 6");
}

#[test]
fn bad_cells_are_told_with_their_column() {
    let cases: [(&[u8], &str); 5] = [
        (b"1,A,,,x,\n", "column \"n\": \"x\" is not an integer"),
        (b"1,,,,,\n", "type is missing"),
        (b",A,,,,\n", "stream is missing"),
        (b"1,A,2011-10-11 13:45,,,\n", "no offset"),
        (b"1,A,,,,\xff\n", "column \"note\" is not UTF-8"),
    ];
    for (row, reason) in cases {
        let records = read(&[HEADER.as_bytes(), row].concat());
        let text = records[0].row.as_ref().expect_err("rejected");
        assert!(text.contains(reason), "{text:?} does not say {reason:?}");
    }
}

#[test]
fn neither_the_order_of_columns_nor_a_new_empty_one_changes_a_row() {
    let one = read(b"id,what,at,tag,n,note\n1,A,,,,x\n");
    let other = read(b"note,n,extra,tag,at,what,id\nx,,,,,A,1\n");
    let identity = |records: &[Record]| records[0].row.as_ref().expect("a row").identity.clone();
    assert_eq!(identity(&one), identity(&other));
}

#[test]
fn a_byte_order_mark_is_no_part_of_a_name() {
    let records = read(b"\xef\xbb\xbfid,what,at,tag,n,note\n1,A,,,,\n");
    assert!(records[0].row.is_ok());
}

proptest! {
    #[test]
    fn any_bytes_are_read_to_the_end(bytes in proptest::collection::vec(
        prop_oneof![Just(b'"'), Just(b','), Just(b'\n'), Just(b'\r'), any::<u8>()], 0..200)) {
        read(&[HEADER.as_bytes(), &bytes].concat());
    }
}
