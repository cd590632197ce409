//! Declaring: read models in TOML, recorded in the log, changed and taken away without a gap.

use super::interrupted::Interrupted;
use super::*;
use crate::declared::built_in::{STREAMS, TYPES};
use crate::read_models::declarations::{Declarations, STREAM as READ_MODELS};
use crate::read_models::status::{Origin, ReadModelState};

const FIRST: &str = r#"
[read_model]
name = "numbers"
key = "{stream}"
[fields]
sum = { kind = "integer", indexed = true }
[[on]]
types = ["Number"]
increment = { sum = "/n" }
"#;

#[tokio::test]
async fn a_declaration_is_recorded_once_and_found_by_every_process() {
    let world = world().await;
    world.numbers(10).await;
    let info = world.models.declare(FIRST).await.expect("declares");
    assert!(info.recorded && !info.rebuilding);
    assert!(!world.models.declare(FIRST).await.expect("declares").recorded, "word for word the same");
    let status = world.models.status(&name("numbers")).await.expect("status");
    assert_eq!((status.state, status.lag), (ReadModelState::Unfed, 10), "nothing has reached it yet");
    let another = world.another();
    another.load().await.expect("loads");
    another.catch_up(&name("numbers"), &|_| {}).await.expect("catches up");
    assert_eq!(world.documents("numbers").await["s-1"], json!({"sum": 1 + 6}));
    assert_eq!(another.declaration(&name("numbers")).as_deref(), Some(FIRST));
    let names: Vec<_> = another.names().iter().map(CollectionName::to_string).collect();
    assert_eq!(names, [STREAMS, TYPES, "numbers"]);
}

#[tokio::test]
async fn other_rules_are_filled_beside_the_live_ones_which_go_on_being_fed() {
    let world = world().await;
    world.models.declare(FIRST).await.expect("declares");
    world.numbers(10).await;
    world.catch_up("numbers").await;
    let second = FIRST.replace("increment = { sum = \"/n\" }", "max = { sum = \"/n\" }");
    assert!(world.models.declare(&second).await.expect("declares").rebuilding);
    let another = world.another();
    another.load().await.expect("loads");
    let status = another.status(&name("numbers")).await.expect("status");
    assert_eq!((status.state, status.origin), (ReadModelState::Building, Origin::Declared));
    world.append("s-1", "Number", json!({"n": 100})).await;
    let model = another.inner.find(&name("numbers")).expect("known");
    another.inner.feed(&model, &|_| {}).await.expect("feeds by the old rules, found in the log");
    assert_eq!(world.documents("numbers").await["s-1"], json!({"sum": 107}));
    another.catch_up(&name("numbers"), &|_| {}).await.expect("swaps");
    assert_eq!(world.documents("numbers").await["s-1"], json!({"sum": 100}));
    assert_eq!(another.status(&name("numbers")).await.expect("status").state, ReadModelState::Live);
}

#[tokio::test]
async fn a_change_of_indexes_rebuilds_nothing() {
    let world = world().await;
    world.models.declare(FIRST).await.expect("declares");
    let info =
        world.models.declare(&FIRST.replace("indexed = true", "indexed = false")).await.expect("declares");
    assert!(info.recorded && !info.rebuilding);
    let status = world.models.status(&name("numbers")).await.expect("status");
    assert!(!status.fields[0].indexed);
}

#[tokio::test]
async fn an_abandoned_generation_is_dropped() {
    let world = world().await;
    world.models.declare(FIRST).await.expect("declares");
    world.numbers(5).await;
    world.catch_up("numbers").await;
    let other = FIRST.replace("increment", "max");
    assert!(world.models.declare(&other).await.expect("declares").rebuilding);
    assert!(!world.models.declare(FIRST).await.expect("declares").rebuilding, "back to what is live");
    let collections = world.documents.alter(Vec::new()).await.expect("lists");
    assert_eq!(collections.iter().filter(|one| one.definition.id.name == name("numbers")).count(), 1);
}

#[tokio::test]
async fn what_is_undeclared_is_gone_everywhere() {
    let world = world().await;
    world.models.declare(FIRST).await.expect("declares");
    let another = world.another();
    another.load().await.expect("loads");
    world.models.undeclare(&name("numbers")).await.expect("undeclares");
    another.load().await.expect("loads");
    for models in [&world.models, &another] {
        assert!(models.query(Select::from(name("numbers"))).await.is_err());
        assert!(!models.names().contains(&name("numbers")));
    }
    assert!(world.models.undeclare(&name("numbers")).await.is_err(), "it is not declared any more");
}

#[tokio::test]
async fn a_running_process_takes_up_what_another_declares() {
    let world = world().await;
    world.models.load().await.expect("loads");
    let models = world.models.clone();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let running = tokio::spawn(async move { models.run(async { drop(stopped.await) }).await });
    world.another().declare(FIRST).await.expect("declares");
    let point = world.append("s-1", "Number", json!({"n": 4})).await;
    let limit = Duration::from_secs(5);
    let waited = world.models.wait_for(&name("numbers"), point, limit).await;
    waited.expect("it is fed");
    assert_eq!(world.documents("numbers").await["s-1"], json!({"sum": 4}));
    drop(stop);
    running.await.expect("no panic").expect("ends");
}

#[tokio::test]
async fn the_built_in_models_know_streams_and_types() {
    let world = world().await;
    world.models.load().await.expect("loads");
    world.numbers(7).await;
    world.append("other", "Letter", json!({})).await;
    world.catch_up(STREAMS).await;
    world.catch_up(TYPES).await;
    let streams = world.documents(STREAMS).await;
    assert_eq!(streams.len(), 6);
    assert_eq!((&streams["s-1"]["events"], &streams["s-1"]["last_revision"]), (&json!(2), &json!(1)));
    assert_eq!((&streams["s-1"]["category"], streams["other"].get("category")), (&json!("s"), None));
    assert_eq!(world.documents(TYPES).await["Number"]["events"], json!(7));
}

#[tokio::test]
async fn a_check_tells_what_would_come_of_a_declaration_and_stores_nothing() {
    let world = world().await;
    world.numbers(10).await;
    world.append("s-1", "Number", json!({"n": "ten"})).await;
    world.append("s-1", "Number", json!({})).await;
    let toml = FIRST.replace("[[on]]", "never = \"text\"\n[[on]]");
    let toml = toml.replace("[\"Number\"]", "[\"Number\", \"Numer\"]");
    let report = world.models.check(&toml, 7).await.expect("checks");
    assert_eq!(report.unmet_types, ["Numer"]);
    assert_eq!((report.events_read, report.events_matched, report.documents), (7, 7, 5));
    let sum = report.fields.iter().find(|field| field.name.as_str() == "sum").expect("the field");
    assert_eq!((sum.set, sum.missing, sum.wrong_type), (5, 1, 1));
    assert_eq!(report.never_set.iter().map(FieldName::as_str).collect::<Vec<_>>(), ["never"]);
    assert_eq!((report.problem_count, report.problems[0].position.0), (1, 11));
    assert!(world.documents.alter(Vec::new()).await.expect("lists").is_empty());
    assert!(world.models.check("[read_model]", 7).await.is_err());
}

#[tokio::test]
async fn a_declaration_made_twice_at_once_is_recorded_once() {
    let world = world().await;
    let other = world.another();
    let (one, two) = tokio::join!(world.models.declare(FIRST), other.declare(FIRST));
    let recorded = [one, two].map(|info| info.expect("declares").recorded);
    assert_eq!(recorded.iter().filter(|recorded| **recorded).count(), 1);
    let known = Declarations::load(&*world.events).await.expect("reads");
    assert_eq!(known.history.len(), 1);
}

#[tokio::test]
async fn of_two_declarations_of_a_name_at_once_the_one_recorded_last_stands() {
    let world = world().await;
    let other = world.another();
    let second = FIRST.replace("increment", "max");
    let (one, two) = tokio::join!(world.models.declare(FIRST), other.declare(&second));
    assert!(one.expect("declares").recorded && two.expect("declares").recorded);
    let known = Declarations::load(&*world.events).await.expect("reads");
    let stands = known.current[&name("numbers")].clone();
    world.numbers(7).await;
    for models in [&world.models, &other] {
        models.load().await.expect("loads");
        models.catch_up(&name("numbers"), &|_| {}).await.expect("catches up");
        assert_eq!(models.declaration(&name("numbers")), Some(stands.clone()));
    }
    let sum = if stands == FIRST { 1 + 6 } else { 6 };
    assert_eq!(world.documents("numbers").await["s-1"], json!({"sum": sum}));
}

#[tokio::test]
async fn a_load_takes_nothing_away_that_is_being_declared() {
    let world = world().await;
    world.models.load().await.expect("loads");
    let (declared, loaded) = tokio::join!(world.models.declare(FIRST), world.models.load());
    declared.expect("declares");
    loaded.expect("loads");
    world.numbers(5).await;
    world.catch_up("numbers").await;
    assert_eq!(world.documents("numbers").await["s-1"], json!({"sum": 1}));
}

#[tokio::test]
async fn only_declarations_make_a_process_load_again() {
    let world = world().await;
    let store = Interrupted::new(&world.documents);
    let documents = Arc::clone(&store) as Arc<dyn DocumentStore>;
    let models = ReadModels::new(Arc::clone(&world.events), documents, options());
    models.load().await.expect("loads");
    let heard = || async {
        let heads = world.events.head().await.expect("a head").heads;
        models.inner.hear(Some(heads)).await;
        assert_eq!(models.inner.declared_to.load(Ordering::Relaxed), heads.system.0);
        store.alterations()
    };
    let before = store.alterations();
    for stream in ["$schedules", READ_MODELS] {
        world.append_of(Tenant::default(), stream, "$noted", json!({})).await;
        assert_eq!(heard().await, before, "{stream}");
    }
    world.another().declare(FIRST).await.expect("declares");
    assert!(heard().await > before);
    assert!(models.names().contains(&name("numbers")));
}
