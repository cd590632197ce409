//! What the typed client costs: the ratio of its calls to those of bare reqwest, in one run against one server.
//!
//! `cargo bench -p ledgerstone-http --bench client -- --windows 101 --seconds 0.05`

use std::error::Error;
use std::io::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ledgerstone_http::{ClientOptions, Http, ProxyOptions, ReqwestClient};
use serde::{Deserialize, Serialize};

/// How many times as long as bare reqwest a call may take.
const BAR: f64 = 1.1;
/// How many calls go by before the clock is asked again.
const STRIDE: u32 = 16;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

#[derive(Debug, Serialize, Deserialize)]
struct Order {
    id: u64,
    customer: String,
    lines: Vec<String>,
    paid: bool,
}

struct Plan {
    windows: usize,
    length: Duration,
}

fn main() -> Outcome<()> {
    let plan = plan(std::env::args().skip(1))?;
    let url = serve()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(compare(&plan, &url))
}

fn plan(mut arguments: impl Iterator<Item = String>) -> Outcome<Plan> {
    let mut plan = Plan { windows: 101, length: Duration::from_millis(50) };
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or_else(|| format!("{argument} needs a value"));
        match argument.as_str() {
            // Cargo adds this one.
            "--bench" => {}
            "--windows" => plan.windows = value()?.parse()?,
            "--seconds" => plan.length = Duration::from_secs_f64(value()?.parse()?),
            other => {
                return Err(format!("unknown argument {other}; there are --windows N, --seconds S").into());
            }
        }
    }
    Ok(plan)
}

/// Starts a server with a thread of its own, and returns its URL.
fn serve() -> Outcome<String> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    listener.set_nonblocking(true)?;
    let url = format!("http://{}", listener.local_addr()?);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::spawn(move || {
        runtime.block_on(async move {
            let order = || async {
                let lines = vec!["one thing".to_owned(), "another thing".to_owned()];
                axum::Json(Order { id: 42, customer: "Ada".to_owned(), lines, paid: true })
            };
            let routes = axum::Router::new().route("/orders/{id}", axum::routing::get(order));
            let listener = tokio::net::TcpListener::from_std(listener)?;
            axum::serve(listener, routes).await
        })
    });
    Ok(url)
}

async fn compare(plan: &Plan, base: &str) -> Outcome<()> {
    let bare = reqwest::Client::builder().no_proxy().tcp_nodelay(true).build()?;
    let options = ClientOptions { proxy: ProxyOptions::None, ..ClientOptions::default() };
    let http = Http::builder("orders", Arc::new(ReqwestClient::new(options)?), base).build()?;

    let (mut bare_times, mut our_times) = (Vec::new(), Vec::new());
    // The first window of each opens the connection and warms the caches.
    for window in 0..=plan.windows {
        let bare_time = window_of(plan.length, async || bare_get(&bare, base).await).await?;
        let our_time = window_of(plan.length, async || {
            Ok(http.get("/orders/{id}").parameter("id", 42).json::<Order>().await?)
        })
        .await?;
        if window > 0 {
            bare_times.push(bare_time);
            our_times.push(our_time);
        }
    }
    let (bare_time, our_time) = (median(&mut bare_times), median(&mut our_times));
    let ratio = our_time / bare_time;
    let out = &mut std::io::stdout().lock();
    writeln!(out, "bare reqwest  {:7.1} us a call", bare_time * 1e6)?;
    writeln!(out, "typed client  {:7.1} us a call", our_time * 1e6)?;
    writeln!(out, "ratio         {ratio:7.3}, bar {BAR}")?;
    if ratio > BAR { Err(format!("the typed client takes {ratio:.3} times as long").into()) } else { Ok(()) }
}

async fn bare_get(bare: &reqwest::Client, base: &str) -> Outcome<Order> {
    let url = format!("{base}/orders/{}", 42);
    let answer = bare.get(url).header("accept", "application/json").send().await?.error_for_status()?;
    Ok(serde_json::from_slice(&answer.bytes().await?)?)
}

/// Returns the seconds that a call took in a window of this length.
async fn window_of(length: Duration, mut call: impl AsyncFnMut() -> Outcome<Order>) -> Outcome<f64> {
    let begun = Instant::now();
    let mut calls = 0_u32;
    while begun.elapsed() < length {
        for _ in 0..STRIDE {
            std::hint::black_box(call().await?);
        }
        calls += STRIDE;
    }
    Ok(begun.elapsed().as_secs_f64() / f64::from(calls))
}

fn median(times: &mut [f64]) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}
