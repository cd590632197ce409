//! What a store on disk is held to: it judges and reads like the memory, through reopening and through crashes.

use std::num::NonZeroU64;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use ledgerstone_core::{
    Append, AppendCondition, Appended, Batch, Direction, EventData, EventStoreError, EventType,
    ExpectedRevision, Heads, IdSource, LogKind, Mark, MarkChange, MarkName, Metadata, OffsetTime, Position,
    Query, QueryItem, RecordedEvent, Refusal, Removal, Retention, Revision, Selection, StreamId, Tag, Tenant,
    TenantScope, TimeRange, Timestamp,
};
use ledgerstone_testkit::FixedClock;
use proptest::prelude::*;
use uuid::Uuid;

use crate::group_commit::{CommitLog, ReadLog, Verdict};
use crate::memory::MemoryEvents;
use crate::plan::BRIEFLY;
use crate::staged::Staged;

/// A store on disk, as its two halves.
pub(crate) trait OnDisk {
    type Reader: ReadLog;
    type Writer: CommitLog;

    /// Opens what is at the path, or begins it.
    fn open(path: &Path, clock: &Arc<FixedClock>) -> (Self::Reader, Self::Writer);

    /// Copies what is on the disk while the store is open, as a crash would leave it.
    fn copy(from: &Path, to: &Path);
}

/// Gives out the same id always.
#[derive(Debug)]
pub(crate) struct OneId;

impl IdSource for OneId {
    fn next_id(&self) -> Uuid {
        Uuid::from_u128(7)
    }
}

#[derive(Debug, Clone)]
enum Op {
    Commit(Vec<Batch>),
    Repeat(prop::sample::Index),
    Advance(u64),
    Reopen,
    Crash,
    Read(Box<Selection>),
}

fn tenant() -> impl Strategy<Value = Tenant> {
    prop_oneof![3 => Just(""), 1 => Just("acme")].prop_map(|name| Tenant::new(name).expect("a tenant"))
}

fn stream() -> impl Strategy<Value = StreamId> {
    (0..3_u8, 0..4_u8).prop_map(|(category, number)| {
        let name = if category == 0 { format!("s{number}") } else { format!("c{category}-{number}") };
        StreamId::new(name).expect("a stream")
    })
}

fn tag() -> impl Strategy<Value = Tag> {
    prop_oneof![
        4 => (0..5_u8).prop_map(|number| Tag::new(format!("t{number}")).expect("a tag")),
        1 => (0..2_u8).prop_map(|number| Tag::unique("mail", &number.to_string()).expect("a tag")),
    ]
}

fn event(log: LogKind) -> impl Strategy<Value = EventData> {
    let types = if log == LogKind::System { ["$a", "$b"] } else { ["A", "B"] };
    let source = proptest::option::weighted(0.3, "[xy]");
    let occurred = proptest::option::weighted(0.3, 0..500_i64);
    (
        0..60_u64,
        any::<u8>(),
        0..2_usize,
        proptest::collection::vec(tag(), 0..3),
        source,
        occurred,
        (0..40_usize, proptest::bool::weighted(0.3)),
    )
        .prop_map(move |(half, rest, name, tags, source, occurred, (size, carries_state))| {
            let id = Uuid::from_u64_pair(half, u64::from(rest));
            let name = EventType::new(types[name]).expect("a type");
            let occurred_at = occurred.map(|at| OffsetTime::utc(Timestamp::from_micros(at)));
            EventData {
                metadata: Metadata { source, occurred_at, ..Metadata::default() },
                tags,
                carries_state,
                ..EventData::json(id, name, vec![b'x'; size])
            }
        })
}

fn expected() -> impl Strategy<Value = ExpectedRevision> {
    prop_oneof![
        6 => Just(ExpectedRevision::Any),
        1 => Just(ExpectedRevision::NoStream),
        1 => Just(ExpectedRevision::StreamExists),
        2 => (0..12_u64).prop_map(|n| ExpectedRevision::At(Revision(n))),
    ]
}

fn append() -> impl Strategy<Value = Append> {
    let events = |log| proptest::collection::vec(event(log), 1..5);
    let plain = prop_oneof![4 => events(LogKind::Application), 1 => events(LogKind::System)];
    let removal = (any::<u64>(), 0..20_u64, 0..16_u8).prop_map(|(id, number, kind)| {
        let id = Uuid::from_u64_pair(id, 1);
        let retention = Retention {
            max_count: NonZeroU64::new(number % 4),
            max_age_seconds: NonZeroU64::new(u64::from(kind == 4)),
        };
        vec![match kind {
            0 => Removal::tombstone(id),
            1..=3 => Removal::transient(id),
            4..=6 => Removal::retention(id, retention),
            _ => Removal::truncation(id, Revision(number)),
        }]
    });
    prop_oneof![
        12 => (stream(), expected(), plain).prop_map(|(stream, expected, events)| Append::to(stream, expected, events)),
        1 => events(LogKind::Application).prop_map(Append::to_log),
        1 => (stream(), removal).prop_map(|(stream, events)| Append::to(stream, ExpectedRevision::Any, events)),
    ]
}

fn item() -> impl Strategy<Value = QueryItem> {
    let name = prop_oneof![Just("A"), Just("B"), Just("$a"), Just("C")]
        .prop_map(|name| EventType::new(name).expect("a type"));
    let derived = prop_oneof![
        3 => tag(),
        1 => Just(Tag::category("c1").expect("a tag")),
        1 => Just(Tag::source("x").expect("a tag")),
    ];
    (
        proptest::option::weighted(0.2, stream()),
        proptest::collection::vec(name, 0..2),
        proptest::collection::vec(derived, 0..3),
    )
        .prop_map(|(stream, types, tags)| QueryItem { stream, types, tags })
}

fn query() -> impl Strategy<Value = Query> {
    prop_oneof![
        1 => Just(Query::all()),
        2 => stream().prop_map(Query::stream),
        4 => proptest::collection::vec(item(), 1..3).prop_map(Query::any_of),
    ]
}

fn mark() -> impl Strategy<Value = MarkChange> {
    let name = || (0..3_u8).prop_map(|number| MarkName::new(format!("m{number}")).expect("a name"));
    let value = proptest::option::of(proptest::collection::vec(any::<u8>(), 0..4));
    let keep = || (0..200_u64).prop_map(Duration::from_micros);
    prop_oneof![
        (name(), 0..9_u64).prop_map(|(name, to)| MarkChange::Rises { name, to }),
        (name(), 0..3_u64, value, proptest::option::of(keep())).prop_map(
            |(name, version, value, keep_for)| {
                MarkChange::Swap { name, version, value: value.map(Into::into), keep_for }
            }
        ),
        (name(), keep()).prop_map(|(name, keep_for)| MarkChange::Once { name, keep_for }),
    ]
}

fn batch() -> impl Strategy<Value = Batch> {
    let condition = (query(), prop_oneof![Just(0_u64), 0..300_u64])
        .prop_map(|(fail_if_match, after)| AppendCondition { fail_if_match, after: Position(after) });
    (
        tenant(),
        proptest::collection::vec(append(), 1..3),
        proptest::option::weighted(0.2, condition),
        proptest::collection::vec(mark(), 0..2),
    )
        .prop_map(|(tenant, appends, condition, marks)| Batch { tenant, appends, condition, marks })
}

fn selection() -> impl Strategy<Value = Selection> {
    let scope = prop_oneof![2 => tenant().prop_map(TenantScope::One), 1 => Just(TenantScope::All)];
    let span = || {
        let time = || proptest::option::weighted(0.5, (0..600_i64).prop_map(Timestamp::from_micros));
        prop_oneof![
            4 => Just(TimeRange::default()),
            1 => (time(), time()).prop_map(|(from, to)| TimeRange { from, to }),
        ]
    };
    let bounds =
        (0..250_u64, proptest::option::of(0..400_u64), proptest::option::of(0..5_u64), any::<bool>());
    let revisions = (proptest::option::of(0..12_u64), proptest::option::of(0..12_u64));
    (scope, query(), bounds, revisions, span(), span(), any::<bool>(), any::<bool>()).prop_map(
        |(tenant, query, (after, up_to, limit, from_start), (from, to), recorded, occurred, back, system)| {
            let stream = query.as_stream().is_some();
            Selection {
                tenant,
                log: if system { LogKind::System } else { LogKind::Application },
                after: Position(if from_start { 0 } else { after }),
                up_to: up_to.map(Position),
                from_revision: from.filter(|_| stream).map(Revision),
                to_revision: to.filter(|_| stream).map(Revision),
                recorded,
                occurred,
                direction: if back { Direction::Backwards } else { Direction::Forwards },
                limit: limit.map(|limit| limit * 3),
                query,
            }
        },
    )
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        12 => proptest::collection::vec(batch(), 1..6).prop_map(Op::Commit),
        2 => any::<prop::sample::Index>().prop_map(Op::Repeat),
        3 => (0..30_u64).prop_map(Op::Advance),
        1 => (0..3_u64).prop_map(|half_seconds| Op::Advance(half_seconds * 500_000)),
        1 => Just(Op::Reopen),
        1 => Just(Op::Crash),
        8 => selection().prop_map(|selection| Op::Read(Box::new(selection))),
    ]
}

/// What a verdict says, but for which of several events spoke against it.
fn verdict(verdict: Verdict) -> Result<Appended, String> {
    verdict.map_err(|error| match error {
        EventStoreError::Refused(Refusal::ConditionFailed { .. }) => "condition failed".to_owned(),
        error => error.to_string(),
    })
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(future)
}

/// What a reading yields: events, holes and how far it got.
fn read(reader: &impl ReadLog, selection: &Selection, heads: Heads) -> (Vec<Bytes>, Vec<u64>, Position) {
    block_on(async {
        let mut frames = reader.read(selection.clone(), heads, reader.removal(selection));
        let (mut events, mut holes, mut read_to) = (Vec::new(), Vec::new(), None);
        while let Some(frame) = frames.next().await {
            let frame = frame.expect("a frame");
            let forwards = selection.direction == Direction::Forwards;
            let orderly = read_to.is_none_or(|read_to| {
                if forwards { read_to <= frame.read_to } else { read_to >= frame.read_to }
            });
            assert!(orderly, "read_to went back from {read_to:?} to {:?}", frame.read_to);
            for event in &frame.events {
                assert_eq!(event.position() <= frame.read_to, forwards || event.position() == frame.read_to);
            }
            read_to = Some(frame.read_to);
            // One store may keep a layout that another does not.
            events.extend(frame.events.iter().map(RecordedEvent::to_long));
            holes.extend(frame.holes.iter().flat_map(|hole| hole.from.0..=hole.to.0));
        }
        holes.sort_unstable();
        (events, holes, read_to.expect("at least one frame"))
    })
}

fn marks(reader: &impl ReadLog) -> Vec<Mark> {
    block_on(reader.marks(TenantScope::All, "")).expect("marks")
}

fn run<D: OnDisk>(ops: Vec<Op>) {
    let clock = Arc::new(FixedClock::at(Timestamp::from_micros(0)));
    let folder = tempfile::tempdir().expect("a folder");
    let mut path = folder.path().join("begun");
    let mut memory = MemoryEvents::new(Arc::clone(&clock) as _, &OneId);
    let (mut reader, mut writer) = D::open(&path, &clock);
    let mut appended: Vec<Batch> = Vec::new();
    for (number, op) in ops.into_iter().enumerate() {
        let batches = match op {
            Op::Commit(batches) => batches,
            Op::Repeat(index) if !appended.is_empty() => vec![index.get(&appended).clone()],
            Op::Repeat(_) => continue,
            Op::Advance(micros) => {
                clock.advance(Duration::from_micros(micros));
                continue;
            }
            Op::Reopen => {
                drop((reader, writer));
                (reader, writer) = D::open(&path, &clock);
                continue;
            }
            Op::Crash => {
                let copied = folder.path().join(number.to_string());
                D::copy(&path, &copied);
                drop((reader, writer));
                path = copied;
                (reader, writer) = D::open(&path, &clock);
                continue;
            }
            Op::Read(selection) => {
                let heads = writer.heads();
                assert_eq!(heads, memory.heads());
                assert_eq!(
                    read(&reader, &selection, heads),
                    read(&memory, &selection, heads),
                    "{selection:?}"
                );
                assert_eq!(marks(&reader), marks(&memory));
                continue;
            }
        };
        let stage = |hasher, layout| {
            let staged = batches.iter().map(move |batch| Staged::in_layout(batch.clone(), hasher, layout));
            staged.collect::<Result<Vec<_>, _>>()
        };
        let limits = ledgerstone_core::Limits::default();
        if batches.iter().any(|batch| limits.check(batch).is_err()) {
            continue;
        }
        let hasher = reader.hasher().map(|terms| terms.0);
        let staged = (stage(None, memory.layout()), stage(hasher, reader.layout()));
        let (Ok(mut in_memory), Ok(mut on_disk)) = staged else { continue };
        let in_memory: Vec<_> = memory.commit(&mut in_memory).into_iter().map(verdict).collect();
        let on_disk: Vec<_> = writer.commit(&mut on_disk).into_iter().map(verdict).collect();
        memory.published();
        writer.published();
        assert_eq!(on_disk, in_memory, "{batches:?}");
        appended.extend(batches);
    }
}

/// Lets the store and the memory do the same, many times over.
pub(crate) fn judges_and_reads_like_the_memory<D: OnDisk>(cases: u32) {
    let config = ProptestConfig {
        cases,
        max_shrink_iters: 4000,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    proptest!(config, |(ops in proptest::collection::vec(op(), 1..120))| run::<D>(ops));
}

/// Lets a condition on a type and a tag find the newest event that is both, however many after it have the tag alone.
pub(crate) fn finds_what_has_the_type_and_the_tag<D: OnDisk>() {
    let folder = tempfile::tempdir().expect("a folder");
    let clock = Arc::new(FixedClock::at(Timestamp::from_micros(0)));
    let (reader, mut writer) = D::open(&folder.path().join("store"), &clock);
    let (tag, rare) = (Tag::new("common").expect("a tag"), EventType::new("Rare").expect("a type"));
    let item = QueryItem { types: vec![rare.clone()], tags: vec![tag.clone()], ..QueryItem::default() };
    let condition = AppendCondition { fail_if_match: item.into(), after: Position::START };
    let mut append = |event_type: &EventType, condition: Option<&AppendCondition>| {
        let id = Uuid::from_u128(u128::from(writer.heads().application.0) + 1);
        let event =
            EventData { tags: vec![tag.clone()], ..EventData::json(id, event_type.clone(), vec![b'x']) };
        let batch = Batch { condition: condition.cloned(), ..Batch::of(Append::to_log(vec![event])) };
        let hasher = reader.hasher().map(|terms| terms.0);
        writer.commit(&mut [Staged::in_layout(batch, hasher, reader.layout()).expect("a batch")]).remove(0)
    };
    let noted = EventType::new("Noted").expect("a type");
    for after in 0..BRIEFLY * 3 {
        let position = append(&rare, None).expect("appended").last.application;
        (0..after).for_each(|_| drop(append(&noted, None).expect("appended")));
        match append(&noted, Some(&condition)).expect_err("one is both") {
            EventStoreError::Refused(refusal) => {
                assert_eq!(refusal, Refusal::ConditionFailed { position }, "{after}");
            }
            error => panic!("{error}"),
        }
    }
}
