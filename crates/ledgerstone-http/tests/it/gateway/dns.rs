//! Endpoints from DNS, asked of a name server on this machine.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use ledgerstone_core::ErrorKind;
use ledgerstone_http::{DnsResolver, DnsSettings, Endpoint, Resolver as _, ServiceSettings, Services};

use super::fakes::Scripted;
use super::name_server::NameServer;

const NAME: &str = "orders.test.";

fn address(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, 0, last)
}

#[tokio::test]
async fn a_name_has_all_its_addresses_of_both_versions() {
    let server = NameServer::start();
    server.addresses("orders.test", &[address(1), address(2)]);
    server.addresses_6("orders.test", &[Ipv6Addr::LOCALHOST]);
    let resolver = DnsResolver::addresses(NAME, 8080, Some(server.address)).expect("a resolver");
    let found = resolver.resolve("orders").await.expect("found");
    let addresses: Vec<_> = found.endpoints.iter().map(|endpoint| endpoint.address.as_str()).collect();
    assert_eq!(addresses, ["10.0.0.1:8080", "10.0.0.2:8080", "[::1]:8080"]);
    assert!(found.ttl.is_some_and(|ttl| ttl <= Duration::from_secs(30)), "{:?}", found.ttl);
}

#[tokio::test]
async fn a_change_is_seen_at_the_next_question_however_long_the_records_live() {
    let server = NameServer::start();
    server.addresses("orders.test", &[address(1)]);
    let resolver = DnsResolver::addresses(NAME, 80, Some(server.address)).expect("a resolver");
    resolver.resolve("orders").await.expect("found");
    server.addresses("orders.test", &[address(1), address(9)]);
    let found = resolver.resolve("orders").await.expect("found");
    assert_eq!(found.endpoints.len(), 2);
}

#[tokio::test]
async fn service_records_bring_ports_weights_and_priorities() {
    let server = NameServer::start();
    let records = [(1, 30, 8080, "a.test"), (1, 0, 8081, "b.test"), (2, 5, 8082, "c.test")];
    server.services("_http._tcp.orders.test", &records);
    for (name, last) in [("a.test", 1), ("b.test", 2), ("c.test", 3)] {
        server.addresses(name, &[address(last)]);
    }
    let resolver =
        DnsResolver::services("_http._tcp.orders.test.", Some(server.address)).expect("a resolver");
    let found = resolver.resolve("orders").await.expect("found");
    let expected = [
        Endpoint::new("10.0.0.1:8080").with_weight(30).with_priority(1),
        Endpoint::new("10.0.0.2:8081").with_weight(1).with_priority(1),
        Endpoint::new("10.0.0.3:8082").with_weight(5).with_priority(2),
    ];
    assert_eq!(found.endpoints, expected);
}

#[tokio::test]
async fn a_part_of_the_targets_is_not_taken_for_the_whole() {
    let server = NameServer::start();
    server.services("_http._tcp.orders.test", &[(1, 1, 80, "a.test"), (1, 1, 80, "lost.test")]);
    server.addresses("a.test", &[address(1)]);
    let resolver =
        DnsResolver::services("_http._tcp.orders.test.", Some(server.address)).expect("a resolver");
    let error = resolver.resolve("orders").await.expect_err("half of it");
    assert!(error.message().contains("lost.test"), "{error}");
}

#[tokio::test]
async fn no_such_name_and_no_name_server_are_failures_and_not_empty() {
    let server = NameServer::start();
    let resolver = DnsResolver::addresses(NAME, 80, Some(server.address)).expect("a resolver");
    assert_eq!(resolver.resolve("orders").await.expect_err("unknown").kind(), ErrorKind::NotFound);
    server.addresses("orders.test", &[]);
    assert_eq!(resolver.resolve("orders").await.expect_err("nothing").kind(), ErrorKind::NotFound);
    server.addresses("orders.test", &[address(1)]);
    server.break_down(true);
    assert_eq!(resolver.resolve("orders").await.expect_err("broken").kind(), ErrorKind::Unavailable);
}

#[tokio::test]
async fn a_service_keeps_its_addresses_while_its_zone_is_gone() {
    let server = NameServer::start();
    server.addresses("orders.test", &[address(1)]);
    let dns = DnsSettings { name: NAME.to_owned(), port: 80, server: Some(server.address) };
    let settings =
        ServiceSettings { dns: Some(dns), max_age: Duration::from_millis(20), ..ServiceSettings::default() };
    let settings = super::fakes::named(settings);
    let services = Services::builder(Scripted::good()).start(&settings).expect("services");
    let mut watcher = services.watch("orders").expect("a service");
    let mut seen = watcher.changed().await;
    while seen.endpoints.is_empty() {
        seen = watcher.changed().await;
    }
    server.forget("orders.test");
    while !seen.is_stale {
        seen = watcher.changed().await;
    }
    assert_eq!(super::fakes::addresses(&seen), ["10.0.0.1:80"]);
    server.addresses("orders.test", &[address(2)]);
    while seen.is_stale {
        seen = watcher.changed().await;
    }
    assert_eq!(super::fakes::addresses(&seen), ["10.0.0.2:80"]);
    assert!(server.questions() > 3);
}
