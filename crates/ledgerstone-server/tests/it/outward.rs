//! What stands between a server and others, used as people use it: a configuration, the binary, curl-like calls.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use ledgerstone_testkit::conformance::{CaseResult, Trials};
use serde_json::Value;

use crate::cli::{Desk, Ended};

pub(crate) fn add(trials: &mut Trials) {
    trials
        .add("outward::a_route_passes_requests_on_and_the_servers_own_paths_stay", || async { passed_on() });
    trials.add("outward::a_dead_service_opens_its_breaker_and_a_hand_closes_it", || async { broken() });
    trials.add("outward::limits_are_explained_overridden_and_reset_from_the_command_line", || async {
        limited()
    });
    trials.add("outward::an_event_makes_a_cached_value_untrue", || async { cached() });
    trials.add("outward::a_reload_takes_what_is_sound_and_nothing_of_what_is_not", || async { reloaded() });
    trials.add("outward::mistakes_in_named_sections_are_told_with_their_place", || async { mistaken() });
}

/// A server of the built binary, ended with the test.
struct Served {
    child: Child,
    address: String,
    desk: Desk,
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Served {
    fn start(configuration: &str) -> Self {
        let desk = Desk::new();
        desk.write("ledgerstone.toml", configuration);
        let mut command = desk.command(&["serve", "--listen", "127.0.0.1:0", "--json"]);
        let log = std::fs::File::create(desk.path("serve.log")).expect("a file");
        let mut child = command.stdout(Stdio::piped()).stderr(log).spawn().expect("it starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("a pipe")).read_line(&mut line).expect("a line");
        let said: Value = serde_json::from_str(&line).expect("JSON");
        let address = said["address"].as_str().expect("an address").to_owned();
        let served = Self { child, address, desk };
        until("the server is ready", || served.ask("GET", "/health/ready", "").0 == 200);
        served
    }

    /// Asks over a connection of its own, and returns the status and the whole answer.
    fn ask(&self, method: &str, path: &str, body: &str) -> (u16, String) {
        let mut connection = TcpStream::connect(&self.address).expect("a connection");
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}",
            self.address
        );
        connection.write_all(request.as_bytes()).expect("sent");
        let mut answer = String::new();
        connection.read_to_string(&mut answer).expect("an answer");
        let status = answer.get(9..12).and_then(|status| status.parse().ok());
        (status.unwrap_or_default(), answer)
    }

    fn json(&self, path: &str) -> Value {
        let (_, answer) = self.ask("GET", path, "");
        let body = answer.split_once("\r\n\r\n").expect("a body").1;
        serde_json::from_str(body).expect("JSON")
    }

    fn hang_up(&self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-HUP", &pid]).status().expect("kill runs").success());
    }
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(40);
    while !holds() {
        assert!(Instant::now() < deadline, "{what}: not within 40 s");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A service that answers everything with what it was asked for, and counts.
fn service() -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let Ok(mut connection) = connection else { return };
            let mut head = Vec::new();
            let mut byte = [0];
            while !head.ends_with(b"\r\n\r\n") && connection.read(&mut byte).is_ok_and(|read| read == 1) {
                head.push(byte[0]);
            }
            counted.fetch_add(1, Ordering::SeqCst);
            let body = format!("<html>{}</html>", String::from_utf8_lossy(&head));
            let length = body.len();
            let answer = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
            );
            let _ = connection.write_all(answer.as_bytes());
        }
    });
    (address, asked)
}

fn passed_on() -> CaseResult {
    let (address, asked) = service();
    let served = Served::start(&format!(
        "[services.shop]\nendpoints = ['{address}']\n\
         [routes.shop]\nprefix = '/shop'\nservice = 'shop'\nrewrite = '/'\n\
         [routes.all]\nprefix = '/'\nservice = 'shop'\n"
    ));
    let (status, answer) = served.ask("GET", "/shop/orders?open=1", "");
    assert_eq!(status, 200, "{answer}");
    assert!(answer.contains("GET /orders?open=1 HTTP/1.1"), "{answer}");
    assert!(answer.contains("x-correlation-id"), "{answer}");
    // What a service says to browsers is its own affair.
    assert!(!answer.to_lowercase().contains("content-security-policy"), "{answer}");
    assert_eq!(served.ask("GET", "/anything/else", "").0, 200);
    assert_eq!(asked.load(Ordering::SeqCst), 2);
    assert!(served.json("/v1/head")["heads"].is_object());
    assert!(served.ask("GET", "/health/live", "").1.contains("live"));
    assert_eq!(asked.load(Ordering::SeqCst), 2, "the server's own paths are its own");
    let listed = served.desk.done(&["services", "list"]);
    assert!(listed.contains("shop") && listed.contains(&address), "{listed}");
    Ok(())
}

fn broken() -> CaseResult {
    let served = Served::start(
        "[services.shop]\nendpoints = ['127.0.0.1:1']\npolicy = 'shop'\n\
         [routes.shop]\nprefix = '/shop'\nservice = 'shop'\n\
         [policies.shop]\nattempt_timeout = '2s'\n\
         [policies.shop.circuit_breaker]\nminimum_calls = 3\nopen_for = '10m'\n",
    );
    for _ in 0..3 {
        let (status, answer) = served.ask("GET", "/shop/a", "");
        assert!(matches!(status, 502..=504), "{answer}");
    }
    let (status, answer) = served.ask("GET", "/shop/a", "");
    assert_eq!(status, 503, "{answer}");
    assert!(answer.contains("LS0038"), "{answer}");
    let listed = served.desk.done(&["breakers", "list"]);
    assert!(listed.contains("shop") && listed.contains("open"), "{listed}");
    let closed = served.desk.done(&["breakers", "close", "shop"]);
    assert!(closed.contains("closed"), "{closed}");
    assert!(!served.ask("GET", "/shop/a", "").1.contains("LS0038"));
    let isolated = served.desk.done(&["breakers", "isolate", "shop"]);
    assert!(isolated.contains("isolated"), "{isolated}");
    assert!(served.ask("GET", "/shop/a", "").1.contains("LS0038"));
    served.desk.run(&["breakers", "close", "shp"]).failed(4, "LS0033");
    let onion = served.desk.done(&["policies", "explain", "shop"]);
    assert!(onion.find("circuit breaker") < onion.find("attempt timeout"), "{onion}");
    Ok(())
}

fn limited() -> CaseResult {
    let (address, _) = service();
    let served = Served::start(&format!(
        "[limits.api]\nrules = ['3/h']\n[services.shop]\nendpoints = ['{address}']\n\
         [routes.shop]\nprefix = '/shop'\nservice = 'shop'\nauth = 'open'\nlimiter = 'api'\n"
    ));
    for _ in 0..3 {
        assert_eq!(served.ask("GET", "/shop/a", "").0, 200);
    }
    let (status, answer) = served.ask("GET", "/shop/a", "");
    assert_eq!(status, 429, "{answer}");
    assert!(answer.contains("LS0037") && answer.contains("retry-after"), "{answer}");
    let metrics = served.ask("GET", "/metrics", "").1;
    assert!(metrics.contains("api"), "what limiters decide is counted");
    let key = "address:127.0.0.1";
    let explained = served.desk.done(&["limits", "explain", key]);
    assert!(explained.contains("0 of 3 left"), "{explained}");
    served.desk.done(&["limits", "reset", key]);
    assert_eq!(served.ask("GET", "/shop/a", "").0, 200);
    served.desk.done(&["limits", "set", key, "--blocked"]);
    assert_eq!(served.ask("GET", "/shop/a", "").0, 429);
    let cleared = served.desk.done(&["limits", "clear", key]);
    assert!(cleared.contains("the common rules"), "{cleared}");
    served.desk.run(&["limits", "set", key, "--rule", "3/x"]).failed(2, "LS0015");
    assert!(served.desk.done(&["limits", "list"]).contains("api"));
    Ok(())
}

fn cached() -> CaseResult {
    let served = Served::start(
        "[caches.users]\nttl = '10m'\n[[caches.users.invalidate_on]]\ntype = 'UserMoved'\nkeys = ['user:{id}']\n\
         tags = ['city:{payload.from}']\n",
    );
    let entry = "/v1/caches/users/entries/user:7";
    assert_eq!(served.ask("GET", entry, "").0, 404);
    assert_eq!(served.ask("PUT", &format!("{entry}?tag=person"), "{\"city\":\"Oslo\"}").0, 200);
    assert_eq!(served.ask("PUT", "/v1/caches/users/entries/list?tag=city:Oslo", "[7]").0, 200);
    assert_eq!(served.ask("PUT", "/v1/caches/users/entries/user:8", "").0, 200);
    assert!(served.ask("GET", entry, "").1.ends_with("{\"city\":\"Oslo\"}"));
    let explained = served.desk.done(&["cache", "explain", "user:7"]);
    assert!(explained.contains("fresh") && explained.contains("person"), "{explained}");
    served.desk.done(&["events", "append", "user-7", "UserMoved", r#"{"from":"Oslo"}"#]);
    until("the value is gone", || served.ask("GET", entry, "").0 == 404);
    until("the list is gone", || served.ask("GET", "/v1/caches/users/entries/list", "").0 == 404);
    // No bytes at all are a value, and the event said nothing of it.
    assert_eq!(served.ask("GET", "/v1/caches/users/entries/user:8", "").0, 200);
    served.desk.done(&["cache", "clear", "--prefix", "user:"]);
    assert_eq!(served.ask("GET", "/v1/caches/users/entries/user:8", "").0, 404);
    let listed = served.desk.done(&["cache", "list"]);
    assert!(listed.contains("users"), "{listed}");
    Ok(())
}

fn reloaded() -> CaseResult {
    let configuration = |limit: &str, minimum: u32| {
        format!(
            "[limits.api]\nrules = ['{limit}']\n[policies.shop]\ndependency = 'shop'\n\
             [policies.shop.circuit_breaker]\nminimum_calls = {minimum}\n"
        )
    };
    let served = Served::start(&configuration("5/h", 5));
    served.desk.done(&["breakers", "isolate", "shop"]);
    served.desk.write("ledgerstone.toml", configuration("9/h", 7));
    served.hang_up();
    let limit = || served.json("/v1/limits")["limits"][0]["rules"][0]["limit"].as_u64();
    until("the limit is 9", || limit() == Some(9));
    assert_eq!(served.json("/v1/breakers")["breakers"][0]["is_isolated"], true, "a reload keeps it");
    // A policy that names no limiter is wrong, so the sound limit beside it is not taken either.
    let wrong = configuration("2/h", 7) + "[policies.other.rate_limit]\nlimiter = 'apo'\n";
    served.desk.write("ledgerstone.toml", wrong);
    served.hang_up();
    until("the mistake is told", || served.desk.read("serve.log").contains("the old one holds"));
    assert_eq!(limit(), Some(9), "a wrong configuration changes nothing");
    served.desk.write("ledgerstone.toml", configuration("4/h", 7));
    served.hang_up();
    until("the limit is 4", || limit() == Some(4));
    Ok(())
}

/// Starts a server that must not start, and gives up on one that does.
fn refused(desk: &Desk) -> Ended {
    let mut command = desk.command(&["serve", "--listen", "127.0.0.1:0"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    let deadline = Instant::now() + Duration::from_secs(40);
    while child.try_wait().expect("a child").is_none() {
        if Instant::now() > deadline {
            let _ = child.kill();
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Ended::of(child.wait_with_output().expect("its output"))
}

fn mistaken() -> CaseResult {
    for (configuration, told) in [
        (
            "[services.shop]\nendpoint = []\n",
            "ledgerstone.toml line 1: services.shop: unknown field `endpoint`",
        ),
        ("\n[policies.a]\nattempt_timeout = '5s'\ntotal_timeout = '1s'\n", "attempt timeout"),
        ("[limits.api]\nrules = ['200/s', '100/m']\n", "never refuses"),
        ("[routes.a]\nprefix = '/a'\nservice = 'shop'\n", "shop"),
        (
            "[services.a]\nendpoints = ['127.0.0.1:1']\npolicy = 'gost'\n[policies.ghost]\n",
            "did you mean ghost?",
        ),
        ("[caches.a]\nshared = true\n", "redis"),
        ("[caches.a]\nttl = '1m'\nstale_on_error = '1s'\n", "stale"),
        ("limits = 3\n", "limits must be a section"),
    ] {
        let desk = Desk::new();
        desk.write("ledgerstone.toml", configuration);
        let ended = refused(&desk);
        ended.failed(2, "LS0008");
        assert!(ended.err.to_lowercase().contains(told), "{configuration}: {}", ended.err);
        assert!(!desk.path("app.db").exists(), "nothing is opened before the configuration is sound");
    }
    Ok(())
}
