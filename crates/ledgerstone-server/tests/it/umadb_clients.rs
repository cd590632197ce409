//! The protocol of UmaDB: its five calls, its errors, and what it sees of what others recorded.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::Stdio;

use ledgerstone_server::api::state::ApiLimits;
use ledgerstone_server::serve::{ServeOptions, Server};
use ledgerstone_testkit::conformance::{CaseResult, Trials};
use serde_json::json;
use tonic::Code;
use uuid::Uuid;

use crate::cli::Desk;
use crate::running::{Running, app, running, running_with};
use crate::umadb_wire::{
    Append, Client, Condition, Entry, Event, Item, Name, Number, Pages, Query, Read, Sequenced, Subscribe,
    Tracking, details,
};

const TOKEN: &str = "0123456789abcdef";

/// The numbers of the kinds of errors.
const INTEGRITY: i32 = 2;
const AUTHENTICATION: i32 = 5;
const INVALID_ARGUMENT: i32 = 6;

pub(crate) fn add(trials: &mut Trials) {
    trials.add("umadb::what_is_appended_comes_back_with_its_position", comes_back);
    trials.add("umadb::an_empty_log_has_no_head", || async {
        let (_server, client) = started().await;
        assert_eq!(client.head().await?, None);
        assert_eq!(client.read(Read::default()).await?, [Pages::default()]);
        assert_eq!(client.read(Read { limit: Some(0), ..Read::default() }).await?, []);
        Ok(())
    });
    trials.add("umadb::a_limit_bounds_the_read_and_tells_the_last_event_as_head", limits);
    trials.add("umadb::a_read_begins_where_it_is_told_in_either_direction", directions);
    trials.add("umadb::a_query_is_any_item_of_any_type_and_all_tags", queries);
    trials.add("umadb::a_broken_condition_is_a_failed_precondition_and_leaves_no_trace", conflicts);
    trials.add("umadb::the_same_ids_again_answer_the_first_position", repeats);
    trials.add("umadb::tracking_rises_with_its_events_or_not_at_all", tracks);
    trials.add("umadb::what_makes_no_sense_is_an_invalid_argument", invalid);
    trials.add("umadb::a_subscription_goes_on_and_ends_with_the_server", subscribes);
    trials.add("umadb::subscriptions_are_bounded_in_number", || async {
        let limits = ApiLimits { followers: 1, ..ApiLimits::default() };
        let (_server, client) = started_with(ServeOptions { limits, ..umadb() }).await;
        let first = client.subscribe(Subscribe::default()).await?;
        let refused = client.subscribe(Subscribe::default()).await.expect_err("too many");
        assert_eq!(refused.code(), Code::ResourceExhausted);
        drop(first);
        Ok(())
    });
    trials.add("umadb::only_who_knows_the_token_is_let_in", || async {
        let authenticator = ledgerstone::http::StaticToken::new(TOKEN)?;
        let options = ServeOptions { authenticator: Some(std::sync::Arc::new(authenticator)), ..umadb() };
        let (_server, client) = started_with(options).await;
        let known = client.clone().with("authorization", format!("Bearer {TOKEN}"));
        assert_eq!(known.append(append([event("A", &[])])).await?, 1);
        for stranger in [client.clone(), client.clone().with("authorization", "Bearer 0123456789abcdeX")] {
            let refused = [
                stranger.append(append([event("A", &[])])).await.expect_err("no token"),
                stranger.head().await.expect_err("no token"),
                stranger.tracking("a").await.expect_err("no token"),
                stranger.read(Read::default()).await.expect_err("no token"),
                stranger.subscribe(Subscribe::default()).await.expect_err("no token"),
            ];
            for status in refused {
                assert_eq!((status.code(), details(&status).1), (Code::Unauthenticated, AUTHENTICATION));
            }
            let health: Number = stranger.one("grpc.health.v1.Health/Check", Name::default()).await?;
            assert_eq!(health.number, 1, "health needs no token");
        }
        assert_eq!(known.head().await?, Some(1));
        Ok(())
    });
    trials.add("umadb::what_http_recorded_is_seen_and_the_other_way_round", beside_http);
    trials.add("umadb::tenants_are_apart", || async {
        let (server, client) = started().await;
        let acme = client.clone().with("ledgerstone-tenant", "acme");
        assert_eq!(acme.append(append([event("A", &["x"])])).await?, 1);
        assert_eq!(positions(&client.read(Read::default()).await?), [0; 0]);
        assert_eq!(positions(&acme.read(Read::default()).await?), [1]);
        let answer = server.call("GET", "/v1/events", &[("ledgerstone-tenant", "acme")], "").await;
        assert_eq!(answer.json()["events"][0]["type"], "A");
        let broken = client.with("ledgerstone-tenant", "%zz").head().await.expect_err("no tenant");
        assert_eq!((broken.code(), details(&broken).1), (Code::InvalidArgument, INVALID_ARGUMENT));
        Ok(())
    });
    trials.add("umadb::its_port_is_as_guarded_as_that_of_http", guarded);
    trials.add("umadb::the_binary_serves_where_the_environment_says_and_keeps_what_it_took", the_binary);
    trials.add("umadb::calls_are_counted_by_method_and_code", || async {
        let (server, client) = started().await;
        client.append(append([event("A", &["x"])])).await?;
        let unknown: Result<Number, _> = client.one("umadb.v1.DCB/Nothing", Name::default()).await;
        assert_eq!(unknown.expect_err("no such call").code(), Code::Unimplemented);
        let metrics = server.get("/metrics").await.text();
        for series in [
            r#"ledgerstone_grpc_calls_total{method="umadb.v1.DCB/Append",code="OK"}"#,
            r#"ledgerstone_grpc_calls_total{method="other",code="UNIMPLEMENTED"}"#,
            r#"ledgerstone_grpc_call_seconds_count{method="umadb.v1.DCB/Append"}"#,
        ] {
            assert!(metrics.contains(series), "{series} is missing in {metrics}");
        }
        Ok(())
    });
}

fn umadb() -> ServeOptions {
    ServeOptions { umadb: Some(SocketAddr::from(([127, 0, 0, 1], 0))), ..ServeOptions::default() }
}

async fn started() -> (Running, Client) {
    started_with(umadb()).await
}

async fn started_with(options: ServeOptions) -> (Running, Client) {
    let server = running_with(options).await;
    let client = Client::connect(server.umadb.expect("it listens for clients of UmaDB")).await;
    (server, client)
}

fn event(event_type: &str, tags: &[&str]) -> Event {
    Event {
        event_type: event_type.to_owned(),
        tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
        data: b"{}".to_vec(),
        uuid: Uuid::now_v7().to_string(),
        metadata: Vec::new(),
    }
}

fn append(events: impl IntoIterator<Item = Event>) -> Append {
    Append { events: events.into_iter().collect(), ..Append::default() }
}

fn of(types: &[&str], tags: &[&str]) -> Query {
    let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    Query { items: vec![Item { types: owned(types), tags: owned(tags) }] }
}

fn unless(query: Query, after: Option<u64>) -> Option<Condition> {
    Some(Condition { fail_if: Some(query), after })
}

fn events(pages: &[Pages]) -> Vec<Sequenced> {
    pages.iter().flat_map(|page| page.events.clone()).collect()
}

fn positions(pages: &[Pages]) -> Vec<u64> {
    events(pages).iter().map(|event| event.position).collect()
}

async fn ten(client: &Client) -> CaseResult {
    let named = |number| event(if number % 2 == 0 { "Even" } else { "Odd" }, &["t"]);
    assert_eq!(client.append(append((1..=10).map(named))).await?, 10);
    Ok(())
}

async fn comes_back() -> CaseResult {
    let (_server, client) = started().await;
    let entry = |key: &str, value: &str| Entry { key: key.to_owned(), value: value.to_owned() };
    let given = [
        Event { data: vec![0, 255, 10], ..event("Bytes", &["ä", "b c", "b c"]) },
        Event { uuid: String::new(), data: Vec::new(), ..event("Bare", &[]) },
        Event {
            metadata: vec![entry("trace", "1"), entry("source", "x"), entry("empty", "")],
            ..event("Known", &[])
        },
        Event { uuid: Uuid::nil().to_string(), ..event("Nil", &[]) },
    ];
    assert_eq!(client.append(append(given.clone())).await?, 4);
    let pages = client.read(Read::default()).await?;
    for (index, (sequenced, given)) in events(&pages).into_iter().zip(given).enumerate() {
        assert_eq!(sequenced, Sequenced { position: index as u64 + 1, event: Some(given), tracking: None });
    }
    assert_eq!((positions(&pages).len(), client.head().await?), (4, Some(4)));
    Ok(())
}

async fn limits() -> CaseResult {
    let (_server, client) = started().await;
    ten(&client).await?;
    for (read, expected, heads) in [
        (Read { limit: Some(3), ..Read::default() }, vec![1, 2, 3], vec![Some(3)]),
        (Read { limit: Some(3), backwards: Some(true), ..Read::default() }, vec![10, 9, 8], vec![Some(8)]),
        (
            Read { batch_size: Some(4), limit: Some(6), ..Read::default() },
            (1..=6).collect(),
            vec![Some(4), Some(6)],
        ),
        (Read { batch_size: Some(4), ..Read::default() }, (1..=10).collect(), vec![Some(10); 3]),
        (Read { query: Some(of(&["Nobody"], &[])), ..Read::default() }, vec![], vec![Some(10)]),
        (Read { query: Some(of(&["Nobody"], &[])), limit: Some(1), ..Read::default() }, vec![], vec![None]),
    ] {
        let pages = client.read(read.clone()).await?;
        assert_eq!(positions(&pages), expected, "{read:?}");
        assert_eq!(pages.iter().map(|page| page.head).collect::<Vec<_>>(), heads, "{read:?}");
    }
    Ok(())
}

async fn directions() -> CaseResult {
    let (_server, client) = started().await;
    ten(&client).await?;
    for (start, backwards, expected) in [
        (Some(8), None, vec![8, 9, 10]),
        (Some(0), Some(false), (1..=10).collect()),
        (Some(11), None, vec![]),
        (Some(u64::MAX), None, vec![]),
        (Some(3), Some(true), vec![3, 2, 1]),
        (Some(0), Some(true), vec![]),
        (Some(u64::MAX), Some(true), (1..=10).rev().collect()),
    ] {
        let pages = client.read(Read { start, backwards, ..Read::default() }).await?;
        assert_eq!(positions(&pages), expected, "{start:?} {backwards:?}");
        assert!(pages.iter().all(|page| page.head == Some(10)), "{start:?} {backwards:?}");
    }
    Ok(())
}

async fn queries() -> CaseResult {
    let (_server, client) = started().await;
    let given = [event("A", &["x"]), event("B", &["x", "y"]), event("C", &["y"]), event("A", &[])];
    client.append(append(given)).await?;
    let both = |one: Query, other: Query| Query { items: [one.items, other.items].concat() };
    for (query, expected) in [
        (Query::default(), vec![1, 2, 3, 4]),
        (of(&[], &[]), vec![1, 2, 3, 4]),
        (of(&["A", "C"], &[]), vec![1, 3, 4]),
        (of(&[], &["x", "y"]), vec![2]),
        (of(&["A"], &["x"]), vec![1]),
        (both(of(&["C"], &[]), of(&["A"], &["x"])), vec![1, 3]),
        (both(of(&["Nobody"], &[]), of(&[], &["y"])), vec![2, 3]),
    ] {
        let pages = client.read(Read { query: Some(query.clone()), ..Read::default() }).await?;
        assert_eq!(positions(&pages), expected, "{query:?}");
    }
    Ok(())
}

async fn conflicts() -> CaseResult {
    let (_server, client) = started().await;
    client.append(append([event("A", &["x"]), event("B", &["y"])])).await?;
    let under = |condition| Append { condition, ..append([event("C", &["z"])]) };
    let all_after = |after| Some(Condition { fail_if: None, after: Some(after) });
    for condition in [unless(of(&[], &["x"]), None), unless(of(&["A"], &[]), Some(0)), all_after(1)] {
        let refused = client.append(under(condition)).await.expect_err("a conflict");
        let (message, kind) = details(&refused);
        assert_eq!((refused.code(), kind), (Code::FailedPrecondition, INTEGRITY));
        assert!(message.contains("LS0010"), "{message}");
    }
    let empty = Append { condition: unless(of(&[], &["x"]), None), ..Append::default() };
    assert_eq!(client.append(empty).await.expect_err("a conflict").code(), Code::FailedPrecondition);
    assert_eq!(client.append(Append::default()).await?, 0);
    assert_eq!(client.head().await?, Some(2));
    for (condition, position) in [(unless(of(&[], &["x"]), Some(1)), 3), (all_after(3), 4)] {
        assert_eq!(client.append(under(condition)).await?, position);
    }
    let beyond = client.append(under(unless(of(&[], &["x"]), Some(5)))).await.expect_err("no such position");
    assert_eq!((beyond.code(), details(&beyond).1), (Code::FailedPrecondition, INTEGRITY));
    Ok(())
}

async fn repeats() -> CaseResult {
    let (_server, client) = started().await;
    let batch = Append {
        condition: unless(of(&[], &["x"]), None),
        ..append([event("A", &["x"]), event("B", &["x"])])
    };
    assert_eq!(client.append(batch.clone()).await?, 2);
    assert_eq!(client.append(append([event("C", &[])])).await?, 3);
    assert_eq!(client.append(batch.clone()).await?, 2);
    let part = Append { events: batch.events[..1].to_vec(), ..batch.clone() };
    let others = Append { events: vec![event("A", &["x"]), event("B", &["x"])], ..batch };
    for other in [part, others] {
        let refused = client.append(other).await.expect_err("a conflict");
        assert_eq!((refused.code(), details(&refused).1), (Code::FailedPrecondition, INTEGRITY));
    }
    assert_eq!(client.head().await?, Some(3));
    Ok(())
}

async fn tracks() -> CaseResult {
    let (server, client) = started().await;
    let tracking = |position| Some(Tracking { source: "upstream".to_owned(), position });
    let tracked = |position| Append { tracking: tracking(position), ..append([event("A", &["x"])]) };
    assert_eq!(client.tracking("upstream").await?, None);
    assert_eq!(client.append(tracked(5)).await?, 1);
    for position in [5, 0] {
        let refused = client.append(tracked(position)).await.expect_err("it does not rise");
        let (message, kind) = details(&refused);
        assert_eq!((refused.code(), kind), (Code::FailedPrecondition, INTEGRITY));
        assert!(message.contains("LS0013"), "{message}");
    }
    let unmet = Append { condition: unless(of(&[], &["x"]), None), ..tracked(9) };
    assert_eq!(client.append(unmet).await.expect_err("a conflict").code(), Code::FailedPrecondition);
    assert_eq!((client.tracking("upstream").await?, client.head().await?), (Some(5), Some(1)));
    let alone = Append { tracking: tracking(6), ..Append::default() };
    assert_eq!(client.append(alone).await?, 0);
    assert_eq!((client.tracking("upstream").await?, client.tracking("up").await?), (Some(6), None));
    let pages = client.read(Read::default()).await?;
    assert_eq!(events(&pages)[0].tracking, tracking(5));
    assert_eq!(events(&pages)[0].event.as_ref().expect("an event").metadata, []);
    let answer = server.get("/v1/events?source=upstream").await.json();
    assert_eq!(answer["events"][0]["metadata"]["source"], "upstream");
    Ok(())
}

async fn invalid() -> CaseResult {
    let (_server, client) = started().await;
    let twice = ["1", "2"].map(|value| Entry { key: "a".to_owned(), value: value.to_owned() });
    let many: Vec<String> = (0..65).map(|number| format!("t{number}")).collect();
    let source = |source: &str| Some(Tracking { source: source.to_owned(), position: 1 });
    let doubled = event("A", &[]);
    let given = [
        append([event("$truncated", &[])]),
        append([event("", &[])]),
        append([event(&"A".repeat(256), &[])]),
        append([event("A", &["$category:order"])]),
        append([event("A", &[&"t".repeat(256)])]),
        append([event("A", &["line\nbreak"])]),
        append([Event { tags: many, ..event("A", &[]) }]),
        append([Event { uuid: "7".to_owned(), ..event("A", &[]) }]),
        append([Event { metadata: twice.to_vec(), ..event("A", &[]) }]),
        append([doubled.clone(), doubled]),
        Append { tracking: source(""), ..append([event("A", &[])]) },
        Append { tracking: source(&"s".repeat(256)), ..append([event("A", &[])]) },
        Append { condition: unless(of(&[], &[""]), None), ..append([event("A", &[])]) },
    ];
    for append in given {
        let refused = client.append(append.clone()).await.expect_err("it makes no sense");
        let (message, kind) = details(&refused);
        assert_eq!((refused.code(), kind), (Code::InvalidArgument, INVALID_ARGUMENT), "{append:?}");
        assert!(message.contains("LS00"), "{message}");
    }
    let subscribing = Read { subscribe: Some(true), ..Read::default() };
    let refused = client.read(subscribing).await.expect_err("there is a call for that");
    assert_eq!((refused.code(), details(&refused).1), (Code::InvalidArgument, INVALID_ARGUMENT));
    let items = vec![Item::default(); 257];
    let wide = Read { query: Some(Query { items }), ..Read::default() };
    assert_eq!(client.read(wide).await.expect_err("too wide").code(), Code::InvalidArgument);
    assert_eq!(client.head().await?, None);
    Ok(())
}

async fn subscribes() -> CaseResult {
    let (mut server, client) =
        started_with(ServeOptions { drain_delay: std::time::Duration::ZERO, ..umadb() }).await;
    ten(&client).await?;
    let query = Some(of(&["Even"], &[]));
    let mut stream = client.subscribe(Subscribe { query, after: Some(4) }).await?;
    let mut seen = Vec::new();
    while seen.len() < 3 {
        let page = stream.message().await?.expect("an event");
        assert_eq!(page.head, None);
        seen.extend(positions(&[page]));
    }
    for position in [11, 12, 13] {
        client.append(append([event(if position == 12 { "Odd" } else { "Even" }, &[])])).await?;
    }
    while seen.len() < 5 {
        seen.extend(positions(&[stream.message().await?.expect("an event")]));
    }
    assert_eq!(seen, [6, 8, 10, 11, 13]);
    let beyond = client.subscribe(Subscribe { after: Some(14), ..Subscribe::default() }).await;
    assert_eq!(beyond.expect_err("beyond the head").code(), Code::FailedPrecondition);
    let mut none = client.subscribe(Subscribe { after: Some(u64::MAX), ..Subscribe::default() }).await?;
    assert_eq!(none.message().await?, None);
    server.stop();
    assert_eq!(stream.message().await?, None, "the end is no error");
    server.ended().await;
    Ok(())
}

async fn beside_http() -> CaseResult {
    let (server, client) = started().await;
    let opened = json!({
        "type": "Opened", "data": {"owner": 7}, "tags": ["customer:7"],
        "metadata": {"correlation": "c-1", "source": "crm", "user": "ada"},
    });
    assert_eq!(server.post("/v1/streams/account-1", opened.to_string()).await.status, 200);
    assert_eq!(
        client.append(append([Event { uuid: String::new(), ..event("Closed", &["customer:7"]) }])).await?,
        2
    );

    let pages = client.read(Read { query: Some(of(&[], &["customer:7"])), ..Read::default() }).await?;
    assert_eq!(positions(&pages), [1, 2]);
    let first = events(&pages).remove(0);
    assert_eq!(first.tracking, None);
    let first = first.event.expect("an event");
    assert_eq!((first.event_type.as_str(), &*first.data), ("Opened", br#"{"owner":7}"#.as_slice()));
    assert_eq!(first.tags, ["customer:7"]);
    assert!(first.uuid.parse::<Uuid>().is_ok());
    let known: Vec<_> =
        first.metadata.iter().map(|entry| (entry.key.as_str(), entry.value.as_str())).collect();
    assert_eq!(known, [("correlation", "c-1"), ("source", "crm"), ("user", "ada")]);
    let by_category = Read { query: Some(of(&[], &["$category:account"])), ..Read::default() };
    assert_eq!(positions(&client.read(by_category).await?), [1]);

    let answer = server.get("/v1/events?tag=customer:7").await.json();
    let closed = &answer["events"][1];
    assert_eq!((&closed["type"], &closed["data"]), (&json!("Closed"), &json!({})));
    assert!(closed.get("stream").is_none() && closed["id"].is_string(), "{closed}");
    Ok(())
}

/// The built binary while it serves; it is killed when it is dropped.
struct Serving {
    child: std::process::Child,
    address: SocketAddr,
}

impl Serving {
    fn start(desk: &Desk) -> Self {
        let mut command = desk.command(&["serve", "--listen", "127.0.0.1:0", "--json"]);
        command.env("LEDGERSTONE__PROTOCOLS__UMADB__LISTEN", "127.0.0.1:0");
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("it runs");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("a pipe")).read_line(&mut line).expect("a line");
        let told: serde_json::Value = serde_json::from_str(&line).expect("json");
        let address = told["umadb"].as_str().expect("an address").parse().expect("an address");
        Self { child, address }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn the_binary() -> CaseResult {
    let desk = Desk::new();
    let tracking = Some(Tracking { source: "upstream".to_owned(), position: 7 });
    {
        let serving = Serving::start(&desk);
        let client = Client::connect(serving.address).await;
        assert_eq!(client.append(Append { tracking, ..append([event("A", &["x"])]) }).await?, 1);
    }
    let serving = Serving::start(&desk);
    let client = Client::connect(serving.address).await;
    assert_eq!((client.head().await?, client.tracking("upstream").await?), (Some(1), Some(7)));
    assert_eq!(desk.events()[0]["type"], "A");
    Ok(())
}

async fn guarded() -> CaseResult {
    let open = SocketAddr::from(([0, 0, 0, 0], 0));
    let refused = Server::bind(app("memory:").await?, ServeOptions { umadb: Some(open), ..umadb() }).await;
    let refused = refused.expect_err("others could reach it").to_string();
    assert!(refused.contains("configure a token"), "{refused}");
    let server = running().await;
    assert_eq!(server.umadb, None, "it is off unless told");
    Ok(())
}
