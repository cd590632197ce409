//! What a client decides, told as scenarios.

use ledgerstone_testkit::Scenario;
use serde_json::json;

use super::super::events::{ClientDeleted, ClientRestored, ClientUpdated, Priority};
use super::*;

fn place(commit: u64) -> FeedPlace {
    FeedPlace { commit, sequence: 1 }
}

fn named(name: &str) -> ClientFields {
    ClientFields { name: Some(name.to_owned()), ..ClientFields::default() }
}

fn created() -> ClientEvent {
    let (salesforce_id, fields) = ("001".to_owned(), named("Granite Works"));
    ClientCreated { salesforce_id, fields, place: place(1), raw: json!({}) }.into()
}

fn create(at: u64) -> ClientCommand {
    let (salesforce_id, fields) = ("001".to_owned(), named("Granite Works"));
    ClientCommand::Create { salesforce_id, fields, place: place(at), raw: json!({}) }
}

fn update(changes: ClientFields, at: u64) -> ClientCommand {
    ClientCommand::Update { changes, gap: false, place: place(at), raw: json!({}) }
}

#[test]
fn a_client_is_created_once() {
    Scenario::<Client>::given([]).when(create(1)).then([created()]);
    Scenario::<Client>::given([created()])
        .when(create(2))
        .then_refused(|refusal| *refusal == ClientRefusal::Exists);
}

#[test]
fn a_commit_that_was_seen_before_changes_nothing() {
    Scenario::<Client>::given([created()]).when(create(1)).then_nothing();
}

#[test]
fn two_changes_of_one_transaction_both_count() {
    let changes = named("Granite Works AG");
    let second = FeedPlace { commit: 1, sequence: 2 };
    let command =
        ClientCommand::Update { changes: changes.clone(), gap: false, place: second, raw: json!({}) };
    let updated = ClientUpdated { changes, gap: false, place: second, raw: json!({}) };
    Scenario::<Client>::given([created()]).when(command).then([updated.into()]);
}

#[test]
fn a_deleted_client_takes_no_changes_until_it_comes_back() {
    let deleted = || [created(), ClientDeleted { place: place(2) }.into()];
    Scenario::<Client>::given(deleted())
        .when(update(named("Other"), 3))
        .then_refused(|refusal| *refusal == ClientRefusal::Deleted);
    Scenario::<Client>::given(deleted())
        .when(ClientCommand::Restore { place: place(3) })
        .then([ClientRestored { place: place(3) }.into()]);
}

#[test]
fn a_change_touches_only_its_fields_and_null_clears() {
    let changes = ClientFields { priority: Some(Some(Priority::High)), ..ClientFields::default() };
    let cleared = ClientFields { priority: Some(None), ..ClientFields::default() };
    let text = serde_json::to_string(&cleared).expect("json");
    assert_eq!(text, r#"{"priority":null}"#);
    let read: ClientFields = serde_json::from_str(&text).expect("reads back");
    assert_eq!(read, cleared);
    let updated =
        |changes, at| ClientUpdated { changes, gap: false, place: place(at), raw: json!({}) }.into();
    let after = Scenario::<Client>::given([created(), updated(changes, 2)]);
    assert_eq!(after.state().fields.priority, Some(Some(Priority::High)));
    assert_eq!(after.state().fields.name.as_deref(), Some("Granite Works"));
    let after = after.when(update(cleared.clone(), 3)).then([updated(cleared, 3)]);
    assert_eq!(after.state().fields.priority, Some(None));
}
