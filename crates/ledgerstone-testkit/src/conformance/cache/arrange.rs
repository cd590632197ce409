//! What cases put and how they read it back.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ledgerstone_core::{
    BackendError, CacheEntry, CacheHit, CachePut, CacheStamp, CacheStore, CacheTarget, LogIdentity, LogPoint,
    Position, Tag,
};
use uuid::Uuid;

use crate::conformance::case::Case;
use crate::conformance::fresh::Fresh;
use crate::fixed_clock::FixedClock;

pub(super) type Store = Arc<dyn CacheStore>;
pub(super) type FreshStore = Fresh<Store>;
pub(super) type Cases = Vec<Case<Store>>;

#[expect(clippy::expect_used, reason = "the names of the cases are constants")]
pub(super) fn tag(text: &str) -> Tag {
    Tag::new(text).expect("a valid name")
}

/// An entry that lives for a minute.
pub(super) fn entry(value: &str, tags: &[&str], stamp: Option<CacheStamp>) -> CacheEntry {
    CacheEntry {
        value: Bytes::copy_from_slice(value.as_bytes()),
        tags: tags.iter().map(|text| tag(text)).collect(),
        fresh_for: Duration::from_secs(30),
        expires_after: Duration::from_secs(60),
        stamp,
        fence: None,
    }
}

pub(super) async fn stamp(store: &Store) -> Result<CacheStamp, BackendError> {
    Ok(store.read(&[]).await?.stamp)
}

/// Puts a value whose load begins and ends now.
pub(super) async fn put(
    store: &Store,
    key: &str,
    value: &str,
    tags: &[&str],
) -> Result<CachePut, BackendError> {
    let begun = stamp(store).await?;
    put_begun(store, key, value, tags, begun).await
}

/// Puts a value whose load began before.
pub(super) async fn put_begun(
    store: &Store,
    key: &str,
    value: &str,
    tags: &[&str],
    begun: CacheStamp,
) -> Result<CachePut, BackendError> {
    put_entry(store, key, entry(value, tags, Some(begun))).await
}

pub(super) async fn put_entry(store: &Store, key: &str, entry: CacheEntry) -> Result<CachePut, BackendError> {
    let answers = store.put(vec![(key.to_owned(), entry)]).await?;
    assert_eq!(answers.len(), 1, "one answer for one entry");
    Ok(answers[0])
}

pub(super) async fn hit(store: &Store, key: &str) -> Result<Option<CacheHit>, BackendError> {
    let read = store.read(&[key]).await?;
    assert_eq!(read.found.len(), 1, "one answer for one key");
    Ok(read.found.into_iter().next().flatten())
}

/// What stands under a key, as text.
pub(super) async fn value(store: &Store, key: &str) -> Result<Option<String>, BackendError> {
    let hit = hit(store, key).await?;
    Ok(hit.map(|hit| String::from_utf8_lossy(&hit.entry.value).into_owned()))
}

pub(super) async fn gone(
    store: &Store,
    targets: &[CacheTarget],
    at: Option<LogPoint>,
) -> Result<CacheStamp, BackendError> {
    store.invalidate(targets, at).await
}

pub(super) fn key(text: &str) -> CacheTarget {
    CacheTarget::Key(text.to_owned())
}

pub(super) fn by_tag(text: &str) -> CacheTarget {
    CacheTarget::Tag(tag(text))
}

pub(super) fn prefix(text: &str) -> CacheTarget {
    CacheTarget::Prefix(text.to_owned())
}

/// A position of the first log, in one of its lives.
pub(super) fn at(epoch: u32, position: u64) -> LogPoint {
    of_log(1, epoch, position)
}

pub(super) fn of_log(id: u128, epoch: u32, position: u64) -> LogPoint {
    LogPoint { log: LogIdentity { id: Uuid::from_u128(id), epoch }, position: Position(position) }
}

/// Lets time pass, on the clock that the store reads.
pub(super) async fn pass(store: &Store, clock: &FixedClock, span: Duration) {
    clock.advance(span);
    if store.capabilities().is_shared {
        tokio::time::sleep(span).await;
    }
}
