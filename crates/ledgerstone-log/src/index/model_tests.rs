//! Runs against a model: whatever is fed, merged, asked or broken, an answer is right or an error.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use ledgerstone_core::{Heads, LogKind, Position};
use proptest::prelude::*;

use super::block::{BLOCK_BYTES, BlockFile};
use super::builder::RunBuilder;
use super::covers::Covers;
use super::failure::IndexError;
use super::fences::ReadFences;
use super::footer::FOOTER_BYTES;
use super::id_block;
use super::list_block::ListEntry;
use super::memory_file::MemoryFile;
use super::merge::{merge, merge_with};
use super::run::Run;
use crate::reader::Patience;

/// What a run is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Part {
    covers: Covers,
    lists: BTreeMap<u64, (Option<u64>, Vec<u64>)>,
    ids: BTreeSet<(u64, LogKind, u64)>,
}

#[derive(Debug, Clone)]
struct Event {
    log: LogKind,
    gap: u64,
    stream: u64,
    skips_a_revision: bool,
    terms: BTreeSet<u64>,
    key: u64,
}

fn event() -> impl Strategy<Value = Event> {
    let log = prop_oneof![5 => Just(LogKind::Application), 1 => Just(LogKind::System)];
    let gap = prop_oneof![4 => Just(1), 2 => 1..300_u64, 1 => 1..1_u64 << 40];
    let skips = proptest::bool::weighted(0.02);
    let terms = proptest::collection::btree_set(0..14_u64, 0..4);
    let key = prop_oneof![0..30_u64, any::<u64>(), u64::MAX - 5..=u64::MAX];
    (log, gap, 0..8_u64, skips, terms, key).prop_map(|(log, gap, stream, skips_a_revision, terms, key)| {
        Event { log, gap, stream, skips_a_revision, terms, key }
    })
}

/// Returns parts that follow each other.
fn parts() -> impl Strategy<Value = Vec<Part>> {
    let events = proptest::collection::vec(event(), 0..120);
    let before = prop_oneof![Just(0), 0..1_u64 << 50];
    (before, proptest::collection::vec(events, 1..=5)).prop_map(|(before, parts)| {
        let mut heads = Heads { application: Position(before), system: Position(before / 3) };
        let mut revisions = HashMap::new();
        parts.iter().map(|events| part(events, &mut heads, &mut revisions)).collect()
    })
}

fn part(events: &[Event], heads: &mut Heads, revisions: &mut HashMap<u64, u64>) -> Part {
    let before = *heads;
    let (mut lists, mut ids) = (BTreeMap::<u64, (Option<u64>, Vec<u64>)>::new(), BTreeSet::new());
    for event in events {
        let position = heads.of(event.log).0 + event.gap;
        heads.set(event.log, Position(position));
        ids.insert((event.key, event.log, position));
        let stream = term(event.log, 100 + event.stream);
        let next = revisions.entry(stream).or_default();
        *next += u64::from(event.skips_a_revision);
        let list = lists.entry(stream).or_insert((Some(*next), Vec::new()));
        list.0 = list.0.filter(|first| first + list.1.len() as u64 == *next);
        list.1.push(position);
        *next += 1;
        for number in &event.terms {
            lists.entry(term(event.log, *number)).or_insert((None, Vec::new())).1.push(position);
        }
    }
    Part { covers: Covers::between(before, *heads), lists, ids }
}

fn term(log: LogKind, number: u64) -> u64 {
    match number {
        0 => log as u64,
        1 => u64::MAX - log as u64,
        _ => (number * 2 + log as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15),
    }
}

fn union(parts: &[Part]) -> Part {
    let mut all = parts[0].clone();
    for next in &parts[1..] {
        all.covers = all.covers.join(next.covers).expect("neighbours");
        all.ids.extend(&next.ids);
        for (term, (revision, positions)) in &next.lists {
            let list = all.lists.entry(*term).or_insert((*revision, Vec::new()));
            let expected = list.0.map(|first| first + list.1.len() as u64);
            list.0 = list.0.filter(|_| expected == *revision);
            list.1.extend(positions);
        }
    }
    all
}

fn build(part: &Part, block_bytes: usize) -> (Arc<MemoryFile>, Run) {
    let file = MemoryFile::of(Vec::new());
    let mut builder = RunBuilder::with_block_bytes(Arc::clone(&file) as _, part.covers, block_bytes);
    for (term, (revision, positions)) in &part.lists {
        builder.list(*term, *revision, positions.iter().copied()).expect("a list");
    }
    for (key, log, position) in &part.ids {
        builder.id(*key, *log, *position).expect("an id");
    }
    let run = builder.finish().expect("a run");
    assert!(file.is_synced());
    (file, run)
}

/// Takes an answer unless it is an error, which a damaged file may give.
fn take<T>(answer: Result<T, IndexError>, sound: bool) -> Option<T> {
    assert!(answer.is_ok() || !sound, "{:?}", answer.err());
    answer.ok()
}

/// Compares every answer of a run with the model; `sound` says that it must not fail either.
fn compare(run: &Run, model: &Part, sound: bool) {
    let none = (None, Vec::new());
    for number in (0..16).chain(100..110) {
        for log in [LogKind::Application, LogKind::System] {
            let term = term(log, number);
            let (revision, positions) = model.lists.get(&term).unwrap_or(&none);
            assert!(run.may_hold_term(term) || positions.is_empty());
            compare_list(run, term, *revision, positions, sound);
        }
    }
    let absent = [31, 1 << 60].into_iter();
    for key in model.ids.iter().map(|(key, ..)| *key).chain(absent) {
        let expected: Vec<_> =
            model.ids.range((key, LogKind::Application, 0)..).take_while(|id| id.0 == key).collect();
        assert!(run.may_hold_id(key) || expected.is_empty());
        let mut found = Vec::new();
        if take(run.ids(key, Patience::Wait, &mut found), sound).is_some() {
            assert_eq!(found, expected.iter().map(|(_, log, at)| (*log, *at)).collect::<Vec<_>>(), "{key}");
        } else {
            assert_eq!(found, []);
        }
    }
}

fn compare_list(run: &Run, term: u64, revision: Option<u64>, positions: &[u64], sound: bool) {
    let count = positions.len() as u64;
    if let Some(newest) = take(run.newest(term, Patience::Wait), sound) {
        let expected = positions.last().map(|last| (*last, revision.map(|first| first + count - 1)));
        assert_eq!(newest, expected);
    }
    let first = revision.unwrap_or(3);
    for asked in first.saturating_sub(2)..first + count + 2 {
        if let Some(found) = take(run.position_of(term, asked, Patience::Wait), sound) {
            let at = revision.and_then(|first| asked.checked_sub(first));
            assert_eq!(found, at.and_then(|at| positions.get(at as usize)).copied());
        }
    }
    let edge = |at: usize| positions.get(at).copied().unwrap_or(7);
    let (third, half) = (edge(positions.len() / 3), edge(positions.len() / 2));
    let ranges =
        [(0, u64::MAX), (third, half), (third + 1, half - 1), (half, third), (0, third), (half, u64::MAX)];
    for ((low, high), limit) in ranges.into_iter().zip([1, 0, 5, 2, 1000, 3]) {
        let within = positions.iter().copied().filter(|position| (low..=high).contains(position));
        let expected: Vec<_> = within.collect();
        compare_range(run, term, (low, high), limit, &expected, sound);
    }
}

/// Pages through a range in both directions.
fn compare_range(run: &Run, term: u64, (low, high): (u64, u64), limit: usize, expected: &[u64], sound: bool) {
    for forwards in [true, false] {
        let (mut from, mut to) = (low, high);
        let mut found = vec![u64::MAX];
        loop {
            let before = found.len();
            let more = run.positions(term, (from, to), forwards, limit, Patience::Wait, &mut found);
            let Some(more) = take(more, sound) else {
                assert_eq!(found.len(), before);
                return;
            };
            if !more {
                break;
            }
            assert!(found.len() > before, "more was promised, and nothing given");
            let last = found[found.len() - 1];
            if forwards { from = last + 1 } else { to = last - 1 }
        }
        let mut expected = expected.to_vec();
        if !forwards {
            expected.reverse();
        }
        assert_eq!(found[1..], expected, "{low}..={high} of {term}, forwards: {forwards}");
    }
}

/// Merges adjacent runs that were built apart.
fn merged(parts: &[Part], block_bytes: usize) -> (Arc<MemoryFile>, Run) {
    let runs: Vec<_> = parts.iter().map(|part| Arc::new(build(part, block_bytes).1)).collect();
    let file = MemoryFile::of(Vec::new());
    let run = merge_with(&runs, (Arc::clone(&file) as _, 0), &|| true, block_bytes).expect("a merge");
    (file, run)
}

fn sizes() -> impl Strategy<Value = usize> {
    prop_oneof![Just(64), Just(65), Just(100), Just(BLOCK_BYTES)]
}

proptest! {
    #[test]
    fn every_answer_is_the_one_of_the_model(parts in parts(), size in sizes()) {
        let model = union(&parts);
        let (file, run) = build(&model, size);
        compare(&run, &model, true);
        let opened = Run::open(file).expect("a sound file");
        prop_assert_eq!(opened.covers(), model.covers);
        prop_assert_eq!(opened.terms(), model.lists.len() as u64);
        prop_assert_eq!(opened.id_count(), model.ids.len() as u64);
        prop_assert_eq!((opened.bytes(), opened.memory()), (run.bytes(), run.memory()));
        compare(&opened, &model, true);
    }

    #[test]
    fn merging_makes_the_bytes_that_building_at_once_makes(parts in parts(), size in sizes()) {
        let (whole, _) = build(&union(&parts), size);
        let (file, run) = merged(&parts, size);
        prop_assert!(whole.bytes() == file.bytes());
        compare(&run, &union(&parts), true);
        // Merged step by step, it is the same again.
        let mut last = Arc::new(build(&parts[0], size).1);
        let mut bytes = build(&parts[0], size).0.bytes();
        for part in &parts[1..] {
            let file = MemoryFile::of(Vec::new());
            let next = Arc::new(build(part, size).1);
            last = Arc::new(merge_with(&[last, next], (Arc::clone(&file) as _, 0), &|| true, size).expect("a merge"));
            bytes = file.bytes();
        }
        prop_assert!(whole.bytes() == bytes);
    }

    #[test]
    fn flipped_bits_never_give_a_wrong_answer(
        parts in parts(),
        size in sizes(),
        flips in proptest::collection::vec(any::<prop::sample::Index>(), 1..4),
    ) {
        let model = union(&parts);
        let mut bytes = build(&model, size).0.bytes();
        let bits: BTreeSet<_> = flips.iter().map(|flip| flip.index(bytes.len() * 8)).collect();
        bits.iter().for_each(|bit| bytes[bit / 8] ^= 1 << (bit % 8));
        if let Ok(run) = Run::open(MemoryFile::of(bytes)) {
            compare(&run, &model, false);
        }
    }

    #[test]
    fn what_is_cut_lengthened_or_shifted_is_no_run(parts in parts(), cut in any::<prop::sample::Index>()) {
        let bytes = build(&union(&parts), 64).0.bytes();
        let at = cut.index(bytes.len());
        prop_assert!(Run::open(MemoryFile::of(bytes[..at].to_vec())).is_err());
        prop_assert!(Run::open(MemoryFile::of(bytes[at + 1..].to_vec())).is_err());
        prop_assert!(Run::open(MemoryFile::of([&bytes[..], &bytes[..at + 1]].concat())).is_err() || at + 1 == bytes.len());
    }

    #[test]
    fn random_bytes_are_no_run(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        prop_assert!(Run::open(MemoryFile::of(bytes)).is_err());
    }

    #[test]
    fn random_content_behind_a_right_checksum_never_panics(
        parts in parts(),
        contents in proptest::collection::vec(proptest::collection::vec(0..24_u8, 0..58), 1..40),
    ) {
        let model = union(&parts);
        let sound = build(&model, 64).0;
        let file = MemoryFile::of(sound.bytes());
        let mut blocks = BlockFile::new(Arc::clone(&file) as _, model.covers, 64);
        let all = (sound.bytes().len() - FOOTER_BYTES) / 64;
        contents.iter().take(all / 2).for_each(|content| blocks.block(content).expect("written"));
        blocks.sync().expect("written");
        if let Ok(run) = Run::open(file) {
            let (file, run) = (MemoryFile::of(Vec::new()), Arc::new(run));
            for number in (0..16).chain(100..110) {
                let term = term(LogKind::Application, number);
                let _ = run.newest(term, Patience::Wait);
                let _ = run.position_of(term, 3, Patience::Wait);
                let _ = run.positions(term, (0, u64::MAX), false, 9, Patience::Wait, &mut Vec::new());
            }
            (0..40).for_each(|key| drop(run.ids(key, Patience::Wait, &mut Vec::new())));
            let _ = merge(&[run], file, 0, &|| true);
        }
    }

    #[test]
    fn random_bytes_decode_to_nothing_or_something(
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
        counts in (0..9_u64, 0..9_u64),
        parts in parts(),
    ) {
        let covers = union(&parts).covers;
        let _ = ReadFences::decode(covers, counts, &bytes);
        let _ = id_block::find(&bytes, covers, u64::MAX, &mut Vec::new());
        let _ = ListEntry::find(&bytes, u64::MAX);
        if let Some(chunk) = ListEntry::at(&bytes, 0, None).and_then(|entry| entry.chunk(&bytes, covers)) {
            let _ = chunk.decode(&mut Vec::new());
        }
    }
}

fn covers(to: u64) -> Covers {
    Covers::between(Heads::default(), Heads { application: Position(to), system: Position(to) })
}

/// A part with a list that goes on over many blocks, and a thousand short ones.
fn long_part() -> Part {
    let mut lists: BTreeMap<_, _> = (1..=1000)
        .map(|number| (term(LogKind::Application, number), (Some(4), vec![number, number + 1])))
        .collect();
    lists.insert(5, (Some(10), (1..=2000).map(|number| number * 3).collect()));
    let ids = (1..=2000).map(|number| (number / 2 * 1000, LogKind::Application, number)).collect();
    Part { covers: covers(6000), lists, ids }
}

#[test]
fn any_flipped_bit_of_a_small_run_is_an_error_or_does_not_matter() {
    let mut model = long_part();
    model.lists.retain(|term, _| *term < u64::MAX / 100);
    model.lists.insert(5, (Some(10), (1..=90).collect()));
    model.ids = model.ids.into_iter().take(40).collect();
    let sound = build(&model, 64).0.bytes();
    for bit in 0..sound.len() * 8 {
        let mut bytes = sound.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        if let Ok(run) = Run::open(MemoryFile::of(bytes)) {
            compare(&run, &model, false);
            compare_list(&run, 5, Some(10), &(1..=90).collect::<Vec<_>>(), false);
        }
    }
}

#[test]
fn a_lookup_reads_one_block() {
    let model = long_part();
    for size in [64, 4096] {
        let (file, run) = build(&model, size);
        file.reads();
        for (term, (_, positions)) in &model.lists {
            run.newest(*term, Patience::Wait).expect("sound");
            assert_eq!(file.reads(), 1);
            run.position_of(*term, 11, Patience::Wait).expect("sound");
            assert!(file.reads() <= 1);
            for (at, forwards) in positions.iter().flat_map(|position| [(position, true), (position, false)])
            {
                let range = if forwards { (at - 1, u64::MAX) } else { (0, at + 1) };
                run.positions(*term, range, forwards, 1, Patience::Wait, &mut Vec::new()).expect("sound");
                assert_eq!(file.reads(), 1, "{at} of {positions:?}");
            }
        }
        for revision in 10..2010 {
            assert!(run.position_of(5, revision, Patience::Wait).expect("sound").is_some());
            assert_eq!(file.reads(), 1);
        }
        let absent = (1..=10_000).map(|number| term(LogKind::System, number));
        absent.for_each(|term| assert_eq!(run.newest(term, Patience::Wait).expect("sound"), None));
        assert!(file.reads() < 300, "the filters hold too much");
    }
}

#[test]
fn a_list_that_begins_a_block_is_not_sought_in_the_one_before() {
    let model = long_part();
    let (file, run) = build(&model, 64);
    file.reads();
    for (term, (_, positions)) in &model.lists {
        let range = (0, positions[0] - 1);
        assert!(!run.positions(*term, range, false, 1, Patience::Wait, &mut Vec::new()).expect("sound"));
    }
    // About four lists fit into a block, so every fourth begins one.
    let reads = file.reads();
    assert!(reads < 850, "{reads} reads for a thousand lists");
}

#[test]
fn a_block_in_another_place_or_of_another_run_is_damaged() {
    let model = long_part();
    let shifted = Part { covers: covers(6001), ..model.clone() };
    let bytes = build(&model, 64).0.bytes();
    let foreign = build(&shifted, 64).0.bytes();
    let mut swapped = bytes.clone();
    swapped[..64].copy_from_slice(&bytes[64..128]);
    let mut mixed = bytes;
    mixed[..64].copy_from_slice(&foreign[..64]);
    for bytes in [swapped, mixed] {
        let run = Run::open(MemoryFile::of(bytes)).expect("sound fences");
        let found = run.positions(5, (0, 1), true, 1, Patience::Wait, &mut Vec::new());
        assert!(matches!(found, Err(IndexError::Damaged { at: 0, .. })));
    }
}

#[test]
fn a_block_without_what_its_fence_names_is_damaged() {
    let model = long_part();
    let file = MemoryFile::of(build(&model, 64).0.bytes());
    let mut blocks = BlockFile::new(Arc::clone(&file) as _, model.covers, 64);
    (0..3).for_each(|_| blocks.block(&[]).expect("written"));
    blocks.sync().expect("written");
    let run = Run::open(file).expect("sound fences");
    assert!(matches!(
        run.positions(5, (0, 9), true, 1, Patience::Wait, &mut Vec::new()),
        Err(IndexError::Damaged { .. })
    ));
}

#[test]
fn a_page_never_reads_what_the_one_before_has_read() {
    let (file, run) = build(&long_part(), 64);
    for forwards in [true, false] {
        file.reads();
        let (mut low, mut high, mut found) = (0, u64::MAX, Vec::new());
        while run.positions(5, (low, high), forwards, 1, Patience::Wait, &mut found).expect("sound") {
            let last = found[found.len() - 1];
            if forwards { low = last + 1 } else { high = last - 1 }
        }
        assert_eq!(found.len(), 2000);
        let paged = file.reads();
        run.positions(5, (0, u64::MAX), forwards, usize::MAX, Patience::Wait, &mut found).expect("sound");
        assert_eq!(paged, file.reads());
    }
}

#[test]
fn a_cold_run_is_not_waited_for_unless_it_was_announced() {
    let (file, run) = build(&long_part(), 64);
    file.chill();
    let only = Patience::OnlyCached;
    let mut found = vec![1];
    let cold = run.positions(5, (0, u64::MAX), false, 9, only, &mut found);
    assert!(matches!(cold, Err(IndexError::WouldWait)));
    assert!(matches!(run.newest(5, only), Err(IndexError::WouldWait)));
    assert!(matches!(run.position_of(5, 2009, only), Err(IndexError::WouldWait)));
    let mut places = Vec::new();
    assert!(matches!(run.ids(1000, only, &mut places), Err(IndexError::WouldWait)));
    assert_eq!((found.len(), places.len()), (1, 0));

    run.will_read(5);
    run.will_read_id(1000);
    assert_eq!(run.newest(5, only).expect("read"), Some((6000, Some(2009))));
    assert_eq!(run.position_of(5, 2009, only).expect("read"), Some(6000));
    run.ids(1000, only, &mut places).expect("read");
    assert_eq!(places, [(LogKind::Application, 2), (LogKind::Application, 3)]);
    // What is in memory is given, and the rest is said to be there.
    assert!(run.positions(5, (0, u64::MAX), false, usize::MAX, only, &mut found).expect("read"));
    assert_eq!(found[..3], [1, 6000, 5997]);
}

#[test]
fn what_comes_out_of_order_is_refused() {
    let begin = || RunBuilder::new(MemoryFile::of(Vec::new()), covers(100));
    let refused = |answer: Result<(), IndexError>| assert!(matches!(answer, Err(IndexError::Disordered(_))));
    let mut builder = begin();
    builder.list(5, None, [].into_iter()).expect("empty lists are left out");
    builder.list(6, Some(3), [1, 2].into_iter()).expect("rising");
    refused(builder.list(6, None, [3].into_iter()));
    refused(begin().list(1, None, [3, 3].into_iter()));
    refused(begin().list(1, None, [0].into_iter()));
    refused(begin().list(1, None, [101].into_iter()));
    refused(begin().list(1, Some(u64::MAX - 1), [1, 2].into_iter()));
    builder.id(4, LogKind::System, 3).expect("the first id");
    builder.id(4, LogKind::System, 4).expect("the same key again");
    refused(builder.id(4, LogKind::Application, 5));
    refused(builder.id(9, LogKind::Application, 101));
    refused(builder.list(7, None, [1].into_iter()));
    let backwards =
        Covers::between(Heads { application: Position(1), system: Position(0) }, Heads::default());
    refused(RunBuilder::new(MemoryFile::of(Vec::new()), backwards).finish().map(drop));
}

#[test]
fn only_neighbours_merge_and_a_merge_can_be_stopped() {
    let run = Arc::new(build(&long_part(), 64).1);
    let file = || MemoryFile::of(Vec::new()) as Arc<dyn crate::disk::DiskFile>;
    let twice = [Arc::clone(&run), Arc::clone(&run)];
    assert!(matches!(merge(&twice, file(), 0, &|| true), Err(IndexError::Disordered(_))));
    assert!(matches!(merge(&[], file(), 0, &|| true), Err(IndexError::Disordered(_))));
    assert!(matches!(merge(&[Arc::clone(&run)], file(), 0, &|| false), Err(IndexError::Stopped)));
    let only_ids = build(&Part { lists: BTreeMap::new(), ..long_part() }, 64).1;
    assert!(matches!(merge(&[Arc::new(only_ids)], file(), 0, &|| false), Err(IndexError::Stopped)));
    let merged = merge(&[run], file(), 0, &|| true).expect("a merge into larger blocks");
    compare_list(&merged, 5, Some(10), &long_part().lists[&5].1, true);
}
