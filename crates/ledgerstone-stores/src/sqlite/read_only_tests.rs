//! What a database yields that is only read, and what it refuses.

use std::path::Path;

use futures_util::TryStreamExt as _;
use ledgerstone_core::{
    Append, Batch, Code, EventData, EventType, ExpectedRevision, Locator, MarkChange, MarkName,
    RecordedEvent, Removal, Revision, Selection, StreamId, TenantScope,
};
use uuid::Uuid;

use crate::backend::{Backend, Resources, open_read_only};

fn locator(path: &Path) -> Locator {
    format!("sqlite:{}", path.display()).parse().expect("a locator")
}

async fn open(path: &Path) -> Backend {
    crate::open(&locator(path), &Resources::default()).await.expect("opens")
}

fn batch(id: u128) -> Batch {
    let event = EventData::json(Uuid::from_u128(id), EventType::new("Noted").expect("a type"), &b"{}"[..]);
    let stream = StreamId::new(format!("a-{}", id % 3)).expect("a stream");
    Batch::of(Append::to(stream, ExpectedRevision::Any, vec![event]))
}

/// Makes a store of more events than the index is told of at once, of which some were removed, and of a mark.
async fn fill(path: &Path) -> Backend {
    let store = open(path).await;
    for id in 1..200 {
        store.events.append(batch(id)).await.expect("appends");
    }
    let name = MarkName::new("relay").expect("a name");
    let mark = MarkChange::Rises { name, to: 7 };
    let stream = StreamId::new("a-1").expect("a stream");
    let removals = vec![
        Removal::transient(Uuid::from_u128(900)),
        Removal::truncation(Uuid::from_u128(901), Revision(9)),
    ];
    let removal = Append::to(stream, ExpectedRevision::Any, removals);
    store.events.append(Batch { marks: vec![mark], ..Batch::of(removal) }).await.expect("appends");
    store
}

async fn contents(store: &Backend) -> Vec<Vec<RecordedEvent>> {
    let mut contents = Vec::new();
    let stream = Selection::stream(StreamId::new("a-1").expect("a stream"));
    for selection in [Selection::all(), stream.clone(), stream.backwards().limit(3)] {
        let frames: Vec<_> = store.events.read(selection).try_collect().await.expect("frames");
        contents.push(frames.into_iter().flat_map(|frame| frame.events).collect());
    }
    contents
}

/// Lets nothing be made beside a file that SQLite would need there to read a write-ahead log.
fn forbid_shared_memory(path: &Path) {
    let beside = format!("{}-shm", path.display());
    let _ = std::fs::remove_file(&beside);
    std::os::unix::fs::symlink("nowhere/at-all", beside).expect("a link in its way");
}

#[tokio::test]
async fn a_database_is_read_where_nothing_can_be_written_beside_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("app.db");
    let store = fill(&path).await;
    let (expected, head) = (contents(&store).await, store.events.head().await.expect("a head"));
    let marks = store.events.marks(TenantScope::All, "").await.expect("marks");
    assert_eq!((expected[1].len(), marks.len()), (67 - 9, 1));
    store.close().await;
    let before = std::fs::read(&path).expect("reads");

    for is_forbidden in [false, true] {
        if is_forbidden {
            forbid_shared_memory(&path);
        }
        let store = open_read_only(&locator(&path), &Resources::default()).await.expect("opens");
        assert_eq!(contents(&store).await, expected);
        assert_eq!(store.events.head().await.expect("a head"), head);
        assert_eq!(store.events.marks(TenantScope::All, "").await.expect("marks"), marks);
        let refused = store.events.append(batch(1_000)).await.expect_err("it is only read");
        assert_eq!(refused.code(), Code::ReadOnly, "{refused}");
        store.close().await;
    }
    assert_eq!(std::fs::read(&path).expect("reads"), before);
}

#[tokio::test]
async fn commits_beside_a_database_that_cannot_be_read_are_not_left_out() {
    let folder = tempfile::tempdir().expect("a folder");
    let (path, copy) = (folder.path().join("app.db"), folder.path().join("copy.db"));
    let store = fill(&path).await;
    for ending in ["", "-wal"] {
        let name = |path: &Path| format!("{}{ending}", path.display());
        std::fs::copy(name(&path), name(&copy)).expect("copies");
    }
    store.close().await;
    forbid_shared_memory(&copy);
    let refused = open_read_only(&locator(&copy), &Resources::default()).await.expect_err("it lacks commits");
    assert_eq!(refused.code(), Code::ReadOnly, "{refused}");
    assert!(refused.message().contains("copy.db-wal holds commits"), "{refused}");
}

#[tokio::test]
async fn what_stands_beside_a_database_is_left_as_it_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let (path, copy) = (folder.path().join("app.db"), folder.path().join("copy.db"));
    let store = fill(&path).await;
    let name = |path: &Path, ending: &str| format!("{}{ending}", path.display());
    for ending in ["", "-wal"] {
        std::fs::copy(name(&path, ending), name(&copy, ending)).expect("copies");
    }
    let expected = contents(&store).await;
    store.close().await;
    let bytes = || ["", "-wal"].map(|ending| std::fs::read(name(&copy, ending)).expect("reads"));
    let before = bytes();
    assert!(before[1].len() > 1_000);
    let store = open_read_only(&locator(&copy), &Resources::default()).await.expect("opens");
    assert_eq!(contents(&store).await, expected);
    store.close().await;
    assert!(bytes() == before, "it was only read");
}

#[tokio::test]
async fn nobody_owns_a_database_while_it_is_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("app.db");
    fill(&path).await.close().await;
    let reader = open_read_only(&locator(&path), &Resources::default()).await.expect("opens");
    let refused = crate::open(&locator(&path), &Resources::default()).await.expect_err("it is read");
    assert_eq!(refused.code(), Code::Owned, "{refused}");
    reader.close().await;
    open(&path).await.close().await;
}

#[tokio::test]
async fn a_database_that_is_owned_or_not_there_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("app.db");
    let refused = open_read_only(&locator(&path), &Resources::default()).await.expect_err("nothing is there");
    assert_eq!(refused.kind(), ledgerstone_core::ErrorKind::NotFound, "{refused}");
    let store = fill(&path).await;
    let refused = open_read_only(&locator(&path), &Resources::default()).await.expect_err("owned");
    assert_eq!(refused.code(), Code::Owned, "{refused}");
    store.close().await;
}
