//! Appending over HTTP: keep-alive clients that send the next request when the last is answered.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use anyhow::{Context, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::events::bench_event;
use super::window::Workload;

/// `clients` connections to a server, each appending one event at a time.
pub fn http_appends(server: SocketAddr, clients: u64) -> Workload {
    let turn = Arc::new(AtomicU64::new(0));
    Workload::new(format!("HTTP append 1 event, {clients} clients"), move |length| {
        let turn = Arc::clone(&turn);
        Box::pin(async move {
            let started = Instant::now();
            let mut tasks = JoinSet::new();
            for _ in 0..clients {
                tasks.spawn(append_over_http(server, Arc::clone(&turn), started + length));
            }
            let mut appended = 0;
            while let Some(done) = tasks.join_next().await {
                appended += done??;
            }
            Ok(appended as f64 / started.elapsed().as_secs_f64())
        })
    })
}

async fn append_over_http(server: SocketAddr, turn: Arc<AtomicU64>, until: Instant) -> anyhow::Result<u64> {
    let mut connection = TcpStream::connect(server).await.context("connecting to the server")?;
    connection.set_nodelay(true)?;
    let mut appended = 0;
    let mut answer = Vec::with_capacity(4096);
    while Instant::now() < until {
        let stream = turn.fetch_add(1, Ordering::Relaxed).wrapping_mul(48_271) % 100_000;
        let event = bench_event()?;
        let body = format!(
            r#"{{"id":"{}","type":"{}","data":{}}}"#,
            event.id,
            event.event_type,
            String::from_utf8_lossy(&event.payload)
        );
        let request = format!(
            "POST /v1/streams/order-{stream:08} HTTP/1.1\r\nhost: {server}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        connection.write_all(request.as_bytes()).await?;
        read_answer(&mut connection, &mut answer).await?;
        appended += 1;
    }
    Ok(appended)
}

/// Reads one response with a content length; anything but a success is an error.
async fn read_answer(connection: &mut TcpStream, buffer: &mut Vec<u8>) -> anyhow::Result<()> {
    buffer.clear();
    let mut needed = None;
    loop {
        let mut piece = [0_u8; 4096];
        let read = connection.read(&mut piece).await?;
        if read == 0 {
            bail!("the server closed the connection");
        }
        buffer.extend_from_slice(&piece[..read]);
        if needed.is_none() {
            needed = head_end(buffer).map(|end| (end, content_length(&buffer[..end])));
        }
        if let Some((end, length)) = needed
            && buffer.len() >= end + length
        {
            let status = buffer.get(9..12).unwrap_or_default();
            if !status.starts_with(b"2") {
                bail!("the server answered {}", String::from_utf8_lossy(buffer));
            }
            return Ok(());
        }
    }
}

fn head_end(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|window| window == b"\r\n\r\n").map(|at| at + 4)
}

fn content_length(head: &[u8]) -> usize {
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    let value = head.lines().find_map(|line| line.strip_prefix("content-length:"));
    value.and_then(|value| value.trim().parse().ok()).unwrap_or(0)
}
