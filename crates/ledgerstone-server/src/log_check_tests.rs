//! What the check of a log finds, frame by frame.

use ledgerstone::core::{
    EncodedEvent, EventData, EventType, Frame, Hole, LogKind, Position, RecordedEvent, Removal, Revision,
    Stamp, StreamId, Tenant, Timestamp,
};
use uuid::Uuid;

use super::Walk;

/// An event of `stream`, alone in its batch unless `places` say otherwise.
fn event(position: u64, stream: &str, revision: u64, time: i64, places: (bool, bool)) -> RecordedEvent {
    let event_type = EventType::new("Noted").expect("a type");
    recorded(&EventData::json(Uuid::nil(), event_type, &b"{}"[..]), position, stream, revision, time, places)
}

fn recorded(
    data: &EventData,
    position: u64,
    stream: &str,
    revision: u64,
    time: i64,
    (first, last): (bool, bool),
) -> RecordedEvent {
    let stream = StreamId::new(stream).expect("a stream");
    let mut encoded = EncodedEvent::new(&Tenant::default(), Some(&stream), data, first, last);
    encoded.stamp(Stamp {
        position: Position(position),
        revision: Revision(revision),
        recorded_at: Timestamp::from_micros(time),
    });
    encoded.into_recorded()
}

const ALONE: (bool, bool) = (true, true);

/// Walks through a log of application events, then through system events, and returns what is wrong.
fn problems(
    events: Vec<RecordedEvent>,
    holes: Vec<Hole>,
    system: Vec<RecordedEvent>,
    head: u64,
) -> Vec<String> {
    let mut walk = Walk { whole: true, ..Walk::default() };
    walk.frame(LogKind::Application, &Frame { events, holes, read_to: Position(head) });
    let newest = system.last().map_or(Position(0), RecordedEvent::position);
    walk.frame(LogKind::System, &Frame { events: system, holes: Vec::new(), read_to: newest });
    walk.end(LogKind::Application, Position(head));
    walk.end(LogKind::System, newest);
    walk.settle_gaps();
    walk.found.problems
}

fn truncation(before: u64) -> RecordedEvent {
    recorded(&Removal::truncation(Uuid::nil(), Revision(before)), 1, "a-1", 0, 9, ALONE)
}

#[test]
fn a_sound_log_has_no_problems() {
    let events = vec![
        event(1, "a-1", 0, 1, (true, false)),
        event(2, "a-2", 0, 1, (false, true)),
        event(3, "a-1", 1, 2, ALONE),
    ];
    assert_eq!(problems(events, Vec::new(), Vec::new(), 3), Vec::<String>::new());
}

#[test]
fn removed_events_are_no_problem_where_a_removal_explains_them() {
    let left = || vec![event(1, "b-1", 0, 1, (true, false)), event(4, "a-1", 2, 2, ALONE)];
    let holes = vec![Hole { from: Position(2), to: Position(3) }];
    assert_eq!(problems(left(), holes.clone(), vec![truncation(2)], 4), Vec::<String>::new());
    // A restored log does not say where they stood.
    assert_eq!(problems(left(), Vec::new(), vec![truncation(2)], 4), Vec::<String>::new());
    let found = problems(left(), holes, vec![truncation(1)], 4);
    assert!(matches!(&found[..], [one] if one.contains("revisions 0 to 1 of a-1")), "{found:?}");
}

#[test]
fn each_rule_that_is_broken_is_told() {
    let cases = [
        (vec![event(1, "a-1", 0, 5, ALONE), event(2, "a-1", 1, 4, ALONE)], 2, "recorded before"),
        (vec![event(1, "a-1", 0, 1, ALONE), event(1, "a-1", 1, 1, ALONE)], 1, "comes after"),
        (vec![event(1, "a-1", 0, 1, ALONE), event(2, "a-1", 2, 1, ALONE)], 2, "revisions 1 to 1"),
        (vec![event(1, "a-1", 0, 1, ALONE), event(2, "a-1", 0, 1, ALONE)], 2, "and 1 was next"),
        (vec![event(1, "a-1", 0, 1, (true, false)), event(2, "a-1", 1, 1, ALONE)], 2, "is not whole"),
        (vec![event(1, "a-1", 0, 1, (false, true))], 1, "is not whole"),
        (vec![event(1, "a-1", 0, 1, (true, false))], 1, "is not whole"),
        (vec![event(1, "a-1", 0, 1, ALONE), event(3, "b-1", 0, 1, ALONE)], 3, "no event at position 2"),
        (vec![event(1, "a-1", 0, 1, ALONE)], 2, "no event at position 2"),
    ];
    for (events, head, problem) in cases {
        let found = problems(events, Vec::new(), Vec::new(), head);
        assert!(matches!(&found[..], [one] if one.contains(problem)), "{problem}: {found:?}");
    }
}
