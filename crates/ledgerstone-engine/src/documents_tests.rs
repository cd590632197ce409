//! Tests of typed documents.

use futures_util::TryStreamExt;
use serde::{Deserialize, Serialize};

use ledgerstone_core::{
    Alteration, CollectionId, Commit, Definition, DefinitionHash, Field, FieldKind, FieldName, Write,
};

use crate::account::stores;
use crate::specification::Attribute;

use super::*;

const COUNTRY: Attribute<String> = Attribute::new("country");
const VISITS: Attribute<i64> = Attribute::new("visits");

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Client {
    country: String,
    visits: i64,
}

async fn clients(number: i64) -> Documents<Client> {
    let (_, store) = stores().await;
    let name = CollectionName::new("clients").expect("a name");
    let id = CollectionId { name: name.clone(), definition: DefinitionHash::of(b"1") };
    let field = |name, kind| Field {
        name: FieldName::declared(name).expect("a name"),
        kind,
        indexed: true,
        searchable: false,
    };
    let fields = vec![field("country", FieldKind::Text), field("visits", FieldKind::Integer)];
    let definition = Definition { id: id.clone(), fields };
    store.alter(vec![Alteration::Declare(definition)]).await.expect("declares");
    let writes = (0..number).map(|visits| {
        let country = if visits % 2 == 0 { "DE" } else { "FR" };
        let client = serde_json::to_value(Client { country: country.to_owned(), visits }).expect("json");
        Write {
            collection: id.clone(),
            tenant: Tenant::default(),
            key: DocumentKey::new(format!("{visits:04}")).expect("a key"),
            body: client.as_object().cloned(),
        }
    });
    store.commit(Commit { writes: writes.collect(), checkpoint: None }).await.expect("commits");
    Documents::new(store, name)
}

#[tokio::test]
async fn documents_are_found_counted_and_paged() {
    let clients = clients(1_203).await;
    let german = COUNTRY.eq("DE");
    assert_eq!(clients.get("0004").await.expect("reads").map(|client| client.visits), Some(4));
    assert_eq!(clients.get("nobody").await.expect("reads"), None);
    assert_eq!(clients.count(&german).await.expect("counts"), 602);
    assert_eq!(clients.find(&german).await.expect("finds").len(), 602);
    assert!(clients.exists(&german).await.expect("reads"));
    assert!(!clients.exists(&COUNTRY.eq("IT")).await.expect("reads"));
    let first = clients.first(&VISITS.at_least(7)).await.expect("reads").expect("one");
    assert_eq!(first.key.as_str(), "0007");
    let all: Vec<_> = clients.all().try_collect().await.expect("pages");
    assert!(all.len() > 1);
    assert_eq!(all.iter().map(|page| page.documents.len()).sum::<usize>(), 1_203);

    let order = vec![VISITS.descending().expect("a name")];
    let page = clients.page(&german, order.clone(), 2, None).await.expect("reads");
    let visits = |page: &FoundPage<Client>| -> Vec<_> {
        page.documents.iter().map(|found| found.value.visits).collect()
    };
    assert_eq!(visits(&page), [1_202, 1_200]);
    let next = clients.page(&german, order, 2, page.next).await.expect("reads");
    assert_eq!(visits(&next), [1_198, 1_196]);
}

#[tokio::test]
async fn a_document_of_another_type_and_an_unknown_field_are_errors() {
    let clients = clients(1).await;
    let numbers: Documents<u32> =
        Documents::new(Arc::clone(&clients.store), clients.collection.name().clone());
    let error = numbers.find(&Specification::all()).await.expect_err("another type");
    assert!(error.to_string().contains("document 0000 of clients"), "{error}");
    let error = clients.find(&Attribute::<String>::new("contry").eq("DE")).await.expect_err("unknown");
    assert_eq!(error.code(), Code::InvalidFilter);
}
