//! What a reader is told when bytes of the file have changed under the store.

use std::path::Path;
use std::sync::Arc;

use futures_util::StreamExt as _;
use ledgerstone_core::{
    Append, AppendCondition, Batch, Code, EventData, EventStore, EventStoreError, EventType,
    ExpectedRevision, Position, Query, QueryItem, Selection, StreamId, SystemClock, Tag, Tenant,
    TimeOrderedIds,
};
use uuid::Uuid;

use crate::group_commit::{CommitLog as _, GroupCommit, ReadLog as _};
use crate::sqlite::database::Database;
use crate::sqlite::events::SqliteEvents;
use crate::sqlite::events::inspect::inspect;
use crate::sqlite::events::tail::RUN;
use crate::staged::Staged;

fn open(path: &Path) -> GroupCommit<SqliteEvents> {
    let database = Database::open(path).expect("a database");
    SqliteEvents::open(database, Arc::new(SystemClock::new()), &TimeOrderedIds).expect("opens")
}

fn stream(number: u64) -> StreamId {
    StreamId::new(format!("account-{}", number % 3)).expect("a stream")
}

/// Makes a store in which only the newest events stand outside the index.
async fn filled(path: &Path) -> GroupCommit<SqliteEvents> {
    let store = open(path);
    for number in 0..RUN * 3 {
        let id = Uuid::from_u128(u128::from(number) + 1);
        let event = EventData::json(id, EventType::new("Noted").expect("a type"), &b"{\"a\":1}"[..]);
        let append = Append::to(stream(number), ExpectedRevision::Any, vec![event]);
        store.append(Batch::of(append)).await.expect("appends");
    }
    store
}

async fn read(store: &dyn EventStore, selection: Selection) -> Result<usize, EventStoreError> {
    let mut frames = store.read(selection);
    let mut events = 0;
    while let Some(frame) = frames.next().await {
        events += frame?.events.len();
    }
    Ok(events)
}

fn assert_damaged(result: Result<usize, EventStoreError>, position: u64) {
    let error = result.expect_err("damaged");
    assert_eq!(error.code(), Code::Corrupt, "{error}");
    assert!(error.to_string().contains(&format!("position {position} is damaged")), "{error}");
}

fn run_sql(path: &Path, sql: &str) {
    rusqlite::Connection::open(path).expect("opens").execute_batch(sql).expect("runs");
}

/// The changes of one event by which it must be found damaged.
const CHANGES: [&str; 4] = [
    "data = CAST('{\"a\":2}' AS BLOB)",
    "data = x''",
    "record = CAST(substr(record, 1, 99) || x'00' || substr(record, 101) AS BLOB)",
    "sum = sum + 1",
];

#[tokio::test]
async fn changed_bytes_are_refused_and_their_neighbours_are_read() {
    for change in CHANGES {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("app.db");
        let store = filled(&path).await;
        run_sql(&path, &format!("UPDATE events SET {change} WHERE position = 7"));
        assert_damaged(read(&store, Selection::all()).await, 7);
        assert_damaged(read(&store, Selection::all().backwards()).await, 7);
        assert_damaged(read(&store, Selection::stream(stream(6))).await, 7);
        assert_eq!(read(&store, Selection::stream(stream(7))).await.expect("reads") as u64, RUN);
        assert_eq!(read(&store, Selection::all().up_to(Position(6))).await.expect("reads"), 6);
        let after = read(&store, Selection::all().after(Position(7))).await.expect("reads");
        assert_eq!(after as u64, RUN * 3 - 7);
    }
}

#[tokio::test]
async fn an_event_that_stands_in_for_another_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("app.db");
    let store = filled(&path).await;
    run_sql(
        &path,
        "UPDATE events SET (sum, record, data) = (SELECT sum, record, data FROM events WHERE position = 8) \
         WHERE position = 7",
    );
    assert_damaged(read(&store, Selection::all()).await, 7);
}

#[tokio::test]
async fn a_judgement_over_a_changed_record_is_refused_and_nothing_is_appended() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("app.db");
    let store = filled(&path).await;
    run_sql(&path, "UPDATE events SET sum = ~sum WHERE position = 7");
    // The id of the seventh event is looked up by its record.
    let event = EventData::json(Uuid::from_u128(7), EventType::new("Noted").expect("a type"), &b"{}"[..]);
    let batch = Batch::of(Append::to(stream(6), ExpectedRevision::Any, vec![event]));
    let error = store.append(batch).await.expect_err("damaged");
    assert_eq!(error.code(), Code::Corrupt, "{error}");
    assert_eq!(store.head().await.expect("a head").heads.application, Position(RUN * 3));
}

#[tokio::test]
async fn a_condition_on_a_rare_type_and_a_common_tag_looks_at_few_events() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("app.db");
    let store = open(&path);
    let (tag, rare) = (Tag::new("common").expect("a tag"), EventType::new("Rare").expect("a type"));
    let noted = |number: u64| {
        let name = EventType::new("Noted").expect("a type");
        EventData::json(Uuid::from_u128(u128::from(number) + 1), name, &b"{}"[..])
    };
    let one = |event| Batch::of(Append::to(stream(0), ExpectedRevision::Any, vec![event]));
    for number in 0..RUN * 3 {
        let event = EventData { tags: vec![tag.clone()], ..noted(number) };
        store.append(one(event)).await.expect("appends");
    }
    store.append(one(EventData { event_type: rare.clone(), ..noted(900) })).await.expect("appends");
    // Whoever looks at these fails.
    run_sql(&path, &format!("UPDATE events SET sum = ~sum WHERE position < {}", RUN * 3 - 10));
    let item = QueryItem { types: vec![rare], tags: vec![tag], ..QueryItem::default() };
    let condition = Some(AppendCondition { fail_if_match: item.into(), after: Position(0) });
    store.append(Batch { condition, ..one(noted(901)) }).await.expect("nothing is both");
}

#[tokio::test]
async fn a_batch_that_meets_a_changed_record_does_not_fail_those_beside_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("app.db");
    let noted = |id, stream: &str| {
        let event =
            EventData::json(Uuid::from_u128(id), EventType::new("Noted").expect("a type"), &b"{}"[..]);
        Batch::of(Append::to(StreamId::new(stream).expect("a stream"), ExpectedRevision::Any, vec![event]))
    };
    let store = open(&path);
    store.append(noted(1_000_000, "old-1")).await.expect("appends");
    store.close().await;
    drop(store);
    filled(&path).await.close().await;
    run_sql(&path, "UPDATE events SET sum = ~sum WHERE position = 1");

    let database = Database::open(&path).expect("a database");
    let clock = Arc::new(SystemClock::new());
    let (reader, mut writer) = SqliteEvents::halves(database, clock, &TimeOrderedIds).expect("opens");
    let batches = [(1_000_001, "account-0"), (1_000_002, "old-1"), (1_000_003, "account-1")];
    let hasher = reader.hasher().map(|terms| terms.0);
    let staged = batches.map(|(id, stream)| Staged::new(noted(id, stream), hasher).expect("a batch"));
    let verdicts = writer.commit(&mut Vec::from(staged));
    let [Ok(before), Err(error), Ok(after)] = &verdicts[..] else { panic!("{verdicts:?}") };
    assert_eq!(error.code(), Code::Corrupt, "{error}");
    let head = RUN * 3 + 1;
    assert_eq!([before, after].map(|appended| appended.last.application.0), [head + 1, head + 2]);
    let frames: Vec<_> =
        reader.read(Selection::all().after(Position(head)), writer.heads(), None).collect().await;
    let ids = frames.into_iter().flat_map(|frame| frame.expect("a frame").events).map(|event| event.id());
    assert!(ids.eq([1_000_001, 1_000_003].map(Uuid::from_u128)));
}

#[tokio::test]
async fn a_condition_of_a_tenant_without_events_looks_at_no_event_of_the_others() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("app.db");
    let store = filled(&path).await;
    run_sql(&path, "UPDATE events SET sum = ~sum WHERE position = 7");
    let condition = AppendCondition { fail_if_match: Query::all(), after: Position::START };
    let wanted = |tenant: &str, id| {
        let event =
            EventData::json(Uuid::from_u128(id), EventType::new("Noted").expect("a type"), &b"{}"[..]);
        let batch = Batch::of(Append::to(stream(1), ExpectedRevision::Any, vec![event]));
        let tenant = Tenant::new(tenant).expect("a tenant");
        Batch { tenant, condition: Some(condition.clone()), ..batch }
    };
    store.append(wanted("new", 1_000_000)).await.expect("appends");
    let error = store.append(wanted("new", 1_000_001)).await.expect_err("the log is looked through");
    assert_eq!(error.code(), Code::Corrupt, "{error}");
}

#[tokio::test]
async fn a_store_whose_newest_records_are_damaged_says_so_when_it_is_opened() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("app.db");
    let store = filled(&path).await;
    store.close().await;
    drop(store);
    let newest = RUN * 3;
    run_sql(&path, &format!("UPDATE events SET sum = ~sum WHERE position = {newest}"));
    let database = Database::open(&path).expect("a database");
    let opened = SqliteEvents::open(database, Arc::new(SystemClock::new()), &TimeOrderedIds);
    let error = opened.expect_err("damaged");
    assert_eq!(error.code(), Code::Corrupt);
    assert!(error.to_string().contains(&format!("position {newest} is damaged")), "{error}");
}

/// Merges every run, so that the index has much to disagree about.
async fn whole(path: &Path) {
    let store = filled(path).await;
    store.close().await;
}

fn problems(path: &Path) -> Vec<String> {
    inspect(path).expect("looked at").problems
}

#[tokio::test]
async fn an_inspection_finds_nothing_in_a_sound_store_even_while_it_is_open() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("app.db");
    let store = filled(&path).await;
    let found = inspect(&path).expect("looked at");
    assert_eq!((found.application, found.system), (RUN * 3, 0));
    assert!(found.index_entries > Some(RUN * 4), "{found:?}");
    assert_eq!(found.problems, Vec::<String>::new());
    store.close().await;
    assert_eq!(problems(&path), Vec::<String>::new());
}

#[tokio::test]
async fn an_inspection_names_every_damaged_event() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("app.db");
    whole(&path).await;
    run_sql(&path, "UPDATE events SET data = x'00' WHERE position IN (7, 100)");
    let problems = problems(&path);
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert!(problems[0].contains("position 7 ") && problems[1].contains("position 100 "), "{problems:?}");
}

#[tokio::test]
async fn an_inspection_finds_an_index_that_lies() {
    let lies = [
        "DELETE FROM postings WHERE term = (SELECT min(term) FROM postings)",
        "DELETE FROM event_ids WHERE first = (SELECT max(first) FROM event_ids)",
        "UPDATE postings SET first = first + 1 WHERE first = 1 AND term = (SELECT max(term) FROM postings WHERE first = 1)",
        "UPDATE postings SET positions = x'09' WHERE term = (SELECT max(term) FROM postings)",
        "DELETE FROM tenants",
    ];
    for lie in lies {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("app.db");
        whole(&path).await;
        run_sql(&path, lie);
        assert!(!problems(&path).is_empty(), "{lie}");
    }
}

#[tokio::test]
async fn a_store_that_was_not_made_to_its_end_is_not_damaged() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("app.db");
    drop(Database::open(&path).expect("tables, and nothing in them"));
    assert_eq!(inspect(&path).expect_err("no store").code(), Code::NotFound);
    open(&path).close().await;
    assert_eq!(problems(&path), Vec::<String>::new());
    run_sql(&path, "DELETE FROM meta WHERE name = 'seed'");
    assert_eq!(inspect(&path).expect_err("no seed").code(), Code::Corrupt);
}
