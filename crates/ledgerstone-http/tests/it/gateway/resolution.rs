//! Endpoints come and go, sources fail and come back, and no call is lost by it.

use std::sync::Arc;
use std::time::Duration;

use ledgerstone_core::{Code, ErrorKind};
use ledgerstone_http::{Gateway, OperationSettings, ServiceSettings};
use tokio::sync::Semaphore;

use super::fakes::{
    MINUTE, MOMENT, Scripted, Told, addresses, builder, call, gateway, named, pass, refused, report,
    response, told,
};

#[tokio::test(start_paused = true)]
async fn endpoints_come_and_go_without_dropping_calls() {
    let source = Told::of(&["a:1"]);
    let gate = Arc::new(Semaphore::new(0));
    let held = Arc::clone(&gate);
    let client = Scripted::slow(move |request| {
        let held = Arc::clone(&held);
        Box::pin(async move {
            if request.url.contains("//a:1") {
                let _ = held.acquire().await;
            }
            Ok(response(200))
        })
    });
    let gateway = gateway(told(), &source, &client);
    let under_way = tokio::spawn({
        let gateway = gateway.clone();
        async move { call(&gateway).await }
    });
    pass(MOMENT).await;
    assert_eq!(report(&gateway).in_flight, 1);

    source.change(&["b:1", "c:1"]);
    pass(MINUTE).await;
    client.hosts();
    for _ in 0..4 {
        call(&gateway).await.expect("an answer");
    }
    let mut hosts = client.hosts();
    hosts.sort_unstable();
    assert_eq!(hosts, ["b:1", "b:1", "c:1", "c:1"]);

    gate.add_permits(1);
    assert_eq!(under_way.await.expect("a task").expect("an answer"), 200);
}

#[tokio::test(start_paused = true)]
async fn a_failing_source_takes_nothing_away_and_is_told_as_stale() {
    let source = Told::of(&["a:1", "b:1"]);
    let client = Scripted::good();
    let gateway = gateway(told(), &source, &client);
    pass(MOMENT).await;
    assert!(!report(&gateway).is_stale);

    source.fail();
    pass(60 * MINUTE).await;
    let stale = report(&gateway);
    assert!(stale.is_stale && stale.failure.as_deref().is_some_and(|why| why.contains("down")), "{stale:?}");
    assert!(stale.age_ms.is_some_and(|age| age >= 59 * 60_000), "{stale:?}");
    assert_eq!(addresses(&stale), ["a:1", "b:1"]);
    assert_eq!(call(&gateway).await.expect("an answer"), 200);

    source.answer(&["c:1"]);
    pass(MINUTE).await;
    let fresh = report(&gateway);
    assert!(!fresh.is_stale && fresh.failure.is_none());
    assert_eq!(addresses(&fresh), ["c:1"]);
}

#[tokio::test(start_paused = true)]
async fn an_empty_answer_is_the_truth() {
    let source = Told::of(&["a:1"]);
    let gateway = gateway(told(), &source, &Scripted::good());
    assert!(call(&gateway).await.is_ok());
    source.change(&[]);
    pass(MINUTE).await;
    let error = call(&gateway).await.expect_err("nobody");
    assert_eq!((error.kind(), error.code()), (ErrorKind::Unavailable, Code::NoEndpoint));
}

#[tokio::test(start_paused = true)]
async fn a_service_that_was_never_found_says_why_at_once() {
    let source = Told::broken();
    let gateway = gateway(told(), &source, &Scripted::good());
    let error = call(&gateway).await.expect_err("nobody");
    assert_eq!(error.code(), Code::NoEndpoint);
    assert!(error.message().contains("the source is down"), "{error}");
    // It is asked again in the background, and found as soon as it is there.
    source.answer(&["a:1"]);
    pass(MINUTE).await;
    assert!(call(&gateway).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_source_that_never_answers_fails_in_its_time() {
    let source = Told::of(&["a:1"]);
    *source.takes.lock() = 60 * MINUTE;
    let gateway = gateway(told(), &source, &Scripted::good());
    let error = call(&gateway).await.expect_err("nobody");
    assert_eq!(error.code(), Code::NoEndpoint);
    pass(MINUTE).await;
    assert!(report(&gateway).failure.is_some_and(|why| why.contains("did not answer")));
}

#[tokio::test(start_paused = true)]
async fn endpoints_are_asked_for_again_before_they_reach_their_age() {
    let source = Told::of(&["a:1"]);
    let settings = ServiceSettings { max_age: Duration::from_secs(20), ..told() };
    let _gateway = gateway(settings, &source, &Scripted::good());
    pass(10 * MINUTE).await;
    let asked = source.asked.lock().clone();
    assert!(asked.len() >= 30, "{}", asked.len());
    assert!(asked.windows(2).all(|pair| pair[1] - pair[0] <= Duration::from_secs(20)));
}

#[tokio::test(start_paused = true)]
async fn a_source_that_fails_is_not_asked_without_a_pause() {
    let source = Told::broken();
    let _gateway = gateway(told(), &source, &Scripted::good());
    pass(10 * MINUTE).await;
    let asked = source.asked.lock().len();
    assert!((20..=60).contains(&asked), "{asked}");
}

#[tokio::test(start_paused = true)]
async fn an_address_where_nobody_is_makes_the_source_be_asked_soon() {
    let source = Told::of(&["a:1"]);
    let client =
        Scripted::new(
            |request| {
                if request.url.contains("//a:1") { Err(refused()) } else { Ok(response(200)) }
            },
        );
    let gateway = gateway(ServiceSettings { max_age: 60 * MINUTE, ..told() }, &source, &client);
    pass(MOMENT).await;
    source.answer(&["b:1"]);
    call(&gateway).await.expect_err("nobody is there");
    pass(Duration::from_secs(2)).await;
    assert!(call(&gateway).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_source_that_tells_all_the_time_is_asked_once_a_second() {
    let source = Told::of(&["a:1"]);
    let gateway = gateway(told(), &source, &Scripted::good());
    for port in 1..=300 {
        source.change(&[&format!("a:{port}")]);
        pass(Duration::from_millis(100)).await;
    }
    pass(Duration::from_secs(2)).await;
    let asked = source.asked.lock().clone();
    assert!(asked.len() >= 25, "{}", asked.len());
    assert!(asked.windows(2).all(|pair| pair[1] - pair[0] >= Duration::from_secs(1)), "{asked:?}");
    assert_eq!(addresses(&report(&gateway)), ["a:300"]);
}

#[tokio::test(start_paused = true)]
async fn a_watcher_never_misses_the_last_change() {
    let source = Told::of(&["a:1"]);
    let gateway = gateway(told(), &source, &Scripted::good());
    pass(MOMENT).await;
    let mut watcher = gateway.services().watch("orders").expect("a service");
    let first = watcher.changed().await;
    assert_eq!(addresses(&first), ["a:1"]);
    for round in 0..50 {
        let last = format!("b:{}", round + 1);
        for port in 0..3 {
            source.change(&[&format!("a:{}", port + 1)]);
            pass(Duration::from_millis(port * 77)).await;
        }
        source.change(&[&last]);
        let mut seen = watcher.changed().await;
        while addresses(&seen) != [last.as_str()] {
            // Were the change lost, this would wait until the paused clock has nothing to run to.
            seen = watcher.changed().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn unknown_names_are_refused_with_the_nearest() {
    let mut settings = told();
    let operation: OperationSettings = serde_json::from_str(r#"{"path": "/"}"#).expect("settings");
    settings.operations.insert("list_orders".to_owned(), operation);
    let gateway = gateway(settings, &Told::of(&["a:1"]), &Scripted::good());
    for (service, operation, near) in
        [("order", "list_orders", "orders"), ("orders", "list_order", "list_orders")]
    {
        let error = gateway.call(service, operation).expect_err("unknown");
        assert_eq!((error.kind(), error.code()), (ErrorKind::NotFound, Code::NoEndpoint));
        assert!(error.message().contains(&format!("did you mean {near}?")), "{error}");
    }
    let settings = ServiceSettings { resolver: Some("tolt".to_owned()), ..ServiceSettings::default() };
    let error = builder(&Told::of(&[]), &Scripted::good()).start(&named(settings)).expect_err("unknown");
    assert!(error.message().contains("did you mean told?"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_reload_takes_all_or_nothing_and_leaves_alone_what_stays() {
    let source = Told::of(&["a:1"]);
    let client = Scripted::good();
    let gateway = gateway(told(), &source, &client);
    pass(MOMENT).await;
    let mut both = named(told());
    both.insert("users".to_owned(), ServiceSettings::at(["u:1"]));
    gateway.services().reload(&both).expect("sound");
    assert_eq!(gateway.services().names(), ["orders", "users"]);
    assert_eq!(source.asked.lock().len(), 1, "what stays the same was begun anew");

    let mut wrong = both.clone();
    wrong.remove("orders");
    wrong.insert("odd".to_owned(), ServiceSettings::default());
    gateway.services().reload(&wrong).expect_err("no source");
    assert_eq!(gateway.services().names(), ["orders", "users"]);

    both.remove("orders");
    gateway.services().reload(&both).expect("sound");
    assert_eq!(call(&gateway).await.expect_err("gone").code(), Code::NoEndpoint);
}

#[tokio::test(start_paused = true)]
async fn the_background_ends_with_the_services() {
    let source = Told::of(&["a:1"]);
    let client = Scripted::good();
    let gateway: Gateway = gateway(told(), &source, &client);
    pass(MOMENT).await;
    drop(gateway);
    pass(MOMENT).await;
    let asked = source.asked.lock().len();
    pass(60 * MINUTE).await;
    assert_eq!(source.asked.lock().len(), asked);
}
