//! Endpoints that fail are left alone for a while, and never so many that nobody is left.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ledgerstone_core::{BackendError, Code, ErrorKind};
use ledgerstone_http::{EndpointReport, Gateway, HealthSettings, OutlierSettings, ServiceSettings};
use ledgerstone_resilience::Deadline;

use super::fakes::{MINUTE, MOMENT, Scripted, Told, call, gateway, pass, refused, report, response, told};

/// A client for which the endpoint `a:1` fails while the flag is up.
fn failing() -> (Arc<Scripted>, Arc<AtomicBool>) {
    let flag = Arc::new(AtomicBool::new(true));
    let is_up = Arc::clone(&flag);
    let client = Scripted::new(move |request| {
        let fails = is_up.load(Ordering::Relaxed) && request.url.contains("//a:1");
        if fails { Ok(response(500)) } else { Ok(response(200)) }
    });
    (client, flag)
}

fn of<'r>(endpoints: &'r [EndpointReport], address: &str) -> &'r EndpointReport {
    endpoints.iter().find(|endpoint| endpoint.address == address).expect("an endpoint")
}

fn is_ejected(gateway: &Gateway, address: &str) -> bool {
    of(&report(gateway).endpoints, address).ejected.is_some()
}

async fn calls(gateway: &Gateway, count: usize) {
    for _ in 0..count {
        let _ = call(gateway).await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_fails_in_a_row_is_ejected_returns_and_is_ejected_for_longer() {
    let (client, fails) = failing();
    let gateway = gateway(told(), &Told::of(&["a:1", "b:1", "c:1"]), &client);
    calls(&gateway, 15).await;
    let endpoints = report(&gateway).endpoints;
    let ejected = of(&endpoints, "a:1");
    assert_eq!(ejected.ejected.as_deref(), Some("5 failures in a row"));
    assert!(!ejected.is_used && of(&endpoints, "b:1").is_used);
    assert!(ejected.returns_in_ms.is_some_and(|left| left <= 30_000));
    client.hosts();
    calls(&gateway, 10).await;
    assert!(!client.hosts().contains(&"a:1".to_owned()), "it was called while it was out");

    // It gets another try, fails again, and is out for twice as long.
    pass(Duration::from_secs(31)).await;
    calls(&gateway, 15).await;
    assert!(is_ejected(&gateway, "a:1"));
    pass(Duration::from_secs(31)).await;
    calls(&gateway, 3).await;
    assert!(is_ejected(&gateway, "a:1"));
    pass(Duration::from_secs(31)).await;
    fails.store(false, Ordering::Relaxed);
    client.hosts();
    calls(&gateway, 3).await;
    assert!(client.hosts().contains(&"a:1".to_owned()));
    assert!(!is_ejected(&gateway, "a:1"));
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_worse_than_its_peers_is_ejected_even_if_it_works_now_and_then() {
    let count = std::sync::atomic::AtomicUsize::new(0);
    let client = Scripted::new(move |request| {
        // Every other call fails there, so never five in a row.
        let fails = request.url.contains("//a:1") && count.fetch_add(1, Ordering::Relaxed).is_multiple_of(2);
        if fails { Err(refused()) } else { Ok(response(200)) }
    });
    let settings = ServiceSettings {
        outliers: OutlierSettings { window: MINUTE, ..OutlierSettings::default() },
        ..told()
    };
    let gateway = gateway(settings, &Told::of(&["a:1", "b:1", "c:1"]), &client);
    calls(&gateway, 200).await;
    let endpoints = report(&gateway).endpoints;
    let why = of(&endpoints, "a:1").ejected.as_deref();
    assert!(why.is_some_and(|why| why.contains("of its peers")), "{why:?}");
}

#[tokio::test(start_paused = true)]
async fn the_last_endpoint_is_never_ejected_nor_more_than_the_share() {
    let client = Scripted::new(|_| Ok(response(503)));
    let alone = gateway(told(), &Told::of(&["a:1"]), &client);
    calls(&alone, 100).await;
    assert!(!is_ejected(&alone, "a:1"));

    let many = gateway(told(), &Told::of(&["a:1", "b:1", "c:1", "d:1", "e:1"]), &client);
    calls(&many, 500).await;
    let ejected = report(&many).endpoints.iter().filter(|endpoint| endpoint.ejected.is_some()).count();
    assert_eq!(ejected, 2);
}

#[tokio::test(start_paused = true)]
async fn when_too_many_are_out_all_are_used() {
    let client = Scripted::new(|request| {
        let is_bad = !request.url.contains("//a:1");
        if request.url.ends_with("/health") && is_bad { Err(refused()) } else { Ok(response(200)) }
    });
    let settings = ServiceSettings { health: Some(HealthSettings::at("/health")), ..told() };
    let source = Told::of(&["a:1", "b:1", "c:1"]);
    let gateway = gateway(settings, &source, &client);
    pass(MINUTE).await;
    let panicking = report(&gateway);
    assert!(panicking.is_panicking, "{panicking:?}");
    assert!(panicking.endpoints.iter().all(|endpoint| endpoint.is_used));
    // With another healthy one it is half, which is enough.
    source.change(&["a:1", "b:1"]);
    pass(MINUTE).await;
    let calm = report(&gateway);
    assert!(!calm.is_panicking);
    assert!(of(&calm.endpoints, "a:1").is_used && !of(&calm.endpoints, "b:1").is_used);
}

#[tokio::test(start_paused = true)]
async fn a_call_whose_caller_left_says_nothing() {
    let client = Scripted::slow(|_| Box::pin(std::future::pending()));
    let gateway = gateway(told(), &Told::of(&["a:1", "b:1"]), &client);
    for _ in 0..50 {
        let left = tokio::time::timeout(MOMENT, call(&gateway)).await;
        assert!(left.is_err());
    }
    let after = report(&gateway);
    assert_eq!(after.in_flight, 0);
    assert!(after.endpoints.iter().all(|endpoint| endpoint.ejected.is_none()));
}

#[tokio::test(start_paused = true)]
async fn a_caller_with_little_time_ejects_nobody() {
    let late = || {
        Scripted::slow(|request| {
            Box::pin(async move {
                tokio::time::sleep(request.timeout.expect("a timeout")).await;
                let late = BackendError::new(ErrorKind::TimedOut, "http", "send", "no answer in time");
                Err(late.with_code(Code::Unreachable))
            })
        })
    };
    let impatient = gateway(told(), &Told::of(&["a:1", "b:1", "c:1"]), &late());
    for _ in 0..50 {
        Deadline::after(MOMENT).scope(call(&impatient)).await.expect_err("no time");
    }
    assert!(report(&impatient).endpoints.iter().all(|endpoint| endpoint.ejected.is_none()));
}
