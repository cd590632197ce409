//! Promise 8: over a long arbitrary history every selection yields what a naive model yields.

use std::collections::BTreeSet;

use ledgerstone_core::ExpectedRevision::Any;
use ledgerstone_core::{
    Append, Batch, Direction, EventData, Metadata, OffsetTime, Position, Query, QueryItem, RecordedEvent,
    Revision, Selection, Tag, TimeRange, Timestamp,
};

use super::arrange::{
    Cases, Events, FreshEvents, event, event_type, read, read_all, stream, tag, tombstone, truncation,
};
use crate::conformance::case::{CaseResult, cases};
use crate::fixed_clock::FixedClock;
use crate::random::Random;

pub(super) fn cases() -> Cases {
    cases![
        8: any_selection_of_an_arbitrary_history_is_what_a_plain_list_yields,
        10: any_selection_of_a_history_with_removals_is_what_a_plain_list_yields,
    ]
}

const TYPES: [&str; 4] = ["opened", "named", "renamed", "closed"];
const TAGS: [&str; 5] = ["red", "green", "blue", "seat:1", "$unique:name:ada"];
const STREAMS: [&str; 6] = ["a-1", "a-2", "b-1", "b-1-c", "plain", "rare-1"];
const SOURCES: [&str; 2] = ["crm", "erp"];

/// Appends some 400 events in batches of one to seven, the clock going on and now and then back.
async fn make_history(store: &Events, clock: &FixedClock, random: &mut Random) -> CaseResult {
    let start = 1_600_000_000;
    for n in 0..140_i64 {
        let jitter = i64::try_from(random.below(20)).unwrap_or(0) - 5;
        clock.set(Timestamp::from_micros((start + n * 10 + jitter) * 1_000_000));
        let mut batch = Batch::default();
        let first = random.below(STREAMS.len());
        for append in 0..=random.below(2) {
            let name = STREAMS[(first + append) % STREAMS.len()];
            // One stream in six gets few events, so that its list is sparse.
            let count = if name == "rare-1" { 1 } else { 1 + random.below(4) };
            let events: Vec<_> = (0..count).map(|_| some_event(random, start)).collect();
            batch.appends.push(if random.below(8) == 0 {
                Append::to_log(events)
            } else {
                Append::to(stream(name), Any, events)
            });
        }
        store.append(batch).await?;
    }
    Ok(())
}

fn some_event(random: &mut Random, start: i64) -> EventData {
    let mut given = event(random.pick(&TYPES));
    given.tags = TAGS.iter().filter(|_| random.below(4) == 0).map(|text| tag(text)).collect();
    given.metadata = Metadata {
        source: (random.below(3) == 0).then(|| random.pick(&SOURCES).to_owned()),
        correlation: (random.below(5) == 0).then(|| format!("order {}", random.below(3))),
        occurred_at: (random.below(2) == 0).then(|| OffsetTime::utc(some_time(random, start))),
        ..Metadata::default()
    };
    given
}

fn some_time(random: &mut Random, start: i64) -> Timestamp {
    Timestamp::from_micros((start + i64::try_from(random.below(1500)).unwrap_or(0)) * 1_000_000)
}

fn some_item(random: &mut Random) -> QueryItem {
    let derived = ["$category:a", "$category:b", "$source:crm", "$correlation:order 1"];
    let mut item = QueryItem::default();
    if random.below(4) == 0 {
        item.stream = Some(stream(random.pick(&STREAMS)));
    }
    item.types = (0..random.below(3)).map(|_| event_type(random.pick(&TYPES))).collect();
    item.tags = (0..random.below(3))
        .map(|_| if random.below(3) == 0 { random.pick(&derived) } else { random.pick(&TAGS) })
        .map(tag)
        .collect::<Vec<Tag>>();
    item
}

fn some_selection(random: &mut Random, head: usize) -> Selection {
    let mut selection = match random.below(5) {
        0 => Selection::all(),
        1 => {
            let mut one = Selection::stream(stream(random.pick(&STREAMS)));
            one.from_revision = (random.below(2) == 0).then(|| Revision(random.below(40) as u64));
            one.to_revision = (random.below(2) == 0).then(|| Revision(random.below(80) as u64));
            one
        }
        _ => Selection::query(Query::any_of((0..=random.below(3)).map(|_| some_item(random)))),
    };
    if random.below(3) == 0 {
        selection.after = Position(random.below(head) as u64);
    }
    selection.up_to = (random.below(3) == 0).then(|| Position(random.below(head + 9) as u64));
    selection.limit = (random.below(3) == 0).then(|| random.below(30) as u64);
    let span = |random: &mut Random| TimeRange {
        from: (random.below(2) == 0).then(|| some_time(random, 1_600_000_000)),
        to: (random.below(2) == 0).then(|| some_time(random, 1_600_000_000)),
    };
    if random.below(4) == 0 {
        selection.recorded = span(random);
    }
    if random.below(4) == 0 {
        selection.occurred = span(random);
    }
    if random.below(2) == 0 {
        selection.direction = Direction::Backwards;
    }
    selection
}

/// What a list of every event yields.
fn naive(all: &[RecordedEvent], removed: &BTreeSet<u64>, selection: &Selection) -> Vec<u64> {
    let selected = all.iter().filter(|event| selection.matches(event));
    let selected = selected.map(|event| event.position().0).filter(|at| !removed.contains(at));
    let mut selected: Vec<_> = selected.collect();
    if selection.direction == Direction::Backwards {
        selected.reverse();
    }
    let limit = selection.limit.and_then(|limit| usize::try_from(limit).ok());
    selected.truncate(limit.unwrap_or(usize::MAX));
    selected
}

async fn must_agree(
    store: &Events,
    all: &[RecordedEvent],
    removed: &BTreeSet<u64>,
    random: &mut Random,
) -> CaseResult {
    for _ in 0..400 {
        let selection = some_selection(random, all.len());
        let kept = read(store, selection.clone()).await?;
        assert_eq!(kept.positions(), naive(all, removed, &selection), "{selection:?}");
    }
    Ok(())
}

/// Promise 8. Four hundred selections drawn with a fixed seed.
async fn any_selection_of_an_arbitrary_history_is_what_a_plain_list_yields(fresh: FreshEvents) -> CaseResult {
    let mut random = Random::new(20_260_101);
    make_history(&fresh.store, &fresh.clock, &mut random).await?;
    let all = read_all(&fresh.store).await?.events;
    must_agree(&fresh.store, &all, &BTreeSet::new(), &mut random).await
}

/// Promise 10. The same after truncations and a deletion.
async fn any_selection_of_a_history_with_removals_is_what_a_plain_list_yields(
    fresh: FreshEvents,
) -> CaseResult {
    let mut random = Random::new(20_260_102);
    make_history(&fresh.store, &fresh.clock, &mut random).await?;
    let all = read_all(&fresh.store).await?.events;
    for removal in [truncation("a-1", 7), truncation("a-1", 3), truncation("plain", 12), tombstone("b-1")] {
        fresh.store.append(removal).await?;
    }
    let is_removed = |event: &&RecordedEvent| match event.stream() {
        Some("a-1") => event.revision() < Some(Revision(7)),
        Some("plain") => event.revision() < Some(Revision(12)),
        other => other == Some("b-1"),
    };
    let removed = all.iter().filter(is_removed).map(|event| event.position().0).collect();
    must_agree(&fresh.store, &all, &removed, &mut random).await
}
