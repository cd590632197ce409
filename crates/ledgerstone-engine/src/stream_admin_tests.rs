//! Tests of truncating and deleting streams.

use std::num::NonZeroU64;

use crate::account::{Account, Command, events, read};
use crate::codec::Codec;
use crate::context::Context;
use crate::repository::Repository;

use super::*;

async fn world() -> (StreamAdmin, Repository<Account>, StreamId) {
    let ledger = Ledger::new(events().await);
    let ledger = ledger.with_codec(Codec::default().with_state_types(["AccountBalanced"]));
    let accounts: Repository<Account> = ledger.repository();
    for command in [Command::Open("Ada"), Command::Deposit(5), Command::Balance, Command::Deposit(2)] {
        accounts.handle("1", command, &Context::new()).await.expect("handles");
    }
    (ledger.admin(), accounts.clone(), accounts.stream("1").expect("a stream"))
}

#[tokio::test]
async fn a_stream_is_truncated_only_behind_an_event_that_carries_its_state() {
    let (admin, accounts, stream) = world().await;
    let nothing = "carries the stream's whole state";
    for (before, said) in [(1, nothing), (3, nothing), (4, nothing), (9, "the next one is 4")] {
        let refused = admin.truncate(&stream, Revision(before)).await.expect_err("refused");
        assert_eq!(refused.code(), Code::TruncationRefused);
        assert!(refused.to_string().contains(said), "{refused}");
    }
    assert!(admin.truncate(&stream, Revision(2)).await.expect("truncates").is_some());
    assert!(admin.truncate(&stream, Revision(2)).await.expect("again").is_none());
    assert_eq!(accounts.load("1").await.expect("loads").state.balance, 7);
    let status = admin.state_of(&stream).await.expect("reads");
    assert_eq!((status.state, status.removal.before), (StreamState::At(Revision(3)), Revision(2)));
}

#[tokio::test]
async fn a_transient_stream_is_truncated_anywhere() {
    let (admin, accounts, stream) = world().await;
    assert!(admin.declare_transient(&stream).await.expect("declares").is_some());
    assert!(admin.declare_transient(&stream).await.expect("again").is_none());
    assert!(admin.truncate(&stream, Revision(9)).await.is_err());
    assert!(admin.truncate(&stream, Revision(4)).await.expect("truncates").is_some());
    assert!(!accounts.exists("1").await.expect("reads"));
    let status = admin.state_of(&stream).await.expect("reads");
    assert!(status.removal.transient);
    assert_eq!(status.state, StreamState::At(Revision(3)));
}

#[tokio::test]
async fn more_is_kept_only_of_what_is_to_come() {
    let (admin, _, stream) = world().await;
    let keeping = |count| Retention { max_count: NonZeroU64::new(count), ..Retention::default() };
    let kept = async || read(&admin.ledger.store, Selection::stream(stream.clone())).await.len();
    let refused = admin.retain(&stream, keeping(2)).await.expect_err("not transient");
    assert_eq!(refused.code(), Code::TruncationRefused);
    admin.declare_transient(&stream).await.expect("declares");
    assert!(admin.retain(&stream, keeping(2)).await.expect("keeps two").is_some());
    assert!(admin.retain(&stream, keeping(2)).await.expect("again").is_none());
    assert_eq!(kept().await, 2);
    assert!(admin.retain(&stream, Retention::default()).await.expect("keeps all").is_some());
    assert_eq!(kept().await, 2);
    let status = admin.state_of(&stream).await.expect("reads");
    assert_eq!((status.removal.before, status.removal.retention), (Revision(2), Retention::default()));
}

#[tokio::test]
async fn a_deleted_stream_is_gone_for_good() {
    let (admin, accounts, stream) = world().await;
    assert!(admin.tombstone(&stream).await.expect("deletes").is_some());
    assert!(admin.tombstone(&stream).await.expect("again").is_none());
    assert!(admin.truncate(&stream, Revision(2)).await.expect("nothing left").is_none());
    assert!(read(&admin.ledger.store, Selection::all()).await.is_empty());
    let refused = accounts.handle("1", Command::Open("Bo"), &Context::new()).await.expect_err("deleted");
    assert_eq!(refused.code(), Code::Tombstoned);
}

#[tokio::test]
async fn a_mistyped_name_is_not_burnt() {
    let (admin, _, _) = world().await;
    let missing = StreamId::new("acount-1").expect("a stream");
    assert_eq!(admin.tombstone(&missing).await.expect_err("missing").code(), Code::NotFound);
    assert_eq!(admin.truncate(&missing, Revision(1)).await.expect_err("missing").code(), Code::NotFound);
}
