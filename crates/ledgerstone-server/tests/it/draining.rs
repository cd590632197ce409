//! The end of a server under load: it is told to stop, and whoever it answers loses nothing.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::TryStreamExt as _;
use ledgerstone::core::{BackendError, HttpClient as _, HttpRequest};
use ledgerstone::http::{ClientOptions, ReqwestClient};
use ledgerstone_server::serve::ServeOptions;
use ledgerstone_testkit::conformance::{CaseResult, Trials};
use serde_json::Value;

use crate::cli::{Desk, number};
use crate::running::running_with;

const CALLERS: usize = 8;

pub(crate) fn add(trials: &mut Trials) {
    trials.add("draining::a_stop_under_load_drops_no_request", stopped);
    trials.add("draining::while_it_goes_down_the_server_has_connections_closed", || async {
        let options = ServeOptions { drain_delay: Duration::from_secs(5), ..ServeOptions::default() };
        let mut server = running_with(options).await;
        assert_eq!(server.get("/v1/head").await.header("connection"), None);
        server.stop();
        for _ in 0..400 {
            let answer = server.get("/v1/head").await;
            assert_eq!(answer.status, 200, "it serves as before");
            if answer.header("connection") == Some("close") {
                assert_eq!(server.get("/health/ready").await.status, 503);
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Err("no answer said to let go of the connection".into())
    });
}

/// A server that is ended with the test.
struct Served(Child);

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What the callers share: whether a balancer would still send requests here.
#[derive(Default)]
struct Balancer {
    turned_away: AtomicBool,
}

async fn stopped() -> CaseResult {
    let desk = Desk::new();
    let mut command = desk.command(&["serve", "--listen", "127.0.0.1:0", "--json"]);
    command.env("LEDGERSTONE__SERVER__DRAIN_DELAY_SECONDS", "2");
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("a pipe")).read_line(&mut line)?;
    let mut served = Served(child);
    let address = serde_json::from_str::<Value>(&line)?["address"].as_str().expect("an address").to_owned();

    let client = Arc::new(ReqwestClient::new(ClientOptions::default())?);
    let ready = format!("http://{address}/health/ready");
    let deadline = Instant::now() + Duration::from_secs(40);
    while send(&client, "GET", ready.clone(), "").await? != 200 {
        assert!(Instant::now() < deadline, "the server did not become ready");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let balancer = Arc::new(Balancer::default());
    let callers: Vec<_> = (0..CALLERS)
        .map(|number| {
            let url = format!("http://{address}/v1/streams/account-{number}");
            tokio::spawn(call(Arc::clone(&client), url, Arc::clone(&balancer)))
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(300)).await;
    let pid = served.0.id().to_string();
    assert!(std::process::Command::new("kill").args(["-TERM", &pid]).status()?.success());

    // As a balancer does: it asks again and again, and turns away at the first no.
    while send(&client, "GET", ready.clone(), "").await? == 200 {
        assert!(Instant::now() < deadline, "the server stayed ready");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    // It takes a while until everybody knows, and all that comes until then is answered.
    tokio::time::sleep(Duration::from_millis(300)).await;
    balancer.turned_away.store(true, Ordering::Relaxed);
    let mut answered = 0;
    for caller in callers {
        answered += caller.await?.map_err(|error| format!("a request was dropped: {error}"))?;
    }
    while served.0.try_wait()?.is_none() {
        assert!(Instant::now() < deadline, "the server did not end");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(served.0.wait()?.success());
    assert!(answered > CALLERS, "{answered}");
    let recorded = number(&desk.digest()["heads"], "application");
    assert_eq!(recorded, answered as u64, "what was answered is there, and nothing else");
    Ok(())
}

/// Appends until the balancer turns away; returns how many were answered.
async fn call(client: Arc<ReqwestClient>, url: String, balancer: Arc<Balancer>) -> Result<usize, String> {
    let mut answered = 0;
    while !balancer.turned_away.load(Ordering::Relaxed) {
        let status = send(&client, "POST", url.clone(), r#"{"type":"Opened"}"#).await;
        match status.map_err(|error| error.to_string())? {
            200 => answered += 1,
            status => return Err(format!("status {status}")),
        }
    }
    Ok(answered)
}

async fn send(
    client: &ReqwestClient,
    method: &'static str,
    url: String,
    body: &'static str,
) -> Result<u16, BackendError> {
    let timeout = Some(Duration::from_secs(20));
    let request = HttpRequest { method, url, headers: Vec::new(), body: body.into(), timeout };
    let response = client.send(request).await?;
    // A connection is kept only once its answer was read.
    let pieces: Vec<Bytes> = response.body.try_collect().await?;
    drop(pieces);
    Ok(response.status)
}
