//! What every store refuses before it looks.

use uuid::Uuid;

use super::*;
use crate::event::EventType;
use crate::mark::MarkName;

fn event(id: u128, name: &str) -> EventData {
    EventData::json(Uuid::from_u128(id), EventType::new(name).expect("a type"), "{}")
}

fn append(stream: &str, events: Vec<EventData>) -> Append {
    Append::to(StreamId::new(stream).expect("a stream"), ExpectedRevision::Any, events)
}

#[test]
fn an_empty_batch_is_refused() {
    assert_eq!(Limits::default().check(&Batch::default()), Err(InvalidBatch::Empty));
    let hollow = Batch::of(append("a-1", vec![]));
    assert_eq!(Limits::default().check(&hollow), Err(InvalidBatch::EmptyAppend("a-1".to_owned())));
}

#[test]
fn a_stream_an_id_and_a_mark_stand_once() {
    let stream = Batch {
        appends: vec![append("a-1", vec![event(1, "x")]), append("a-1", vec![event(2, "x")])],
        ..Batch::default()
    };
    let id = Batch::of(append("a-1", vec![event(1, "x"), event(1, "x")]));
    let mark = MarkChange::Rises { name: MarkName::new("m").expect("a name"), to: 1 };
    let mark = Batch { marks: vec![mark.clone(), mark], ..Batch::default() };
    for batch in [stream, id, mark] {
        let refused = Limits::default().check(&batch);
        assert!(matches!(refused, Err(InvalidBatch::Twice { .. })), "{refused:?}");
    }
}

#[test]
fn a_stream_may_stand_once_in_each_count() {
    let batch = Batch {
        appends: vec![append("a-1", vec![event(1, "x")]), append("a-1", vec![event(2, "$truncated")])],
        ..Batch::default()
    };
    assert_eq!(Limits::default().check(&batch), Ok(()));
}

#[test]
fn counts_do_not_mix() {
    let mixed = Batch::of(append("a-1", vec![event(1, "x"), event(2, "$y")]));
    assert_eq!(Limits::default().check(&mixed), Err(InvalidBatch::MixedCounts));
    let system = Batch::of(append("$a-1", vec![event(1, "x")]));
    assert!(matches!(Limits::default().check(&system), Err(InvalidBatch::Name(_))));
}

#[test]
fn sizes_have_limits() {
    let limits = Limits { event_bytes: 10, batch_events: 1, ..Limits::default() };
    let large = Batch::of(append("a-1", vec![EventData { payload: vec![0; 11].into(), ..event(1, "x") }]));
    let many = Batch::of(append("a-1", vec![event(1, "x"), event(2, "x")]));
    for batch in [large, many] {
        let refused = limits.check(&batch);
        assert!(matches!(refused, Err(InvalidBatch::TooLarge { .. })), "{refused:?}");
    }
}
