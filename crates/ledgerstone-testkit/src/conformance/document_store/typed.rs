//! Promise 8: a declared field holds its type or nothing, and so do the values of filters.

use ledgerstone_core::{DocumentStoreError, FieldKind, FieldName, Filter, Select};
use serde_json::{Value, json};

use super::arrange::{
    Cases, FreshDocuments, Store, client_definition, count, declare, declared, field, must_fail, put,
    with_clients, write,
};
use crate::conformance::case::{CaseResult, cases};

pub(super) fn writing_cases() -> Cases {
    cases![
        8: a_declared_field_takes_its_type_or_nothing,
        8: a_definition_declares_sound_fields,
    ]
}

pub(super) fn reading_cases() -> Cases {
    cases![
        8: unknown_fields_are_refused_with_the_nearest_name,
        8: values_of_another_type_are_refused,
        8: comparisons_that_a_field_does_not_know_are_refused,
    ]
}

/// Promise 8. Types are not guessed and not converted.
async fn a_declared_field_takes_its_type_or_nothing(fresh: FreshDocuments) -> CaseResult {
    let store = fresh.store.writer;
    let id = with_clients(&*store).await?;
    for (name, value) in [
        ("name", json!(5)),
        ("country", json!(["a"])),
        ("version", json!("5")),
        ("version", json!(5.5)),
        ("rank", json!(u64::MAX)),
        ("score", json!("0.5")),
        ("deleted", json!("true")),
        ("deleted", json!(1)),
        ("seen", json!("2011-10-11 13:45:40")),
        ("seen", json!(1_318_333_540)),
        ("types", json!("bank")),
        ("labels", json!(["bank", null])),
        ("labels", json!({"bank": true})),
    ] {
        let answer = write(&*store, vec![put(&id, "1", json!({ name: value }))]).await;
        let refused =
            |error: &DocumentStoreError| matches!(error, DocumentStoreError::InvalidDocument { .. });
        must_fail(answer, refused).map_err(|error| format!("{name} = {value}: {error}"))?;
    }
    assert_eq!(count(&*store, &id, &Filter::All).await?, 0);
    let nothing =
        ["name", "version", "score", "deleted", "seen", "types"].map(|name| (name.to_owned(), Value::Null));
    write(&*store, vec![put(&id, "1", nothing.into_iter().collect::<serde_json::Map<_, _>>().into())])
        .await?;
    Ok(())
}

/// Promise 8. What cannot be meant is refused before anything is created.
async fn a_definition_declares_sound_fields(fresh: FreshDocuments) -> CaseResult {
    let store = fresh.store.writer;
    let whole = client_definition("first");
    let with = |field| {
        let mut definition = whole.clone();
        definition.fields.push(field);
        definition
    };
    let odd = |name: &str| {
        let mut field = declared("odd", FieldKind::Text, true, false);
        field.name = FieldName::new(name)?;
        Ok::<_, ledgerstone_core::InvalidName>(field)
    };
    let mut too_many = whole.clone();
    let more = (0..=ledgerstone_core::Definition::MAX_FIELDS)
        .map(|at| declared(&format!("f{at}"), FieldKind::Text, false, false));
    too_many.fields.extend(more);
    for wrong in [
        with(declared("name", FieldKind::Text, false, false)),
        with(declared("number", FieldKind::Integer, false, true)),
        with(odd("it's \"odd\"; --")?),
        with(odd("1st")?),
        with(odd("a.b")?),
        too_many,
    ] {
        must_fail(declare(&*store, wrong).await, |error| {
            matches!(error, DocumentStoreError::InvalidDefinition(_))
        })?;
    }
    assert!(store.alter(Vec::new()).await?.is_empty(), "a refused definition left a collection");
    Ok(())
}

fn is_invalid(error: &DocumentStoreError) -> bool {
    matches!(error, DocumentStoreError::InvalidSelect(_))
}

async fn must_be_refused(store: &Store, filter: Filter) -> CaseResult {
    let id = super::arrange::clients("first");
    let refused =
        |answer| must_fail(answer, is_invalid).map_err(|error| format!("{filter:?}: {error}").into());
    refused(store.query(Select::from(id.clone()).filter(filter.clone())).await.map(|_| ()))?;
    refused(count(store, &id, &filter).await.map(|_| ()))
}

/// Promise 8. In filters, however deep, and in orders.
async fn unknown_fields_are_refused_with_the_nearest_name(fresh: FreshDocuments) -> CaseResult {
    let store = fresh.store;
    let (id, reader) = (with_clients(&*store.writer).await?, &*store.reader);
    must_be_refused(&*store.reader, Filter::eq(field("versoin"), 1)).await?;
    must_be_refused(
        &*store.reader,
        Filter::All.and(Filter::Or(vec![Filter::prefix(field("raw"), "x").negated()])),
    )
    .await?;
    must_be_refused(&*store.reader, Filter::Matches { field: Some(field("nome")), text: "x".into() }).await?;
    let near = |error: &DocumentStoreError| is_invalid(error) && error.to_string().contains("version");
    let select = Select::from(id);
    must_fail(reader.query(select.clone().filter(Filter::eq(field("versoin"), 1))).await, near)?;
    must_fail(reader.query(select.order_by(field("versoin"), false)).await, near)
}

/// Promise 8. As documents are.
async fn values_of_another_type_are_refused(fresh: FreshDocuments) -> CaseResult {
    let store = fresh.store;
    with_clients(&*store.writer).await?;
    for filter in [
        Filter::eq(field("name"), 5),
        Filter::ne(field("version"), "5"),
        Filter::eq(field("version"), 5.5),
        Filter::any_of(field("score"), [json!(1), json!("1")]),
        Filter::eq(field("deleted"), 0),
        Filter::at_least(field("seen"), "yesterday"),
        Filter::below(field("seen"), "2011-10-11T13:45:40"),
        Filter::between(field("name"), 1, 2),
    ] {
        must_be_refused(&*store.reader, filter).await?;
    }
    Ok(())
}

/// Promise 8. Arrays have elements, texts have beginnings, searchable fields have words.
async fn comparisons_that_a_field_does_not_know_are_refused(fresh: FreshDocuments) -> CaseResult {
    let store = fresh.store;
    let id = with_clients(&*store.writer).await?;
    for filter in [
        Filter::eq(field("types"), "bank"),
        Filter::contains(field("name"), "bank"),
        Filter::prefix(field("version"), "1"),
        Filter::at_least(field("deleted"), false),
        Filter::Matches { field: Some(field("country")), text: "x".into() },
    ] {
        must_be_refused(&*store.reader, filter).await?;
    }
    let by_array = Select::from(id).order_by(field("types"), false);
    must_fail(store.reader.query(by_array).await, is_invalid)
}
