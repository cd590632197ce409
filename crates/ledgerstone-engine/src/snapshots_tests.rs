//! Tests of the snapshots.

use proptest::prelude::*;
use serde_json::json;

use ledgerstone_core::{Body, EventStore, Select};

use crate::account::{Account, Command, stores};
use crate::as_of::AsOf;
use crate::context::Context;
use crate::repository::Repository;

use super::*;

struct World {
    plain: Repository<Account>,
    quick: Repository<Account>,
    snapshots: Snapshots,
    documents: Arc<dyn DocumentStore>,
}

async fn world(every: u64) -> World {
    let (events, documents) = stores().await;
    with(events, documents, every)
}

fn with(events: Arc<dyn EventStore>, documents: Arc<dyn DocumentStore>, every: u64) -> World {
    let snapshots = Snapshots::new(Arc::clone(&documents)).every(every);
    let ledger = Ledger::new(events);
    let quick = ledger.repository().with_snapshots(snapshots.clone());
    World { plain: ledger.repository(), quick, snapshots, documents }
}

impl World {
    async fn run(&self, deposits: &[i64]) {
        let context = Context::new();
        self.quick.handle("1", Command::Open("Ada"), &context).await.expect("opens");
        for amount in deposits {
            self.quick.handle("1", Command::Deposit(*amount), &context).await.expect("deposits");
        }
    }

    async fn body(&self) -> Option<Body> {
        let collection = self.snapshots.collection().await.expect("declared");
        let page = self.documents.query(Select::from(collection)).await.expect("reads");
        page.documents.into_iter().next().map(|document| document.body)
    }

    async fn put(&self, body: Body) {
        let collection = self.snapshots.collection().await.expect("declared");
        let key = DocumentKey::new("account-1").expect("a key");
        let write = Write { collection, tenant: Tenant::default(), key, body: Some(body) };
        self.documents.commit(Commit { writes: vec![write], checkpoint: None }).await.expect("puts");
    }

    async fn snapshot(&self) -> Option<Loaded<Account>> {
        let ledger = self.quick.ledger();
        let log = ledger.store.head().await.expect("a head").log;
        let of = StateSnapshots::<Account>::new(self.snapshots.clone());
        let stream = self.quick.stream("1").expect("a stream");
        of.find(ledger, &stream, log, Bounds::default()).await
    }
}

#[tokio::test]
async fn a_snapshot_is_taken_by_policy_and_used() {
    let world = world(3).await;
    world.run(&[1]).await;
    assert!(world.snapshot().await.is_none());
    world.run_more(&[1, 1, 1]).await;
    let snapshot = world.snapshot().await.expect("taken");
    assert_eq!((snapshot.state.balance, snapshot.revision), (1 + 1, StreamState::At(Revision(2))));
    let loaded = world.quick.load("1").await.expect("loads");
    assert_eq!(loaded.state.balance, 4);
    world.snapshots.delete(&loaded.stream).await.expect("deletes");
    assert!(world.snapshot().await.is_none());
}

#[tokio::test]
async fn a_damaged_snapshot_is_ignored_and_replaced() {
    for (field, value) in [
        ("state", json!(r#"{"owner":"Eve","balance":1000000}"#)),
        ("state", json!("{")),
        ("revision", json!(1)),
        ("checksum", json!("00000000000000000000000000000000")),
        ("log", json!("nonsense")),
        ("event", json!(null)),
    ] {
        let world = world(2).await;
        world.run(&[5, 5, 5]).await;
        let sound = world.body().await.expect("taken");
        let mut body = sound.clone();
        body.insert(field.to_owned(), value);
        world.put(body).await;
        assert!(world.snapshot().await.is_none(), "{field}");
        assert_eq!(world.quick.load("1").await.expect("loads").state.balance, 15, "{field}");
        assert_eq!(world.snapshot().await.map(|snapshot| snapshot.state.balance), Some(15), "{field}");
    }
}

#[tokio::test]
async fn a_snapshot_of_another_log_or_beyond_the_stream_is_ignored() {
    let before = world(2).await;
    before.run(&[5, 5, 5]).await;
    let body = before.body().await.expect("taken");
    let (events, _) = stores().await;
    let after = with(events, Arc::clone(&before.documents), 2);
    after.put(body.clone()).await;
    assert!(after.snapshot().await.is_none());
    assert!(!after.quick.load("1").await.expect("loads").exists());

    let beyond = before.quick.ledger().repository::<Account>().with_snapshots(before.snapshots.clone());
    let mut stored: Stored = serde_json::from_value(Value::Object(body)).expect("decodes");
    stored.revision = 99;
    let stream = beyond.stream("1").expect("a stream");
    stored.checksum = stored.sum(&stream);
    before.snapshots.write(&stream, Some(stored)).await.expect("writes");
    assert!(before.snapshot().await.is_none());
    assert_eq!(beyond.load("1").await.expect("loads").state.balance, 15);
}

#[tokio::test]
async fn a_snapshot_of_another_epoch_is_ignored_though_its_event_is_there() {
    let world = world(2).await;
    world.run(&[5, 5, 5]).await;
    let stream = world.quick.stream("1").expect("a stream");
    let mut stored = world.snapshots.read(&stream).await.expect("reads").expect("taken");
    stored.log.epoch += 1;
    stored.checksum = stored.sum(&stream);
    world.snapshots.write(&stream, Some(stored)).await.expect("writes");
    assert!(world.snapshot().await.is_none());
    assert_eq!(world.quick.load("1").await.expect("loads").state.balance, 15);
}

#[tokio::test]
async fn a_snapshot_of_another_schema_is_ignored() {
    let world = world(2).await;
    world.run(&[5, 5, 5]).await;
    let stream = world.quick.stream("1").expect("a stream");
    let mut stored = world.snapshots.read(&stream).await.expect("reads").expect("taken");
    stored.schema = DefinitionHash::of(b"an older one");
    stored.checksum = stored.sum(&stream);
    world.snapshots.write(&stream, Some(stored)).await.expect("writes");
    assert!(world.snapshot().await.is_none());
    assert_eq!(world.quick.load("1").await.expect("loads").state.balance, 15);
}

#[tokio::test]
async fn a_snapshot_of_another_schema_is_dropped_when_it_is_met() {
    let world = world(2).await;
    world.run(&[5, 5, 5]).await;
    let stream = world.quick.stream("1").expect("a stream");
    let mut stored = world.snapshots.read(&stream).await.expect("reads").expect("taken");
    stored.schema = DefinitionHash::of(b"an older one");
    stored.checksum = stored.sum(&stream);
    world.snapshots.write(&stream, Some(stored)).await.expect("writes");
    let seldom = Snapshots::new(Arc::clone(&world.documents)).every(100);
    let seldom = world.quick.ledger().repository::<Account>().with_snapshots(seldom);
    assert_eq!(seldom.load("1").await.expect("loads").state.balance, 15);
    assert_eq!(world.body().await, None);
}

#[tokio::test]
async fn snapshots_of_an_older_layout_are_dropped_on_first_use() {
    let (events, documents) = stores().await;
    let older = Definition {
        id: CollectionId {
            name: CollectionName::new(Snapshots::COLLECTION).expect("a name"),
            definition: DefinitionHash::of(b"an older layout"),
        },
        fields: Vec::new(),
    };
    documents.alter(vec![Alteration::Declare(older)]).await.expect("declares");
    let world = with(events, documents, 2);
    world.run(&[5, 5]).await;
    let collections = world.documents.alter(Vec::new()).await.expect("lists");
    let current = world.snapshots.collection().await.expect("declared");
    assert_eq!(collections.iter().map(|one| &one.definition.id).collect::<Vec<_>>(), [&current]);
    assert_eq!(collections[0].state, ledgerstone_core::CollectionState::Live);
    assert!(world.snapshot().await.is_some());
}

#[tokio::test]
async fn the_past_is_not_told_from_a_later_snapshot() {
    let world = world(2).await;
    world.run(&[1, 2, 3, 4]).await;
    for (revision, balance) in [(0, 0), (1, 1), (2, 3), (3, 6), (4, 10)] {
        let as_of = AsOf::Revision(Revision(revision));
        assert_eq!(world.quick.load_at("1", as_of).await.expect("loads").state.balance, balance);
    }
}

impl World {
    async fn run_more(&self, deposits: &[i64]) {
        for amount in deposits {
            let handled = self.quick.handle("1", Command::Deposit(*amount), &Context::new()).await;
            handled.expect("deposits");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn the_state_is_equal_with_and_without_snapshots(
        every in 1..6_u64,
        amounts in prop::collection::vec(1..100_i64, 0..20),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let world = world(every).await;
            world.run(&amounts).await;
            let plain = world.plain.load("1").await.expect("loads");
            let quick = world.quick.load("1").await.expect("loads");
            assert_eq!((plain.state, plain.revision, plain.newest), (quick.state, quick.revision, quick.newest));
        });
    }
}
