//! Mutants that read something else than was selected (promise 8).

use ledgerstone_core::{Direction, Frame, LogKind, Position, Query, QueryItem, RecordedEvent, Selection};

use super::broken::{Mutant, broken};

pub(super) fn mutants() -> Vec<Mutant> {
    [matching(), going_on(), bounding()].into_iter().flatten().collect()
}

/// Changes the items of a selection.
fn items(mut selection: Selection, change: impl Fn(QueryItem) -> Vec<QueryItem>) -> Selection {
    if !selection.query.items().is_empty() {
        selection.query = Query::any_of(selection.query.items().iter().cloned().flat_map(change));
    }
    selection
}

fn frame(events: Vec<RecordedEvent>, read_to: Position) -> Frame {
    Frame { events, read_to, holes: Vec::new() }
}

fn matching() -> Vec<Mutant> {
    vec![
        Mutant::new("compares the beginnings of stream names")
            .read(broken!(|beneath, selection| {
                let Some(name) = selection.query.as_stream().cloned() else {
                    return beneath.read(selection).await;
                };
                let mut frames = beneath.read(Selection { query: Query::all(), ..selection }).await?;
                for frame in &mut frames {
                    let begins = |event: &RecordedEvent| {
                        event.stream().is_some_and(|own| own.starts_with(name.as_str()))
                    };
                    frame.events.retain(begins);
                }
                Ok(frames)
            }))
            .caught_by(&["a_stream_is_read_alone"]),
        Mutant::new("looks at the first type only")
            .read(broken!(|beneath, selection| {
                let first = |item: QueryItem| {
                    vec![QueryItem { types: item.types.into_iter().take(1).collect(), ..item }]
                };
                beneath.read(items(selection, first)).await
            }))
            .caught_by(&["types_select_events_of_any_of_them"]),
        Mutant::new("takes any tag for all")
            .read(broken!(|beneath, selection| {
                let apart = |item: QueryItem| match item.tags.len() {
                    0 | 1 => vec![item],
                    _ => item
                        .tags
                        .iter()
                        .map(|tag| QueryItem { tags: vec![tag.clone()], ..item.clone() })
                        .collect(),
                };
                beneath.read(items(selection, apart)).await
            }))
            .caught_by(&[
                "tags_select_events_with_all_of_them",
                "any_selection_of_an_arbitrary_history_is_what_a_plain_list_yields",
            ]),
        Mutant::new("derives no tags")
            .read(broken!(|beneath, selection| {
                let own = |item: QueryItem| {
                    let tags = item.tags.iter().filter(|tag| !tag.is_derived()).cloned().collect();
                    vec![QueryItem { tags, ..item }]
                };
                beneath.read(items(selection, own)).await
            }))
            .caught_by(&["a_category_selects_its_streams", "source_and_correlation_select_events"]),
        Mutant::new("ignores tags beside a stream")
            .read(broken!(|beneath, selection| {
                let untagged = |item: QueryItem| match item.stream {
                    Some(_) => vec![QueryItem { tags: Vec::new(), ..item }],
                    None => vec![item],
                };
                beneath.read(items(selection, untagged)).await
            }))
            .caught_by(&["a_stream_a_type_and_a_tag_select_together"]),
        Mutant::new("yields an event once for each item that it matches")
            .read(broken!(|beneath, selection| {
                let mut frames = beneath.read(selection.clone()).await?;
                for frame in &mut frames {
                    let times = |event: &RecordedEvent| {
                        selection.query.items().iter().filter(|item| item.matches(event)).count().max(1)
                    };
                    let events = std::mem::take(&mut frame.events).into_iter();
                    frame.events = events.flat_map(|event| vec![event.clone(); times(&event)]).collect();
                }
                Ok(frames)
            }))
            .caught_by(&["items_are_alternatives_and_an_event_comes_once"]),
        Mutant::new("looks at sixteen items only")
            .read(broken!(|beneath, mut selection| {
                selection.query = Query::any_of(selection.query.items().iter().take(16).cloned());
                beneath.read(selection).await
            }))
            .caught_by(&["many_items_are_taken"]),
        Mutant::new("reads the application's count whichever is asked for")
            .read(broken!(|beneath, selection| {
                beneath.read(Selection { log: LogKind::Application, ..selection }).await
            }))
            .caught_by(&["each_count_is_read_by_itself"]),
    ]
}

fn going_on() -> Vec<Mutant> {
    vec![
        Mutant::new("stands still where nothing matches")
            .read(broken!(|beneath, selection| {
                let mut frames = beneath.read(selection.clone()).await?;
                for frame in &mut frames {
                    frame.read_to = frame.events.last().map_or(selection.after, RecordedEvent::position);
                }
                Ok(frames)
            }))
            .caught_by(&["reading_moves_on_where_nothing_matches"]),
        Mutant::new("reads an empty log to a position that it does not have")
            .read(broken!(|beneath, selection| {
                let frames = beneath.read(selection).await?;
                let empty = frames.iter().all(|frame| frame.events.is_empty());
                Ok(if empty { vec![frame(Vec::new(), Position(7))] } else { frames })
            }))
            .caught_by(&["an_empty_log_yields_nothing"]),
        Mutant::new("begins a frame with the last event of the one before")
            .read(broken!(|beneath, selection| {
                let all = beneath.events(selection).await?;
                let mut frames: Vec<Frame> = Vec::new();
                for part in all.chunks(400) {
                    let before = frames.last().and_then(|frame| frame.events.last()).cloned();
                    let events: Vec<_> = before.into_iter().chain(part.iter().cloned()).collect();
                    let read_to = part.last().map_or(Position::START, RecordedEvent::position);
                    frames.push(frame(events, read_to));
                }
                Ok(frames)
            }))
            .caught_by(&["frames_of_a_long_log_follow_each_other"]),
        Mutant::new("has read to the head though its limit ended it")
            .read(broken!(|beneath, selection| {
                let head = beneath.store.head().await?.heads.application;
                let mut frames = beneath.read(selection.clone()).await?;
                if let (Some(_), Some(last)) = (selection.limit, frames.last_mut()) {
                    last.read_to =
                        if selection.direction == Direction::Forwards { head } else { Position(1) };
                }
                Ok(frames)
            }))
            .caught_by(&[
                "a_limited_reading_goes_on_where_it_ended",
                "holes_keep_to_the_bounds_of_the_reading",
            ]),
    ]
}

fn bounding() -> Vec<Mutant> {
    vec![
        Mutant::new("reads backwards in the order of forwards")
            .read(broken!(|beneath, selection| {
                let backwards = selection.direction == Direction::Backwards;
                let mut frames = beneath.read(selection).await?;
                if backwards {
                    frames.iter_mut().for_each(|frame| frame.events.reverse());
                }
                Ok(frames)
            }))
            .caught_by(&["forwards_is_oldest_first_and_backwards_newest_first"]),
        Mutant::new("includes the position to read after")
            .read(broken!(|beneath, mut selection| {
                selection.after = Position(selection.after.0.saturating_sub(1));
                beneath.read(selection).await
            }))
            .caught_by(&["positions_bound_a_reading"]),
        Mutant::new("leaves the last revision out")
            .read(broken!(|beneath, mut selection| {
                if let Some(to) = &mut selection.to_revision {
                    to.0 = to.0.saturating_sub(1);
                }
                beneath.read(selection).await
            }))
            .caught_by(&["revisions_bound_the_reading_of_a_stream"]),
        Mutant::new("ignores revisions where there is more than one stream")
            .read(broken!(|beneath, mut selection| {
                if selection.query.as_stream().is_none() {
                    (selection.from_revision, selection.to_revision) = (None, None);
                }
                beneath.read(selection).await
            }))
            .caught_by(&["revisions_of_more_than_one_stream_are_refused"]),
        Mutant::new("reads one more than the limit")
            .read(broken!(|beneath, mut selection| {
                selection.limit = selection.limit.map(|limit| limit.saturating_add(1));
                beneath.read(selection).await
            }))
            .caught_by(&["a_limit_ends_a_reading"]),
        Mutant::new("takes the oldest for the newest")
            .read(broken!(|beneath, mut selection| {
                if selection.limit == Some(1) {
                    selection.direction = Direction::Forwards;
                }
                beneath.read(selection).await
            }))
            .caught_by(&["the_newest_event_is_found_from_behind"]),
        Mutant::new("takes the time of recording for the time of happening")
            .read(broken!(|beneath, mut selection| {
                if !selection.occurred.is_all() {
                    selection.recorded = std::mem::take(&mut selection.occurred);
                }
                beneath.read(selection).await
            }))
            .caught_by(&["what_happened_in_a_span_is_selected"]),
        Mutant::new("reads large numbers as negative ones")
            .read(broken!(|beneath, mut selection| {
                if i64::try_from(selection.after.0).is_err() {
                    selection.after = Position::START;
                }
                beneath.read(selection).await
            }))
            .caught_by(&["bounds_beyond_every_number_are_taken"]),
    ]
}
