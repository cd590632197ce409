//! What the writer looks up, through damage and at what cost.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use ledgerstone_core::{
    Append, AppendCondition, Batch, EventData, EventStoreError, EventType, ExpectedRevision, Position, Query,
    QueryItem, Refusal, Removal, Revision, Tag,
};
use uuid::Uuid;

use crate::file::test_log::{TestLog, batch, event, stream};

const EVENTS: u64 = 120;

/// Flips a byte of every block of every index.
fn damage_indexes(folder: &Path) {
    let files = std::fs::read_dir(folder).expect("a folder").map(|file| file.expect("a file").path());
    let indexes: Vec<_> = files.filter(|file| file.extension().is_some_and(|end| end == "index")).collect();
    assert!(!indexes.is_empty());
    for index in indexes {
        let size = File::open(&index).and_then(|file| file.metadata()).expect("a size").len();
        let index = OpenOptions::new().read(true).write(true).open(&index).expect("a file");
        for at in (50..size - 4096).step_by(4096) {
            let mut byte = [0];
            index.read_exact_at(&mut byte, at).expect("a byte");
            index.write_all_at(&[byte[0] ^ 1], at).expect("written");
        }
    }
}

fn truncation(id: u128, before: u64) -> Batch {
    let removal = vec![Removal::truncation(Uuid::from_u128(id), Revision(before))];
    Batch::of(Append::to(stream(), ExpectedRevision::Any, removal))
}

#[test]
fn the_event_at_a_revision_is_found_though_the_index_is_damaged() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut log = TestLog::open(folder.path());
    for number in 0..EVENTS {
        let mut event = event(u128::from(number) + 1);
        event.carries_state = number == 5;
        log.commit([batch("", event)]).remove(0).expect("appended");
    }
    drop(log);
    let mut log = TestLog::open(folder.path());
    damage_indexes(folder.path());
    let mut verdicts = log.commit([truncation(901, 6), truncation(902, 5)]);
    verdicts.pop().expect("a verdict").expect("it carries the state");
    let refused = verdicts.pop().expect("a verdict").expect_err("it carries none");
    assert!(matches!(refused, EventStoreError::Refused(Refusal::NotRemovable { .. })), "{refused:?}");
}

/// Returns a batch of the tenant's that nothing of the tenant may stand behind.
fn alone(id: u128, after: u64) -> Batch {
    let condition = AppendCondition { fail_if_match: Query::all(), after: Position(after) };
    Batch { condition: Some(condition), ..batch("acme", event(id)) }
}

fn append_of_others(log: &mut TestLog) {
    let head = log.heads().application.0;
    let others = (0..EVENTS).map(|number| batch("", event(u128::from(head + number) + 100)));
    log.commit(others).into_iter().for_each(|verdict| drop(verdict.expect("appended")));
    log.pace.waits.store(0, std::sync::atomic::Ordering::Relaxed);
}

#[test]
fn a_condition_on_everything_of_a_tenant_looks_at_no_event_behind_its_newest() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut log = TestLog::open(folder.path());
    log.commit([batch("acme", event(1))]).remove(0).expect("appended");
    for reopened in [false, true] {
        if reopened {
            drop(log);
            log = TestLog::open(folder.path());
        }
        let head = log.heads().application.0;
        append_of_others(&mut log);
        let refused = log.commit([alone(2, 0)]).remove(0).expect_err("there is one");
        assert!(matches!(refused, EventStoreError::Refused(Refusal::ConditionFailed { .. })), "{refused:?}");
        let waited = log.pace.waits.swap(0, std::sync::atomic::Ordering::Relaxed);
        assert!(waited < EVENTS, "{waited} reads");
        log.commit([alone(3 + u128::from(reopened), head)]).remove(0).expect("nothing stands behind it");
        let waited = log.pace.waits.load(std::sync::atomic::Ordering::Relaxed);
        assert!(waited < EVENTS, "{waited} reads");
    }
}

#[test]
fn a_rare_type_makes_few_of_the_many_events_that_have_a_tag() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut log = TestLog::open(folder.path());
    let (tag, rare) = (Tag::new("common").expect("a tag"), EventType::new("Rare").expect("a type"));
    let tagged = |id| EventData { tags: vec![tag.clone()], ..event(id) };
    for number in 0..EVENTS {
        log.commit([batch("", tagged(u128::from(number) + 1))]).remove(0).expect("appended");
    }
    log.commit([batch("", EventData { event_type: rare.clone(), ..event(901) })])
        .remove(0)
        .expect("appended");
    log.pace.waits.store(0, std::sync::atomic::Ordering::Relaxed);
    let item = QueryItem { types: vec![rare.clone()], tags: vec![tag.clone()], ..QueryItem::default() };
    let condition = Some(AppendCondition { fail_if_match: item.into(), after: Position::START });
    let first = EventData { event_type: rare.clone(), ..tagged(902) };
    log.commit([Batch { condition: condition.clone(), ..batch("", first) }])
        .remove(0)
        .expect("nothing is both");
    let waited = log.pace.waits.load(std::sync::atomic::Ordering::Relaxed);
    assert!(waited < EVENTS / 2, "{waited} reads");
    let refused =
        log.commit([Batch { condition, ..batch("", event(903)) }]).remove(0).expect_err("one is both");
    let expected = Refusal::ConditionFailed { position: Position(EVENTS + 2) };
    assert!(matches!(&refused, EventStoreError::Refused(refusal) if *refusal == expected), "{refused:?}");
}
