//! Tests of the specifications.

use serde_json::json;

use ledgerstone_core::FieldKind;

use super::*;

const NAME: Attribute<String> = Attribute::new("name");
const VISITS: Attribute<i64> = Attribute::new("visits");
const ACTIVE: Attribute<bool> = Attribute::new("active");
const KINDS: Attribute<Vec<String>> = Attribute::new("kinds");

fn fields() -> Vec<Field> {
    let field = |name, kind, searchable| Field {
        name: FieldName::declared(name).expect("a name"),
        kind,
        indexed: false,
        searchable,
    };
    vec![
        field("name", FieldKind::Text, true),
        field("visits", FieldKind::Integer, false),
        field("active", FieldKind::Boolean, false),
        field("kinds", FieldKind::TextArray, false),
    ]
}

fn holds(specification: &Specification) -> bool {
    let body = json!({"name": "Ada Lovelace", "visits": 3, "kinds": ["a", "b"]});
    specification.is_satisfied_by(&fields(), body.as_object().expect("an object")).expect("valid")
}

#[test]
fn conditions_hold_for_what_a_store_would_select() {
    for specification in [
        NAME.eq("Ada Lovelace"),
        NAME.ne("Ada"),
        NAME.one_of(["x", "Ada Lovelace"]),
        NAME.begins_with("Ada"),
        NAME.matches("LOVELACE"),
        Specification::matches("ada"),
        VISITS.at_least(3) & VISITS.below(4),
        VISITS.between(1, 4) | ACTIVE.eq(true),
        ACTIVE.is_missing(),
        KINDS.contains("b"),
        !VISITS.eq(4),
        Specification::all(),
        !Specification::any_of([]),
    ] {
        assert!(holds(&specification), "{specification:?}");
        assert!(!holds(&!specification));
    }
}

#[test]
fn a_name_that_no_field_can_have_is_reported_at_use() {
    let wrong = Attribute::<String>::new("not a name").eq("x") & NAME.eq("y");
    let error = (!wrong).filter().expect_err("wrong");
    assert!(error.to_string().contains("not a name"), "{error}");
    let unknown = Attribute::<String>::new("nam").eq("x");
    let error = unknown.is_satisfied_by(&fields(), &Body::new()).expect_err("unknown");
    assert!(error.to_string().contains("did you mean name"), "{error}");
}
