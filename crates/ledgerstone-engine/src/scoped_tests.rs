//! Tests of the scoped stores.

use ledgerstone_core::{
    Alteration, Append, Body, CheckpointMove, CollectionId, CollectionName, CollectionRef, Commit,
    Definition, DefinitionHash, DocumentKey, DocumentStore, EventData, EventType, ExpectedRevision, Filter,
    LogPoint, MarkChange, MarkName, Position, Select, StreamId, Write,
};

use crate::account::{read, stores};
use crate::scoped_documents::ScopedDocuments;

use super::*;

fn tenant(name: &str) -> Tenant {
    Tenant::new(name).expect("a tenant")
}

fn batch(tenant: &Tenant) -> Batch {
    let event = EventData::json(uuid::Uuid::now_v7(), EventType::new("Noted").expect("a type"), "{}");
    let stream = StreamId::new("note-1").expect("a stream");
    let name = MarkName::new("m").expect("a name");
    let mut batch = Batch::of(Append::to(stream, ExpectedRevision::NoStream, vec![event]));
    batch.marks.push(MarkChange::Rises { name, to: 1 });
    batch.tenant = tenant.clone();
    batch
}

#[tokio::test]
async fn a_scoped_handle_reaches_no_other_tenant() {
    let (store, _) = stores().await;
    let one: Arc<dyn EventStore> = Arc::new(Scoped::new(Arc::clone(&store), tenant("one")));
    let two: Arc<dyn EventStore> = Arc::new(Scoped::new(Arc::clone(&store), tenant("two")));
    // Whatever tenant the caller names, it is his own; so both streams are new.
    one.append(batch(&tenant("two"))).await.expect("appends");
    two.append(batch(&Tenant::default())).await.expect("appends");
    for (handle, name) in [(&one, "one"), (&two, "two")] {
        for scope in [TenantScope::All, TenantScope::default(), TenantScope::One(tenant("two"))] {
            let events = read(handle, Selection::all().of(scope.clone())).await;
            assert!(events.len() == 1 && events[0].tenant() == name);
            let marks = handle.marks(scope, "").await.expect("reads");
            assert!(marks.len() == 1 && marks[0].tenant == tenant(name));
        }
        assert!(!handle.capabilities().all_tenants);
    }
    let twice = Arc::new(Scoped::new(Arc::clone(&one), tenant("two"))) as Arc<dyn EventStore>;
    assert_eq!(read(&twice, Selection::all()).await[0].tenant(), "one");
}

#[tokio::test]
async fn scoped_documents_reach_no_other_tenant_and_change_nothing_for_all() {
    let (_, store) = stores().await;
    let one = ScopedDocuments::new(Arc::clone(&store), tenant("one"));
    let two = ScopedDocuments::new(Arc::clone(&store), tenant("two"));
    let name = CollectionName::new("notes").expect("a name");
    let id = CollectionId { name, definition: DefinitionHash::of(b"1") };
    let definition = Definition { id: id.clone(), fields: Vec::new() };
    one.alter(vec![Alteration::Declare(definition)]).await.expect("declares");
    let key = DocumentKey::new("1").expect("a key");
    let write =
        Write { collection: id.clone(), tenant: tenant("two"), key: key.clone(), body: Some(Body::new()) };
    one.commit(Commit { writes: vec![write], checkpoint: None }).await.expect("commits");
    let live = CollectionRef::from(id.clone());
    for (handle, found) in [(&one, 1), (&two, 0)] {
        let got = handle.get(&live, &tenant("one"), std::slice::from_ref(&key)).await.expect("reads");
        assert_eq!(got.iter().flatten().count(), found);
        let page = handle.query(Select::from(id.clone()).of(TenantScope::All)).await.expect("reads");
        assert_eq!(page.documents.len(), found);
        let count = handle.count(&live, &TenantScope::All, &Filter::All).await.expect("counts");
        assert_eq!(count, found as u64);
    }
    for alteration in [Alteration::Drop(id.clone()), Alteration::Promote(id.clone())] {
        assert!(one.alter(vec![alteration]).await.is_err());
    }
    let log = ledgerstone_core::LogIdentity { id: uuid::Uuid::from_u128(1), epoch: 1 };
    let to = LogPoint { log, position: Position(1) };
    let checkpoint = Some(CheckpointMove { collection: id, from: None, to });
    assert!(one.commit(Commit { writes: Vec::new(), checkpoint }).await.is_err());
}
