//! Declarations: what they refuse, and what each operation does.

use ledgerstone_core::{
    Body, DocumentKey, EncodedEvent, EventData, EventType, Metadata, OffsetTime, Position, Projection,
    RecordedEvent, Revision, Stamp, StreamId, Tag, Tenant, Timestamp,
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::declared::model::DeclaredReadModel;

fn event(event_type: &str, payload: &Value) -> EventData {
    let event_type = EventType::new(event_type).expect("a type");
    let mut event = EventData::json(Uuid::from_u128(7), event_type, payload.to_string());
    event.metadata = Metadata {
        actor: Some("u-7".to_owned()),
        source: Some("crm".to_owned()),
        entries: vec![("shift".to_owned(), "late".to_owned())],
        occurred_at: Some(OffsetTime::parse("2011-10-11T13:45:40+02:00", None).expect("a time")),
        ..Metadata::default()
    };
    event.tags = vec![Tag::new("account:42").expect("a tag"), Tag::new("hot").expect("a tag")];
    event
}

fn recorded(data: &EventData) -> RecordedEvent {
    let stream = StreamId::new("case-10011").expect("a stream");
    let mut record = EncodedEvent::new(&Tenant::default(), Some(&stream), data, true, true);
    let recorded_at = Timestamp::parse("2026-01-02T03:04:05Z").expect("a time");
    record.stamp(Stamp { position: Position(9), revision: Revision(3), recorded_at });
    record.into_recorded()
}

fn model(fields: &str, rules: &str) -> DeclaredReadModel {
    let head = "[read_model]\nname = \"m\"\nkey = \"{stream}\"\n";
    DeclaredReadModel::parse(&format!("{head}[fields]\n{fields}\n{rules}")).expect("a valid declaration")
}

fn projected(
    model: &DeclaredReadModel,
    data: &EventData,
    body: Option<Value>,
) -> Result<Option<Value>, String> {
    let event = recorded(data);
    let keys = model.keys(&event).map_err(|error| error.0)?;
    let [key] = keys.as_slice() else { return Err(format!("{} keys", keys.len())) };
    let body = body.map(|body| body.as_object().cloned().unwrap_or_else(Body::new));
    let body = model.project(&event, key, body).map_err(|error| error.0)?;
    Ok(body.map(Value::Object))
}

/// Applies one rule to one event and one body.
fn after(fields: &str, rule: &str, payload: Value, body: Value) -> Result<Value, String> {
    let model = model(fields, &format!("[[on]]\n{rule}"));
    projected(&model, &event("T", &payload), Some(body)).map(Option::unwrap_or_default)
}

fn refused(text: &str) -> String {
    DeclaredReadModel::parse(text).expect_err("not valid").to_string()
}

#[test]
fn set_takes_a_value_and_leaves_the_field_where_the_event_has_none() {
    let rule = r#"set = { a = "/case:channel", b = "/none", c = "/gone" }"#;
    let fields = "a = \"text\"\nb = \"text\"\nc = \"text\"";
    let payload = json!({"case:channel": "Internet", "gone": null});
    let body = after(fields, rule, payload, json!({"b": "kept", "c": "old"}));
    assert_eq!(body, Ok(json!({"a": "Internet", "b": "kept"})));
}

#[test]
fn set_if_absent_keeps_what_is_there() {
    let rule = r#"set_if_absent = { a = "/a", b = "/b" }"#;
    let body =
        after("a = \"text\"\nb = \"text\"", rule, json!({"a": "new", "b": "new"}), json!({"a": "old"}));
    assert_eq!(body, Ok(json!({"a": "old", "b": "new"})));
}

#[test]
fn min_and_max_keep_the_ends_of_numbers_texts_and_times() {
    let fields = "n = \"integer\"\nt = \"text\"\nat = \"time\"";
    let payload = json!({"n": 5, "t": "m", "at": "2011-10-11T12:00:00+02:00"});
    let low = json!({"n": 1, "t": "a", "at": "2011-10-11T10:30:00.000000Z"});
    let rule = r#"max = { n = "/n", t = "/t", at = "/at" }"#;
    let body = after(fields, rule, payload.clone(), low.clone());
    assert_eq!(body, Ok(json!({"n": 5, "t": "m", "at": "2011-10-11T10:30:00.000000Z"})));
    let rule = r#"min = { n = "/n", t = "/t", at = "/at" }"#;
    let body = after(fields, rule, payload, low);
    assert_eq!(body, Ok(json!({"n": 1, "t": "a", "at": "2011-10-11T12:00:00.000000+02:00"})));
}

#[test]
fn unset_and_soft_delete_name_fields_only() {
    let rule = "unset = [\"a\"]\nsoft_delete = \"gone\"";
    let body = after("a = \"text\"\ngone = \"boolean\"", rule, json!({}), json!({"a": "x"}));
    assert_eq!(body, Ok(json!({"gone": true})));
}

#[test]
fn elements_are_added_once_and_removed_wherever_they_stand() {
    let fields = "tags = \"text_array\"";
    let added =
        after(fields, r#"add_to = { tags = "/t" }"#, json!({"t": ["b", "c"]}), json!({"tags": ["a", "b"]}));
    assert_eq!(added, Ok(json!({"tags": ["a", "b", "c"]})));
    let removed =
        after(fields, r#"remove_from = { tags = "/t" }"#, json!({"t": "a"}), json!({"tags": ["a", "b"]}));
    assert_eq!(removed, Ok(json!({"tags": ["b"]})));
    let misfit = after(fields, r#"add_to = { tags = "/t" }"#, json!({"t": 1}), json!({}));
    assert!(misfit.expect_err("a number").contains("not a text or an array of texts"));
}

#[test]
fn increment_adds_constants_and_values_and_refuses_what_does_not_fit() {
    let fields = "n = \"integer\"\nsum = \"number\"";
    let rule = r#"increment = { n = 2, sum = "/x" }"#;
    assert_eq!(after(fields, rule, json!({"x": 1.5}), json!({"sum": 1})), Ok(json!({"n": 2, "sum": 2.5})));
    assert_eq!(after(fields, rule, json!({}), json!({"n": 1})), Ok(json!({"n": 3})), "nothing to add");
    let overflow = after(fields, rule, json!({}), json!({"n": i64::MAX}));
    assert!(overflow.expect_err("too large").contains("does not fit"));
}

#[test]
fn delete_removes_the_document_and_if_exists_makes_none() {
    let deleting = model("n = \"integer\"", "[[on]]\ndelete = true");
    assert_eq!(projected(&deleting, &event("T", &json!({})), Some(json!({"n": 1}))), Ok(None));
    let careful = model("n = \"integer\"", "[[on]]\nif_exists = true\nincrement = { n = 1 }");
    assert_eq!(projected(&careful, &event("T", &json!({})), None), Ok(None));
    let there = projected(&careful, &event("T", &json!({})), Some(json!({"n": 1})));
    assert_eq!(there, Ok(Some(json!({"n": 2}))));
}

#[test]
fn the_envelope_gives_values_too() {
    let fields = "a=\"text\"\nb=\"text\"\nc=\"text\"\nd=\"time\"\ne=\"integer\"\nf=\"text_array\"\ng=\"text\"\n\
                  h=\"text\"\ni=\"text\"\nj=\"time\"\nk=\"json\"\nl=\"text\"";
    let rule = "set = { a = \"$type\", b = \"$stream.id\", c = \"$meta.actor\", d = \"$occurred_at\", \
                e = \"$position\", f = \"$tags\", g = \"$tag:account:\", h = \"$meta.shift\", \
                i = \"{stream.category}/{data:/x}/{day}\", j = \"$recorded_at\", k = \"\", l = { value = \"fixed\" } }";
    let body = after(fields, rule, json!({"x": 1}), json!({})).expect("applies");
    let expected = json!({
        "a": "T", "b": "10011", "c": "u-7", "d": "2011-10-11T13:45:40.000000+02:00", "e": 9,
        "f": ["account:42", "hot"], "g": "42", "h": "late", "i": "case/1/2011-10-11",
        "j": "2026-01-02T03:04:05.000000Z", "k": {"x": 1}, "l": "fixed",
    });
    assert_eq!(body, expected);
}

#[test]
fn an_event_without_a_time_of_its_own_happened_when_it_was_recorded() {
    let model = model("at = \"time\"", "[[on]]\nset = { at = \"$occurred_at\" }");
    let mut data = event("T", &json!({}));
    data.metadata.occurred_at = None;
    assert_eq!(projected(&model, &data, None), Ok(Some(json!({"at": "2026-01-02T03:04:05.000000Z"}))));
}

#[test]
fn a_value_of_another_kind_is_a_clear_cause_that_does_not_show_the_value() {
    let rule = r#"set = { n = "/n" }"#;
    let cause = after("n = \"integer\"", rule, json!({"n": "secret"}), json!({})).expect_err("a text");
    assert_eq!(cause, r#"field n: set from "/n": it is a text, not an integer"#);
    let parsed = after(
        "n = \"integer\"",
        r#"set = { n = { from = "/n", parse = true } }"#,
        json!({"n": "7"}),
        json!({}),
    );
    assert_eq!(parsed, Ok(json!({"n": 7})));
    let zoned = r#"set = { at = { from = "/at", zone = "Europe/Amsterdam" } }"#;
    let zoned = after("at = \"time\"", zoned, json!({"at": "2011-10-11 13:45:40"}), json!({}));
    assert_eq!(zoned, Ok(json!({"at": "2011-10-11T13:45:40.000000+02:00"})));
    let default = r#"set = { s = { from = "/s", default = "none" } }"#;
    assert_eq!(after("s = \"text\"", default, json!({}), json!({})), Ok(json!({"s": "none"})));
}

#[test]
fn rules_take_types_categories_streams_and_tags() {
    let takes = |rule: &str| {
        let model = model("n = \"integer\"", &format!("[[on]]\n{rule}\nincrement = {{ n = 1 }}"));
        let event = recorded(&event("T", &json!({})));
        let taken = !model.keys(&event).expect("keys").is_empty();
        assert_eq!(taken, model.query().matches(&event), "the query says the same as the rule: {rule}");
        taken
    };
    assert!(takes(r#"types = ["*"]"#) && takes(r#"types = "T""#) && !takes(r#"types = ["U"]"#));
    assert!(takes(r#"categories = ["case"]"#) && !takes(r#"categories = ["other"]"#));
    assert!(takes(r#"streams = ["case-10011"]"#) && !takes(r#"streams = ["case-2"]"#));
    assert!(takes(r#"tags = ["hot"]"#) && !takes(r#"tags = ["hot", "cold"]"#));
}

#[test]
fn a_rule_may_have_a_key_of_its_own() {
    let rules = "[[on]]\nincrement = { n = 1 }\n[[on]]\nkey = \"all\"\nincrement = { n = 10 }";
    let model = model("n = \"integer\"", rules);
    let event = recorded(&event("T", &json!({})));
    let keys = model.keys(&event).expect("keys");
    let texts: Vec<_> = keys.iter().map(DocumentKey::as_str).collect();
    assert_eq!(texts, ["case-10011", "all"]);
    let sums: Vec<_> = keys.iter().map(|key| model.project(&event, key, None).expect("applies")).collect();
    assert_eq!(sums[0].as_ref().and_then(|body| body.get("n")), Some(&json!(1)));
    assert_eq!(sums[1].as_ref().and_then(|body| body.get("n")), Some(&json!(10)));
}

#[test]
fn older_versions_are_brought_up_before_they_are_read() {
    let upcasts = "[[on]]\nset = { name = \"/name/full\", country = \"/country\" }\n\
                   [[upcast]]\ntype = \"T\"\nfrom = 1\nrename = { \"/Name\" = \"/name\" }\n\
                   [[upcast]]\ntype = \"T\"\nfrom = 2\nrename = { \"/name\" = \"/full\" }\n\
                   default = { \"/country\" = \"NL\" }\n\
                   [[upcast]]\ntype = \"T\"\nfrom = 3\nrename = { \"/full\" = \"/name/full\" }";
    let model = model("name = \"text\"\ncountry = \"text\"", upcasts);
    let mut old = event("T", &json!({"Name": "Ada"}));
    assert_eq!(projected(&model, &old, None), Ok(Some(json!({"name": "Ada", "country": "NL"}))));
    old.schema_version = 4;
    old.payload = json!({"name": {"full": "Bea"}}).to_string().into();
    assert_eq!(projected(&model, &old, None), Ok(Some(json!({"name": "Bea"}))), "the newest needs no step");
}

#[test]
fn a_key_without_a_value_is_a_cause_or_is_skipped() {
    let text = |extra: &str| {
        format!(
            "[read_model]\nname = \"m\"\nkey = \"{{data:/id}}\"\n{extra}\n[fields]\nn = \"integer\"\n[[on]]\nincrement = {{ n = 1 }}"
        )
    };
    let event = recorded(&event("T", &json!({})));
    let parking = DeclaredReadModel::parse(&text("")).expect("valid");
    assert!(parking.keys(&event).expect_err("no id").0.contains("no value for {data:/id}"));
    let skipping = DeclaredReadModel::parse(&text("without_key = \"skip\"")).expect("valid");
    assert_eq!(skipping.keys(&event), Ok(Vec::new()));
}

#[test]
fn the_hash_covers_the_rules_and_not_the_indexes() {
    let hash =
        |fields: &str, rule: &str| model(fields, &format!("[[on]]\n{rule}")).definition().id.definition;
    let base = hash("a = \"text\"", r#"set = { a = "/a" }"#);
    assert_eq!(
        base,
        hash("a = { kind = \"text\", indexed = true, searchable = true }", r#"set = { a = "/a" }"#)
    );
    assert_ne!(base, hash("a = \"text\"", r#"set = { a = "/b" }"#));
    assert_ne!(base, hash("a = \"text\"\nb = \"text\"", r#"set = { a = "/a" }"#));
    assert_ne!(base, hash("a = \"text\"", "types = [\"T\"]\nset = { a = \"/a\" }"));
}

#[test]
fn mistakes_are_told_with_their_line_and_the_nearest_name() {
    let head =
        "[read_model]\nname = \"m\"\nkey = \"{stream}\"\n[fields]\nchannel = \"text\"\nn = \"integer\"\n";
    let on = |rule: &str| refused(&format!("{head}[[on]]\n{rule}"));
    let cases = [
        (
            on("sett = { channel = \"/a\" }"),
            r#"line 8, column 1: [[on]] has no key "sett"; did you mean "set"?"#,
        ),
        (on("set = { chanel = \"/a\" }"), r#"there is no field "chanel"; did you mean "channel"?"#),
        (on("set = { channel = \"$tipe\" }"), r#"the envelope has no "tipe"; did you mean "type"?"#),
        (on("set = { channel = \"a\" }"), "for a constant"),
        (on("set = { n = { value = \"x\" } }"), "the constant does not fit: it is a text, not an integer"),
        (
            on("increment = { channel = 1 }"),
            "increment needs an integer or a number, and field channel is text",
        ),
        (on("delete = true\nset = { n = 1 }"), "use two [[on]]"),
        (on("types = [\"T\"]"), "the [[on]] does nothing"),
        (on("types = [\"$x\"]\nset = { n = 1 }"), "belong to the system"),
        (on("set = { channel = \"{stream\" }"), "a brace without its partner"),
        (
            refused(&head.replace("integer", "intger")),
            r#"line 6, column 5: there is no kind "intger"; did you mean "integer"?"#,
        ),
        (refused(head), "at least one [[on]]"),
        (
            refused(
                "[read_model]\nname = \"$m\"\nkey = \"x\"\n[fields]\nn = \"text\"\n[[on]]\nset = { n = \"/n\" }",
            ),
            "belong to the system",
        ),
        (
            refused(
                "[read_model]\nname = \"../m n\"\nkey = \"x\"\n[fields]\nn = \"text\"\n[[on]]\nset = { n = \"/n\" }",
            ),
            "it stands in paths",
        ),
        (refused("[read_model\n"), "line 1"),
        (refused("[read_model]\nname = \"m\""), "needs a key"),
        (refused("name = \"m\""), r#"has no key "name""#),
    ];
    for (given, expected) in cases {
        assert!(given.contains(expected), "{given}\n  should say: {expected}");
    }
}

#[test]
fn a_payload_that_is_no_json_is_a_cause_only_where_the_payload_is_read() {
    let mut data = event("T", &json!({}));
    data.payload = "not json".into();
    let reading = model("a = \"text\"", "[[on]]\nset = { a = \"/a\" }");
    assert!(projected(&reading, &data, None).expect_err("no json").contains("not JSON"));
    let envelope = model("a = \"text\"", "[[on]]\nset = { a = \"$type\" }");
    assert_eq!(projected(&envelope, &data, None), Ok(Some(json!({"a": "T"}))));
}

#[test]
fn the_example_in_the_documentation_is_valid() {
    let cases = include_str!("../../../../docs/examples/cases.toml");
    let model = DeclaredReadModel::parse(cases).expect("valid");
    assert_eq!(model.definition().fields.len(), 8);
    let reference = include_str!("../../../../docs/reference/declared-read-models.md");
    let first = reference.split("```toml").nth(1).and_then(|rest| rest.split("```").next());
    DeclaredReadModel::parse(first.expect("an example")).expect("valid");
}
