//! Health checks take endpoints out before a call finds out.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ledgerstone_http::{HealthSettings, ServiceSettings};

use super::fakes::{MINUTE, MOMENT, Scripted, Told, call, gateway, pass, report, response, told};

#[tokio::test(start_paused = true)]
async fn an_unhealthy_endpoint_gets_no_calls_until_it_is_healthy_again() {
    let ill = Arc::new(AtomicBool::new(true));
    let is_ill = Arc::clone(&ill);
    let client = Scripted::new(move |request| {
        let fails = is_ill.load(Ordering::Relaxed) && request.url == "http://a:1/health";
        Ok(response(if fails { 503 } else { 200 }))
    });
    let health = HealthSettings::at("/health");
    let settings =
        ServiceSettings { health: Some(health), host: Some("orders.internal".to_owned()), ..told() };
    let gateway = gateway(settings, &Told::of(&["a:1", "b:1", "c:1"]), &client);
    pass(MOMENT).await;
    // Of one bad answer nothing follows.
    assert_eq!(report(&gateway).endpoints[0].is_healthy, None);
    assert!(report(&gateway).endpoints[0].is_used);

    pass(MINUTE).await;
    assert_eq!(report(&gateway).endpoints[0].is_healthy, Some(false));
    let asked = client.requests.lock().clone();
    assert!(asked.iter().all(|request| {
        request.url.ends_with("/health")
            && request.headers == [("host".to_owned(), "orders.internal".to_owned())]
    }));
    client.hosts();
    for _ in 0..6 {
        call(&gateway).await.expect("an answer");
    }
    assert!(!client.hosts().contains(&"a:1".to_owned()));

    ill.store(false, Ordering::Relaxed);
    pass(MINUTE).await;
    assert_eq!(report(&gateway).endpoints[0].is_healthy, Some(true));
    assert!(report(&gateway).endpoints[0].is_used);
}

#[tokio::test(start_paused = true)]
async fn a_check_that_never_ends_counts_as_a_bad_answer() {
    let client = Scripted::slow(|request| {
        Box::pin(async move {
            if request.url == "http://a:1/health" {
                std::future::pending::<()>().await;
            }
            Ok(response(200))
        })
    });
    let settings = ServiceSettings { health: Some(HealthSettings::at("/health")), ..told() };
    let gateway = gateway(settings, &Told::of(&["a:1", "b:1"]), &client);
    pass(2 * MINUTE).await;
    let endpoints = report(&gateway).endpoints;
    assert_eq!((endpoints[0].is_healthy, endpoints[1].is_healthy), (Some(false), Some(true)));
}
