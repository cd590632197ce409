//! Who gets the next call.

use std::sync::Arc;

use futures_util::FutureExt as _;
use ledgerstone_http::{Balance, Balancing, Endpoint, LiveEndpoint, ServiceSettings};
use ledgerstone_resilience::SeededJitter;

use super::fakes::{MOMENT, Scripted, Told, builder, call, gateway, named, pass, report, response, told};

#[tokio::test(start_paused = true)]
async fn turns_are_exactly_by_weight_over_the_wire_of_the_gateway() {
    let settings: ServiceSettings = serde_json::from_str(
        r#"{"endpoints": [{"address": "a:1", "weight": 3}, "b:1", {"address": "c:1", "weight": 0}]}"#,
    )
    .expect("settings");
    let client = Scripted::good();
    let gateway = gateway(settings, &Told::broken(), &client);
    for _ in 0..40 {
        call(&gateway).await.expect("an answer");
    }
    let hosts = client.hosts();
    let count = |of: &str| hosts.iter().filter(|host| *host == of).count();
    assert_eq!((count("a:1"), count("b:1"), count("c:1")), (30, 10, 0));
}

#[tokio::test(start_paused = true)]
async fn a_later_priority_is_used_only_when_the_first_is_gone() {
    let settings = ServiceSettings {
        endpoints: vec![Endpoint::new("a:1"), Endpoint::new("b:1").with_priority(1)],
        ..ServiceSettings::default()
    };
    let client = Scripted::new(|request| Ok(response(if request.url.contains("//a:1") { 500 } else { 200 })));
    let gateway = gateway(settings, &Told::broken(), &client);
    for _ in 0..8 {
        call(&gateway).await.expect("an answer");
    }
    let hosts = client.hosts();
    assert_eq!(hosts[..5], ["a:1"; 5]);
    assert_eq!(hosts[5..], ["b:1"; 3]);
}

#[tokio::test(start_paused = true)]
async fn who_is_slow_gets_less_by_least_loaded() {
    let client = Scripted::slow(|request| {
        let is_slow = request.url.contains("//a:1");
        async move {
            if is_slow {
                std::future::pending::<()>().await;
            }
            Ok(response(200))
        }
        .boxed()
    });
    let settings = ServiceSettings { balance: Balancing::LeastLoaded, ..told() };
    let services = builder(&Told::of(&["a:1", "b:1", "c:1"]), &client)
        .with_jitter(Arc::new(SeededJitter::new(7)))
        .start(&named(settings))
        .expect("services");
    let gateway = ledgerstone_http::Gateway::new(services, Arc::<Scripted>::clone(&client));
    let callers: Vec<_> = (0..60)
        .map(|_| {
            let gateway = gateway.clone();
            tokio::spawn(async move { call(&gateway).await })
        })
        .collect();
    pass(MOMENT).await;
    // Of two drawn the one with a call under way loses, so the slow one is chosen first only.
    assert!(report(&gateway).in_flight <= 2, "{:?}", report(&gateway));
    callers.iter().for_each(tokio::task::JoinHandle::abort);
}

#[derive(Debug)]
struct Last;

impl Balance for Last {
    fn choose(&self, endpoints: &[Arc<LiveEndpoint>]) -> Option<usize> {
        endpoints.len().checked_sub(1)
    }
}

#[tokio::test(start_paused = true)]
async fn a_program_may_balance_as_it_likes() {
    let client = Scripted::good();
    let services = builder(&Told::of(&["a:1", "b:1"]), &client)
        .with_balance("orders", Arc::new(Last))
        .start(&named(told()))
        .expect("services");
    let gateway = ledgerstone_http::Gateway::new(services, Arc::<Scripted>::clone(&client));
    for _ in 0..3 {
        call(&gateway).await.expect("an answer");
    }
    assert_eq!(client.hosts(), ["b:1"; 3]);
}
