//! Mutants that count wrongly, show too early or too late, or tell wrong times (promises 5, 6, 9, 14).

use futures_util::{StreamExt, stream};
use ledgerstone_core::{
    Append, Batch, Clock, EventData, EventType, Frame, Heads, LogHead, LogKind, Position, TimeRange,
    Timestamp,
};
use uuid::Uuid;

use super::broken::{Mutant, broken, rewrite_all};

pub(super) fn mutants() -> Vec<Mutant> {
    [counting(), settling(), waking(), timing()].into_iter().flatten().collect()
}

fn filler() -> Batch {
    let name = EventType::new("filler").expect("a type");
    Batch::of(Append::to_log(vec![EventData::json(Uuid::now_v7(), name, "{}")]))
}

fn counting() -> Vec<Mutant> {
    vec![
        Mutant::new("skips positions")
            .read(broken!(|beneath, selection| {
                let mut frames = beneath.read(selection).await?;
                frames.iter_mut().for_each(|frame| frame.read_to.0 *= 2);
                rewrite_all(Ok(frames), |parts| {
                    parts.stamp.position.0 = parts.stamp.position.0 * 2 - 1;
                })
            }))
            .caught_by(&["positions_count_from_one", "concurrent_appends_leave_no_gap"]),
        Mutant::new("counts revisions from one")
            .read(broken!(|beneath, selection| {
                rewrite_all(beneath.read(selection).await, |parts| parts.stamp.revision.0 += 1)
            }))
            .caught_by(&["revisions_count_from_zero_in_each_stream"]),
        Mutant::new("counts system events together with the others")
            .read(broken!(|beneath, selection| {
                let head = beneath.store.head().await?.heads.application;
                let together = selection.log == LogKind::System;
                rewrite_all(beneath.read(selection).await, |parts| {
                    if together {
                        parts.stamp.position.0 += head.0;
                    }
                })
            }))
            .caught_by(&["system_events_are_counted_apart"]),
        Mutant::new("uses a number for a refusal")
            .append(broken!(|beneath, batch| {
                let answer = beneath.store.append(batch).await;
                if answer.is_err() {
                    beneath.store.append(filler()).await?;
                }
                answer
            }))
            .caught_by(&["refusals_repetitions_and_marks_use_no_number"]),
        Mutant::new("uses a number for marks alone")
            .append(broken!(|beneath, mut batch| {
                if batch.appends.is_empty() && !batch.marks.is_empty() {
                    batch.appends = filler().appends;
                }
                beneath.store.append(batch).await
            }))
            .caught_by(&["marks_alone_take_no_position", "refusals_repetitions_and_marks_use_no_number"]),
        Mutant::new("answers in another order")
            .append(broken!(|beneath, batch| {
                let mut answer = beneath.store.append(batch).await?;
                answer.ranges.reverse();
                Ok(answer)
            }))
            .caught_by(&["an_answer_tells_where_each_append_stands"]),
    ]
}

fn settling() -> Vec<Mutant> {
    vec![
        Mutant::new("shows every other event late")
            .read(broken!(|beneath, selection| {
                let mut frames = beneath.read(selection).await?;
                let mut shown = beneath.positions.lock();
                for frame in &mut frames {
                    frame.events.retain(|event| {
                        let at = event.position().0;
                        let hidden = at % 2 == 0 && !shown.contains(&at);
                        shown.extend(hidden.then_some(at));
                        !hidden
                    });
                }
                Ok(frames)
            }))
            .caught_by(&[
                "a_reader_beside_writers_never_meets_a_gap",
                "a_checkpoint_beside_writers_misses_nothing_that_matches",
            ]),
        Mutant::new("shows a batch before it is whole")
            .read(broken!(|beneath, selection| {
                let mut frames = beneath.read(selection).await?;
                if let Some(frame) = frames.last_mut()
                    && let Some(last) = frame.events.last().map(|event| event.position())
                    && !beneath.positions.lock().contains(&last.0)
                {
                    beneath.positions.lock().push(last.0);
                    frame.events.pop();
                    frame.read_to = Position(last.0 - 1);
                }
                Ok(frames)
            }))
            .caught_by(&["a_reader_beside_writers_never_sees_a_part_of_a_batch"]),
        Mutant::new("tells a head that lags behind")
            .head(|beneath| {
                Box::pin(async move {
                    let LogHead { log, mut heads } = beneath.store.head().await?;
                    heads.application = Position(heads.application.0.saturating_sub(1));
                    Ok(LogHead { log, heads })
                })
            })
            .caught_by(&["what_was_acknowledged_is_read_at_once"]),
        Mutant::new("reads on into what is appended meanwhile")
            .reads_on()
            .caught_by(&["a_reading_ends_at_the_head_that_it_began_with"]),
    ]
}

fn waking() -> Vec<Mutant> {
    vec![
        Mutant::new("tells heads only after the first move")
            .changes(|beneath| beneath.store.changes().skip(1).boxed())
            .caught_by(&["the_heads_are_told_at_once"]),
        Mutant::new("wakes nobody but the first who waits")
            .changes(|beneath| {
                let changes = beneath.store.changes();
                if beneath.asked_before() {
                    changes.take(1).chain(stream::pending()).boxed()
                } else {
                    changes
                }
            })
            .caught_by(&["an_append_wakes_everybody_who_waits"]),
        Mutant::new("wakes nobody for system events")
            .changes(|beneath| {
                let application = |heads: Heads| Heads { system: Position::START, ..heads };
                beneath.store.changes().map(application).boxed()
            })
            .caught_by(&["a_system_event_wakes_too"]),
        Mutant::new("tells heads out of order")
            .changes(|beneath| {
                let disordered = |heads: Heads| {
                    let ahead = Heads { application: heads.application.next(), ..heads };
                    stream::iter([ahead, heads])
                };
                beneath.store.changes().flat_map(disordered).boxed()
            })
            .caught_by(&["heads_that_are_told_never_go_back"]),
        Mutant::new("falls asleep after a move")
            .changes(|beneath| beneath.store.changes().take(2).chain(stream::pending()).boxed())
            .caught_by(&["every_append_is_told_in_the_end"]),
    ]
}

fn timing() -> Vec<Mutant> {
    vec![
        Mutant::new("keeps whole milliseconds")
            .read(broken!(|beneath, selection| {
                rewrite_all(beneath.read(selection).await, |parts| {
                    let micros = parts.stamp.recorded_at.as_micros();
                    parts.stamp.recorded_at = Timestamp::from_micros(micros / 1000 * 1000);
                })
            }))
            .caught_by(&["events_are_recorded_at_the_time_of_the_clock"]),
        Mutant::new("takes the clock as it comes")
            .append(broken!(|beneath, batch| {
                let mut answer = beneath.store.append(batch.clone()).await?;
                answer.recorded_at = beneath.clock.now();
                beneath.batches.lock().push((batch, answer.clone()));
                Ok(answer)
            }))
            .read(broken!(|beneath, selection| {
                let frames = beneath.read(selection).await;
                let batches = beneath.batches.lock();
                rewrite_all(frames, |parts| {
                    let mut ids = batches
                        .iter()
                        .filter(|(batch, _)| batch.events().any(|event| event.id == parts.data.id));
                    if let Some((_, answer)) = ids.next() {
                        parts.stamp.recorded_at = answer.recorded_at;
                    }
                })
            }))
            .caught_by(&[
                "a_clock_that_goes_back_takes_no_event_with_it",
                "time_does_not_fall_after_the_store_was_opened_again",
            ]),
        Mutant::new("includes the end of a span")
            .read(broken!(|beneath, mut selection| {
                selection.recorded.to =
                    selection.recorded.to.map(|to| Timestamp::from_micros(to.as_micros() + 1));
                beneath.read(selection).await
            }))
            .caught_by(&["a_span_includes_its_beginning_and_not_its_end"]),
        Mutant::new("finds the second of those that share a time")
            .read(broken!(|beneath, selection| {
                let TimeRange { from, .. } = selection.recorded;
                let mut frames = beneath.read(selection).await?;
                if let Some(Frame { events, .. }) = frames.first_mut() {
                    let shared = events.iter().filter(|event| Some(event.recorded_at()) == from).count();
                    if shared > 1 {
                        events.remove(0);
                    }
                }
                Ok(frames)
            }))
            .caught_by(&["a_span_is_read_where_many_events_share_a_time"]),
        Mutant::new("times each event of a batch by itself")
            .read(broken!(|beneath, selection| {
                rewrite_all(beneath.read(selection).await, |parts| {
                    let micros = parts.stamp.recorded_at.as_micros();
                    let position = i64::try_from(parts.stamp.position.0).expect("a small position");
                    parts.stamp.recorded_at = Timestamp::from_micros(micros + position);
                })
            }))
            .caught_by(&["a_batch_has_one_time"]),
    ]
}
