//! Tests of what filters mean, and of what is refused.

use serde_json::{Value, json};

use crate::document::{Body, Field, FieldKind, FieldName};
use crate::filter::Filter;

fn name(text: &str) -> FieldName {
    FieldName::new(text).expect("a field name")
}

fn field(text: &str, kind: FieldKind, searchable: bool) -> Field {
    Field { name: name(text), kind, indexed: false, searchable }
}

fn fields() -> Vec<Field> {
    vec![
        field("status", FieldKind::Text, true),
        field("version", FieldKind::Integer, false),
        field("score", FieldKind::Number, false),
        field("deleted", FieldKind::Boolean, false),
        field("seen", FieldKind::Time, false),
        field("types", FieldKind::TextArray, true),
    ]
}

fn body(json: Value) -> Body {
    json.as_object().cloned().expect("an object")
}

fn holds(filter: &Filter, json: Value) -> bool {
    filter.matches(&fields(), &body(json)).expect("a sound filter")
}

fn refusal(filter: &Filter) -> String {
    filter.check(&fields()).expect_err("a refusal").to_string()
}

#[test]
fn a_missing_value_is_null_and_not_is_the_opposite() {
    let open = Filter::eq(name("status"), "open");
    assert!(!holds(&open, json!({})));
    assert!(holds(&open.clone().negated(), json!({})));
    assert!(holds(&Filter::ne(name("status"), "open"), json!({"status": null})));
    assert!(holds(&Filter::eq(name("status"), Value::Null), json!({})));
    assert!(!holds(&Filter::ne(name("status"), Value::Null), json!({})));
    assert!(holds(&Filter::any_of(name("version"), [json!(1), json!(null)]), json!({})));
    assert!(!holds(&Filter::any_of(name("version"), Vec::<Value>::new()), json!({"version": 1})));
    assert!(!holds(&Filter::below(name("version"), 10), json!({})));
    assert!(holds(&Filter::below(name("version"), 10).negated(), json!({})));
}

#[test]
fn a_range_includes_its_beginning_and_not_its_end() {
    let range = Filter::between(name("version"), 2, 4);
    let found: Vec<_> = (1..6).filter(|version| holds(&range, json!({ "version": version }))).collect();
    assert_eq!(found, [2, 3]);
    let since = Filter::at_least(name("seen"), "2011-10-11T13:00:00+02:00");
    assert!(holds(&since, json!({"seen": "2011-10-11T11:00:00Z"})));
}

#[test]
fn all_words_have_to_occur_in_the_searchable_fields_together() {
    let document = json!({"status": "Crème brûlée", "types": ["Large Enterprise", "bank"]});
    assert!(holds(&Filter::search("BRULEE bank"), document.clone()));
    assert!(!holds(&Filter::search("brulee banks"), document.clone()));
    assert!(!holds(&Filter::search(" - "), document.clone()));
    let one = Filter::Matches { field: Some(name("status")), text: "bank".into() };
    assert!(!holds(&one, document));
}

#[test]
fn an_unknown_field_is_refused_with_the_nearest() {
    assert!(refusal(&Filter::eq(name("satus"), 1)).contains("did you mean status?"));
    assert!(refusal(&Filter::eq(name("zzz"), 1)).contains("declared are status, version"));
}

#[test]
fn values_and_comparisons_have_to_fit_the_kind() {
    for filter in [
        Filter::eq(name("status"), 5),
        Filter::eq(name("types"), "bank"),
        Filter::at_least(name("deleted"), true),
        Filter::prefix(name("version"), "1"),
        Filter::contains(name("status"), "open"),
        Filter::below(name("seen"), "2011-10-11 13:45:40"),
        Filter::Matches { field: Some(name("version")), text: "1".into() },
    ] {
        refusal(&filter);
    }
}

#[test]
fn limits_are_kept() {
    refusal(&Filter::any_of(name("version"), 0..=1_000));
    refusal(&Filter::And(vec![Filter::All; 1_000]));
    refusal(&Filter::Or(vec![Filter::any_of(name("version"), 0..1_000); 11]));
    let deep = |depth| (1..depth).fold(Filter::All, |filter, _| filter.negated());
    assert!(deep(Filter::MAX_DEPTH).check(&fields()).is_ok());
    refusal(&deep(Filter::MAX_DEPTH + 1));
    let many: Vec<_> = (0..=Filter::MAX_WORDS).map(|number| number.to_string()).collect();
    refusal(&Filter::search(many.join(" ")));
}
