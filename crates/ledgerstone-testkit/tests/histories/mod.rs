//! Histories: one that happened passes, and each lie that is put into it is found.

use std::sync::Arc;

use ledgerstone_core::{
    AppendCondition, Appended, Direction, EventStore, ExpectedRevision, Frame, Heads, Hole, LogKind,
    MarkChange, MarkName, Position, Query, RecordedEvent, Refusal, Revision, Selection, StreamState,
    TenantScope, Timestamp,
};
use ledgerstone_stores::Resources;
use ledgerstone_testkit::history::{Attempt, History, Outcome, Reading, Sighting, Span, Workload};
use ledgerstone_testkit::{Faults, Faulty};
use uuid::Uuid;

async fn memory() -> Arc<dyn EventStore> {
    let locator = "memory:".parse().expect("a locator");
    ledgerstone_stores::open(&locator, &Resources::default()).await.expect("a store").events
}

/// What never happened, put into a history.
type Lie = (&'static str, u32, fn(&mut History));

fn appended(history: &mut History) -> impl Iterator<Item = (&mut Attempt, Appended)> {
    history.attempts.iter_mut().filter_map(|attempt| match attempt.outcome.clone() {
        Outcome::Appended(answer) if !answer.repeated => Some((attempt, answer)),
        _ => None,
    })
}

/// Returns the batch that stands last in the application's count.
fn last(history: &mut History) -> &mut Attempt {
    let attempts = appended(history).max_by_key(|(_, answer)| answer.last.application);
    attempts.expect("an append").0
}

/// Returns the batch that stands first.
fn first(history: &mut History) -> &mut Attempt {
    let attempts = appended(history).filter(|(_, answer)| answer.last.application > Position::START);
    attempts.min_by_key(|(_, answer)| answer.last.application).expect("an append").0
}

fn answer_of(attempt: &mut Attempt) -> &mut Appended {
    match &mut attempt.outcome {
        Outcome::Appended(answer) => answer,
        other => panic!("{other:?}"),
    }
}

/// Returns a reading of everything to the end, forwards.
fn whole(history: &mut History) -> &mut Reading {
    let whole = |reading: &&mut Reading| {
        let Selection { query, direction, limit, log, tenant, .. } = &reading.selection;
        let events: usize = reading.frames.iter().map(|frame| frame.events.len()).sum();
        query.is_all()
            && *direction == Direction::Forwards
            && limit.is_none()
            && *log == LogKind::Application
            && *tenant == TenantScope::All
            && events > 9
    };
    history.readings.iter_mut().rev().find(whole).expect("a reading")
}

/// Puts a reading of everything backwards into the history, as it would be now.
fn backwards(history: &mut History) -> &mut Reading {
    let selection = Selection::all().of(TenantScope::All).backwards();
    let mut events: Vec<RecordedEvent> = history.log[0].clone();
    events.reverse();
    let frames = vec![Frame { events, read_to: Position::START, holes: Vec::new() }];
    let reading = Reading { selection, frames, span: Span { from: u64::MAX - 2, to: u64::MAX - 1 } };
    history.readings.push(reading);
    history.readings.last_mut().expect("a reading")
}

/// Tells of heads in the end.
fn tell(history: &mut History, heads: Heads, follower: Option<usize>) {
    let span = Span { from: u64::MAX - 2, to: u64::MAX - 1 };
    history.sightings.push(Sighting { span, heads, follower });
}

/// Takes a whole batch out of the log, and whoever asked for it out of the history.
fn forget_last(history: &mut History) -> usize {
    let begin = history.log[0].iter().rposition(RecordedEvent::is_batch_first).expect("a batch");
    let id = history.log[0][begin].id();
    history.attempts.retain(|attempt| attempt.batch.events().all(|event| event.id != id));
    begin
}

fn lies_of_the_log() -> Vec<Lie> {
    vec![
        ("an acknowledged batch that is not there", 15, |history| {
            let mut attempt = first(history).clone();
            attempt.batch.appends[0].events[0].id = Uuid::max();
            history.attempts.push(attempt);
        }),
        ("a batch without its first event", 1, |history| {
            let many = |event: &RecordedEvent| event.is_batch_first() && !event.is_batch_last();
            let at = history.log[0].iter().position(many).expect("a batch of several");
            history.log[0].remove(at);
        }),
        ("a batch without its last event", 1, |history| {
            let many = |event: &RecordedEvent| !event.is_batch_first() && event.is_batch_last();
            let at = history.log[0].iter().position(many).expect("a batch of several");
            history.log[0].remove(at);
        }),
        ("a batch that nobody asked for", 1, |history| {
            forget_last(history);
        }),
        ("a batch without its part in the other count", 1, |history| {
            history.log[1].clear();
        }),
        ("a batch that is there twice", 4, |history| {
            let begin = history.log[0].iter().rposition(RecordedEvent::is_batch_first).expect("a batch");
            history.log[0].extend_from_within(begin..);
        }),
        ("another payload", 7, |history| {
            let id = last(history).batch.appends[0].events[0].id;
            for attempt in &mut history.attempts {
                for event in attempt.batch.appends.iter_mut().flat_map(|append| &mut append.events) {
                    if event.id == id {
                        event.payload = "0".into();
                    }
                }
            }
        }),
        ("a position that is missing", 5, |history| {
            let begin = forget_last(history);
            history.log[0].truncate(begin);
        }),
        ("a head that is not reached", 5, |history| history.heads.application.0 += 1),
        ("a batch before one that was known before it was asked for", 5, |history| {
            first(history).span = Span { from: u64::MAX - 2, to: u64::MAX - 1 };
        }),
    ]
}

fn lies_of_guards() -> Vec<Lie> {
    vec![
        ("a guard that did not hold", 2, |history| {
            last(history).batch.appends[0].expected = ExpectedRevision::At(Revision(1_000));
        }),
        ("a condition that did not hold", 3, |history| {
            let condition = AppendCondition { fail_if_match: Query::all(), after: Position::START };
            let tenant = |history: &mut History| last(history).batch.tenant.clone();
            let of = tenant(history);
            assert!(history.log[0].iter().filter(|event| event.tenant() == of.as_str()).count() > 9);
            last(history).batch.condition = Some(condition);
        }),
        ("a condition beyond the head", 3, |history| {
            let condition = AppendCondition { fail_if_match: Query::all(), after: Position(u64::MAX) };
            last(history).batch.condition = Some(condition);
        }),
        ("a change of a mark that did not stand there", 11, |history| {
            let name = MarkName::new("value-0").expect("a name");
            let change = MarkChange::Swap { name, version: u64::MAX, value: None, keep_for: None };
            last(history).batch.marks = vec![change];
        }),
        ("a mark that is gone", 11, |history| {
            history.marks.pop().expect("a mark");
        }),
        ("a mark that nobody changed", 11, |history| history.marks[0].version += 1),
    ]
}

fn lies_of_answers() -> Vec<Lie> {
    vec![
        ("another end than the batch has", 4, |history| answer_of(last(history)).last.application.0 += 1),
        ("another range than the append has", 4, |history| answer_of(last(history)).ranges[0].first.0 -= 1),
        ("a range too many", 4, |history| {
            let answer = answer_of(last(history));
            answer.ranges.push(answer.ranges[0]);
        }),
        ("another time", 14, |history| {
            answer_of(last(history)).recorded_at = Timestamp::from_micros(1);
        }),
        ("nobody is told that the batch is new", 4, |history| answer_of(last(history)).repeated = true),
        ("two are told that the batch is new", 4, |history| {
            let again = last(history).clone();
            history.attempts.push(again);
        }),
        ("one is told that the batch is new after another was told that it is there", 4, |history| {
            let mut earlier = last(history).clone();
            answer_of(&mut earlier).repeated = true;
            earlier.span.to = earlier.span.from;
            last(history).span.from += 1;
            history.attempts.push(earlier);
        }),
        ("a refused batch that is there", 1, |history| {
            let attempt = last(history);
            let (stream, expected) = (attempt.batch.appends[0].stream.clone(), ExpectedRevision::NoStream);
            let actual = StreamState::Missing;
            let stream = stream.expect("a stream");
            attempt.outcome = Outcome::Refused(Refusal::WrongRevision { stream, expected, actual });
        }),
        ("a failed batch that is there", 1, |history| {
            last(history).outcome = Outcome::Failed("the disk is gone".to_owned());
        }),
        ("a refusal by a revision that the stream never had", 2, |history| {
            refuse(history, |refusal| match refusal {
                Refusal::WrongRevision { actual, .. } => {
                    *actual = StreamState::At(Revision(77_777));
                    true
                }
                _ => false,
            });
        }),
        ("a refusal by an event that does not match", 3, |history| {
            refuse(history, |refusal| match refusal {
                Refusal::ConditionFailed { position } => {
                    *position = Position(u64::MAX);
                    true
                }
                _ => false,
            });
        }),
        ("a refusal by a head that is not the log's", 3, |history| {
            refuse(history, |refusal| match refusal {
                Refusal::BeyondHead { head, .. } => {
                    *head = Position(u64::MAX);
                    true
                }
                _ => false,
            });
        }),
        ("a refusal by an id that nobody used", 4, |history| {
            refuse(history, |refusal| match refusal {
                Refusal::IdReused { id } => {
                    *id = Uuid::max();
                    true
                }
                _ => false,
            });
        }),
        ("a refusal by a mark that never stood there", 11, |history| {
            refuse(history, |refusal| match refusal {
                Refusal::MarkNotMet { version, .. } => {
                    *version = 77_777;
                    true
                }
                _ => false,
            });
        }),
    ]
}

/// Changes the first refusal of a kind.
fn refuse(history: &mut History, change: fn(&mut Refusal) -> bool) {
    let changed = history.attempts.iter_mut().any(|attempt| match &mut attempt.outcome {
        Outcome::Refused(refusal) => change(refusal),
        _ => false,
    });
    assert!(changed, "nobody was refused like that");
}

fn lies_of_readers() -> Vec<Lie> {
    vec![
        ("a head beyond the log", 6, |history| {
            let application = Position(history.heads.application.0 + 1);
            tell(history, Heads { application, ..history.heads }, None);
        }),
        ("a head before what was known", 6, |history| tell(history, Heads::default(), None)),
        ("a head within a batch", 6, |history| {
            let within = |event: &&RecordedEvent| !event.is_batch_last();
            let application = history.log[0].iter().find(within).expect("a batch").position();
            let span = Span { from: 0, to: u64::MAX };
            history.sightings.push(Sighting {
                span,
                heads: Heads { application, ..Heads::default() },
                follower: None,
            });
        }),
        ("a head that was told before anybody asked for it", 6, |history| {
            let span = Span { from: 0, to: 0 };
            let heads = history.heads;
            history.sightings.push(Sighting { span, heads, follower: None });
            // Then it was known too early as well, unless nobody asked for anything that early.
            for attempt in &mut history.attempts {
                attempt.span.from = 0;
            }
        }),
        ("heads that go back for who follows", 9, |history| {
            let span = Span { from: 0, to: u64::MAX };
            let heads = history.heads;
            history.sightings.push(Sighting { span, heads, follower: Some(99) });
            history.sightings.push(Sighting { span, heads: Heads::default(), follower: Some(99) });
        }),
        ("an event that is left out", 6, |history| {
            whole(history).frames[0].events.remove(3);
        }),
        ("events in disorder", 6, |history| whole(history).frames[0].events.swap(2, 3)),
        ("an event with another one's bytes", 7, |history| {
            let other = history.log[0][0].clone();
            let frame = &mut whole(history).frames[0];
            let place = frame.events[3].position();
            let mut bytes = other.as_bytes().to_vec();
            bytes[8..16].copy_from_slice(&place.0.to_le_bytes());
            frame.events[3] = RecordedEvent::trusted(bytes.into());
        }),
        ("a hole where nothing was removed", 10, |history| {
            let hole = Hole { from: Position(1), to: Position(1) };
            whole(history).frames[0].holes.push(hole);
        }),
        ("a reading that goes back", 6, |history| {
            let reading = whole(history);
            let mut frame = reading.frames[0].clone();
            frame.events.clear();
            frame.read_to = Position::START;
            reading.frames.push(frame);
        }),
        ("a reading that ends before what was known", 6, |history| {
            let reading = whole(history);
            reading.span = Span { from: u64::MAX - 2, to: u64::MAX - 1 };
            reading.frames.truncate(1);
            let frame = &mut reading.frames[0];
            frame.events.truncate(1);
            frame.read_to = frame.events[0].position();
        }),
        ("a reading of what was asked for later", 5, |history| {
            let (from, to) = (1, u64::MAX / 2);
            last(history).span = Span { from: to + 1, to: to + 2 };
            let id = last(history).batch.appends[0].events[0].id;
            let of_last = |attempt: &Attempt| attempt.batch.events().any(|event| event.id == id);
            let newest = last(history).clone();
            history.attempts.retain(|attempt| !of_last(attempt));
            history.attempts.push(newest);
            history.sightings.clear();
            history.readings.clear();
            let reading = backwards(history);
            reading.span = Span { from, to };
        }),
        ("a reading backwards without its newest event", 6, |history| {
            backwards(history).frames[0].events.remove(0);
        }),
    ]
}

/// A history in which everything happened that some lie is about: who overtakes whom is up to the threads.
async fn happened() -> History {
    for seed in 20_261_121..20_261_171 {
        let workload = Workload { rounds: 40, ..Workload::new(seed) };
        let history = workload.run(memory().await).await.expect("a history");
        if has_every_refusal(&history) {
            return history;
        }
    }
    panic!("no history has every kind of refusal");
}

fn has_every_refusal(history: &History) -> bool {
    let refusals = || {
        history.attempts.iter().filter_map(|attempt| match &attempt.outcome {
            Outcome::Refused(refusal) => Some(refusal),
            _ => None,
        })
    };
    let has = |is: fn(&Refusal) -> bool| refusals().any(is);
    has(|refusal| matches!(refusal, Refusal::WrongRevision { .. }))
        && has(|refusal| matches!(refusal, Refusal::BeyondHead { .. }))
        && has(|refusal| matches!(refusal, Refusal::ConditionFailed { .. }))
        && has(|refusal| matches!(refusal, Refusal::IdReused { .. }))
        && has(|refusal| matches!(refusal, Refusal::MarkNotMet { .. }))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_lie_in_a_history_is_found() {
    let history = happened().await;
    history.check().expect("what happened may happen");
    let mut missed = Vec::new();
    let lies = [lies_of_the_log(), lies_of_guards(), lies_of_answers(), lies_of_readers()];
    for (lie, promise, tell) in lies.into_iter().flatten() {
        let mut history = history.clone();
        tell(&mut history);
        match history.check() {
            Err(violation) if violation.promise == promise => {}
            other => missed.push(format!("{lie} (promise {promise}): {other:?}")),
        }
    }
    assert!(missed.is_empty(), "{missed:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_history_with_lost_answers_passes() {
    let faults = Faults::none();
    for _ in 0..20 {
        faults.fail(ledgerstone_testkit::Call::Append, ledgerstone_testkit::Fault::After);
        faults.fail(ledgerstone_testkit::Call::Append, ledgerstone_testkit::Fault::Before);
    }
    let store: Arc<dyn EventStore> = Arc::new(Faulty::new(memory().await, faults));
    let history = Workload::new(7).run(store).await.expect("a history");
    let (_, _, unknown) = history.answers();
    assert!(unknown > 0);
    history.check().expect("what happened may happen");
}
