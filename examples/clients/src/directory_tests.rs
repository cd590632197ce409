//! The directory from feed to search, in memory.

use std::time::Duration;

use ledgerstone::engine::{ReadModelOptions, ReadModels};
use ledgerstone::stores::{Backend, Resources, open};

use super::*;
use crate::read_model::ClientsProjection;
use crate::salesforce::SAMPLE_FEED;

async fn memory() -> (Backend, ClientDirectory, ReadModels) {
    let locator = "memory:".parse().expect("a locator");
    let backend = open(&locator, &Resources::default()).await.expect("memory opens");
    let directory = ClientDirectory::new(Arc::clone(&backend.events), Arc::clone(&backend.documents));
    let models = ReadModels::new(
        Arc::clone(&backend.events),
        Arc::clone(&backend.documents),
        ReadModelOptions::default(),
    );
    models.load().await.expect("the read models load");
    let projection = ClientsProjection::new().expect("a projection");
    models.register(Arc::new(projection)).await.expect("the projection registers");
    (backend, directory, models)
}

#[tokio::test]
async fn the_same_feed_recorded_twice_adds_nothing() {
    let (backend, directory, _) = memory().await;
    let first = directory.ingest(SAMPLE_FEED, &|_| ()).await.expect("the feed is recorded");
    assert!(first.recorded > 3_000, "{first:?}");
    assert_eq!(first.repeated, 3, "the feed repeats three changes");
    assert_eq!(first.rejected.len(), 12, "{:#?}", first.rejected);
    let head = backend.events.head().await.expect("a head").heads;
    assert_eq!(head.application.0, first.recorded as u64);

    let second = directory.ingest(SAMPLE_FEED, &|_| ()).await.expect("the feed is read again");
    assert_eq!(second.recorded, 0);
    assert_eq!(backend.events.head().await.expect("a head").heads, head);
}

#[tokio::test]
async fn the_read_model_says_what_the_aggregates_say() {
    let (_backend, directory, models) = memory().await;
    let ingested = directory.ingest(SAMPLE_FEED, &|_| ()).await.expect("the feed is recorded");
    let clients = CollectionName::new(CLIENTS).expect("a name");
    models.catch_up(&clients, &|_| ()).await.expect("the read model catches up");
    let point = ingested.point.expect("something was recorded");
    models.wait_for(&clients, point, Duration::from_secs(5)).await.expect("it has caught up");

    let swiss = directory.by_country("CH").await.expect("a page");
    assert!(!swiss.documents.is_empty());
    for document in swiss.documents {
        let client = directory.load(document.key.as_str()).await.expect("a client").state;
        assert!(!client.is_deleted);
        assert_eq!(client.fields.country, Some(Some("CH".to_owned())));
        assert_eq!(document.body.get("name").and_then(|name| name.as_str()), client.fields.name.as_deref());
    }
    let found = directory.search("kuchen", Vec::new()).await.expect("a page");
    assert!(!found.documents.is_empty(), "accents do not matter");
}

#[tokio::test]
async fn a_client_is_told_as_of_an_earlier_time() {
    let (_backend, directory, _) = memory().await;
    directory.ingest(SAMPLE_FEED, &|_| ()).await.expect("the feed is recorded");
    let past = directory.history("0015g0000000011AAA").await.expect("a history");
    assert!(past.len() > 2);
    let second = past[1].recorded.occurred_at().expect("changes have a time").at;
    let then = directory.load_at("0015g0000000011AAA", AsOf::OccurredAt(second)).await.expect("as of");
    assert_eq!(then.state.last, {
        use ledgerstone::core::Aggregate;
        let mut client = Client::default();
        past[..2].iter().for_each(|past| client.evolve(&past.event));
        client.last
    });
}
