//! Tests that queries go through the indexes that were declared, and look at nothing else.

use std::sync::Arc;

use ledgerstone_core::{
    Alteration, CollectionId, CollectionName, Definition, DefinitionHash, DocumentKey, DocumentStore, Field,
    FieldKind, FieldName, Filter, OrderBy, PageEnd, Select, Tenant, TenantScope, Write,
};
use rusqlite::{Connection, params_from_iter};
use serde_json::json;

use super::layout::Layout;
use super::{CAPABILITIES, SqliteDocuments, pages};
use crate::sqlite::database::Database;

fn field(name: &str) -> FieldName {
    FieldName::new(name).expect("a field name")
}

fn definition() -> Definition {
    let declared =
        |name: &str, kind, searchable| Field { name: field(name), kind, indexed: true, searchable };
    let name = CollectionName::new("clients").expect("a name");
    Definition {
        id: CollectionId { name, definition: DefinitionHash::of(b"first") },
        fields: vec![
            declared("status", FieldKind::Text, true),
            declared("version", FieldKind::Integer, false),
            declared("types", FieldKind::TextArray, false),
            Field { indexed: false, ..declared("note", FieldKind::Text, false) },
        ],
    }
}

/// A database with a thousand clients of two tenants, and what SQLite plans for selections of them.
struct Planned {
    connection: Connection,
    layout: Layout,
    _folder: tempfile::TempDir,
}

impl Planned {
    async fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let database = Database::open(&folder.path().join("app.db")).expect("a database");
        let store = SqliteDocuments::open(Arc::clone(&database)).expect("documents");
        store.alter(vec![Alteration::Declare(definition())]).await.expect("a collection");
        let write = |at: usize| {
            Write {
            collection: definition().id,
            tenant: Tenant::new(["", "acme"][at % 2]).expect("a tenant"),
            key: DocumentKey::new(format!("client {at}")).expect("a key"),
            body: json!({"status": if at % 3 == 1 { "closed" } else { "open" }, "version": at, "types": ["bank"], "note": "x"})
                .as_object()
                .cloned(),
        }
        };
        let writes = (0..1_000).map(write).collect();
        store.commit(ledgerstone_core::Commit { writes, checkpoint: None }).await.expect("a commit");
        let connection = database.writer().expect("a connection");
        Self { connection, layout: Layout::new(1, definition()), _folder: folder }
    }

    fn plan(&self, sql: &str, values: &[rusqlite::types::Value]) -> Vec<String> {
        let mut statement =
            self.connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).expect("a statement");
        let rows =
            statement.query_map(params_from_iter(values), |row| row.get::<_, String>(3)).expect("a plan");
        rows.collect::<Result<_, _>>().expect("a plan")
    }

    /// Returns the plans of the statements for a selection: of its first page, or of the one behind `after`.
    fn plans(&self, select: &Select, after: Option<PageEnd>) -> Vec<Vec<String>> {
        let mut checked = select.check(&definition(), &CAPABILITIES).expect("a sound selection");
        checked.after = after;
        let statements = pages::statements(&self.layout, &select.tenant, &checked);
        let plan = |one: &super::Condition| {
            let mut values = one.values.clone();
            values.push(rusqlite::types::Value::Integer(51));
            self.plan(&one.sql, &values)
        };
        statements.iter().map(plan).collect()
    }
}

fn clients(filter: Filter) -> Select {
    Select::from(definition().id).filter(filter)
}

fn must_use(plan: &[String], index: &str) {
    assert!(plan.iter().any(|step| step.contains(index)), "{index} is not used: {plan:#?}");
    assert!(
        !plan.iter().any(|step| step == "SCAN d" || step.starts_with("SCAN d ")),
        "all documents are looked at: {plan:#?}"
    );
}

#[tokio::test]
async fn indexed_fields_are_found_through_their_index() {
    let planned = Planned::new().await;
    for (filter, index) in [
        (Filter::eq(field("status"), "open"), "documents_1_f0 (tenant=? AND f0=?)"),
        (Filter::eq(field("status"), json!(null)), "documents_1_f0 (tenant=? AND f0=?)"),
        (Filter::any_of(field("version"), [1, 2, 3]), "documents_1_f1 (tenant=? AND f1=?)"),
        (Filter::between(field("version"), 5, 9), "documents_1_f1 (tenant=? AND f1>? AND f1<?)"),
        (Filter::at_least(field("version"), 990), "documents_1_f1 (tenant=? AND f1>?)"),
        (Filter::prefix(field("status"), "op"), "documents_1_f0 (tenant=? AND f0>? AND f0<?)"),
        (Filter::contains(field("types"), "bank"), "USING PRIMARY KEY (field=? AND tenant=? AND value=?)"),
        (Filter::search("open"), "VIRTUAL TABLE INDEX"),
    ] {
        let plans = planned.plans(&clients(filter.clone()), None);
        must_use(&plans[0], index);
        let and_more = filter.and(Filter::ne(field("note"), "y"));
        must_use(&planned.plans(&clients(and_more.clone()), None)[0], index);
        let all = planned.plans(&clients(and_more).of(TenantScope::All), None);
        must_use(&all[0], index.split(" (").next().expect("an index"));
    }
}

#[tokio::test]
async fn arrays_and_words_lead_to_their_documents_by_number() {
    let planned = Planned::new().await;
    for filter in [Filter::contains(field("types"), "bank"), Filter::search("open")] {
        must_use(&planned.plans(&clients(filter), None)[0], "SEARCH d USING INTEGER PRIMARY KEY (rowid=?)");
    }
}

#[tokio::test]
async fn an_order_by_an_indexed_field_sorts_nothing_but_ties() {
    let planned = Planned::new().await;
    for descending in [false, true] {
        let by_version = clients(Filter::All).order_by(field("version"), descending);
        let after = PageEnd {
            values: vec![ledgerstone_core::FieldValue::Integer(500)],
            tenant: Tenant::default(),
            key: DocumentKey::new("client 500").expect("a key"),
        };
        for plan in
            planned.plans(&by_version, None).into_iter().chain(planned.plans(&by_version, Some(after)))
        {
            must_use(&plan, "documents_1_f1");
            let sorts = plan.iter().any(|step| step.contains("TEMP B-TREE FOR ORDER BY"));
            assert!(!sorts, "all matches are sorted: {plan:#?}");
        }
    }
}

#[tokio::test]
async fn an_order_by_key_follows_the_key() {
    let planned = Planned::new().await;
    let after = PageEnd {
        values: Vec::new(),
        tenant: Tenant::default(),
        key: DocumentKey::new("client 500").expect("a key"),
    };
    for scope in [TenantScope::default(), TenantScope::All] {
        let select = clients(Filter::All).of(scope);
        let plans = planned.plans(&select, Some(after.clone()));
        assert!(plans[0].iter().all(|step| !step.contains("TEMP B-TREE")), "{plans:#?}");
        assert!(plans[0][0].contains("sqlite_autoindex_documents_1_1"), "{plans:#?}");
    }
    let select = Select {
        order: vec![OrderBy { field: field("status"), descending: false }],
        ..clients(Filter::eq(field("status"), "open"))
    };
    must_use(&planned.plans(&select, None)[0], "documents_1_f0 (tenant=? AND f0=?)");
}

#[tokio::test]
async fn keys_are_looked_up_one_by_one() {
    let planned = Planned::new().await;
    let values = ["".to_owned().into(), r#"["client 1"]"#.to_owned().into()];
    let plan = planned.plan(&planned.layout.get, &values);
    must_use(&plan, "SEARCH d USING INDEX sqlite_autoindex_documents_1_1 (tenant=? AND key=?)");
}
