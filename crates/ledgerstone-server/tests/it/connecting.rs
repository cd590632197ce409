//! Connections to the server: bounded in number and in patience, and compressed answers on them.

use std::io::Read as _;
use std::time::Duration;

use ledgerstone_server::connections::ConnectionLimits;
use ledgerstone_server::serve::ServeOptions;
use ledgerstone_testkit::conformance::{CaseResult, Trials};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::cli::Desk;
use crate::running::{running, running_with};

const REQUEST: &[u8] = b"GET /health/live HTTP/1.1\r\nhost: localhost\r\n\r\n";

pub(crate) fn add(trials: &mut Trials) {
    trials.add("connecting::half_a_header_is_not_waited_for", || async {
        // The first two stop before it is known which protocol they would speak.
        for begun in [&b""[..], b"P", b"GET /health/live HT", REQUEST] {
            let server = running_with(options(100, 1_024)).await;
            let mut slow = TcpStream::connect(server.address).await?;
            slow.write_all(begun).await?;
            let mut answer = Vec::new();
            // Reading ends only once the server has closed the connection.
            tokio::time::timeout(Duration::from_secs(20), slow.read_to_end(&mut answer)).await??;
            assert_eq!(answer.starts_with(b"HTTP/1.1 200"), begun == REQUEST, "{answer:?}");
            assert_eq!(server.get("/health/live").await.status, 200);
        }
        Ok(())
    });
    trials.add("connecting::a_slow_answer_outlives_the_header_timeout", || async {
        // A head that is written at once may take a while on a machine that does much else.
        let server = running_with(options(1_000, 1_024)).await;
        let answer = server.get("/v1/head?application=0&system=0&wait=3").await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        Ok(())
    });
    trials.add("connecting::connections_beyond_the_limit_wait_in_the_queue", limited);
    trials.add("connecting::a_drain_does_not_wait_for_idle_connections", || async {
        let mut server = running_with(options(3_600_000, 1_024)).await;
        let mut idle = TcpStream::connect(server.address).await?;
        let mut used = TcpStream::connect(server.address).await?;
        answered(&mut used).await?;
        server.stop();
        server.ended().await;
        for connection in [&mut idle, &mut used] {
            assert_eq!(connection.read(&mut [0; 1]).await.unwrap_or(0), 0);
        }
        Ok(())
    });
    trials.add("connecting::large_answers_are_compressed_where_that_is_accepted", compressed);
    trials.add("connecting::a_server_that_cannot_listen_makes_no_store", || async {
        let desk = Desk::new();
        let taken = std::net::TcpListener::bind("127.0.0.1:0")?;
        let address = taken.local_addr()?.to_string();
        for (listen, exit, code) in [("0.0.0.0:0", 2, "LS0025"), (address.as_str(), 5, "LS0027")] {
            desk.run(&["serve", "--listen", listen]).failed(exit, code);
            assert_eq!(std::fs::read_dir(desk.path("."))?.count(), 0, "{listen} left files behind");
        }
        Ok(())
    });
}

fn options(header_millis: u64, connections: usize) -> ServeOptions {
    let header_timeout = Duration::from_millis(header_millis);
    ServeOptions {
        connections: ConnectionLimits { connections, header_timeout },
        drain_delay: Duration::ZERO,
        ..ServeOptions::default()
    }
}

/// Asks on a connection and reads the whole answer.
async fn answered(connection: &mut TcpStream) -> CaseResult {
    connection.write_all(REQUEST).await?;
    let mut answer = Vec::new();
    while !answer.ends_with(b"}") {
        let mut piece = [0; 1_024];
        let read = connection.read(&mut piece).await?;
        assert!(read > 0, "closed after {:?}", String::from_utf8_lossy(&answer));
        answer.extend_from_slice(&piece[..read]);
    }
    assert!(answer.starts_with(b"HTTP/1.1 200"), "{:?}", String::from_utf8_lossy(&answer));
    Ok(())
}

async fn limited() -> CaseResult {
    let server = running_with(options(3_600_000, 1)).await;
    let mut first = TcpStream::connect(server.address).await?;
    answered(&mut first).await?;
    let mut second = TcpStream::connect(server.address).await?;
    second.write_all(REQUEST).await?;
    for _ in 0..20 {
        answered(&mut first).await?;
    }
    let early = second.try_read(&mut [0; 1]);
    assert!(early.is_err(), "the second was answered beside the first: {early:?}");
    drop(first);
    let mut byte = [0; 1];
    assert_eq!((second.read(&mut byte).await?, byte), (1, *b"H"));
    Ok(())
}

async fn compressed() -> CaseResult {
    let server = running().await;
    for _ in 0..20 {
        server.append("account-1", "Opened").await;
    }
    let gzip = [("accept-encoding", "gzip")];
    let plain = server.get("/v1/events").await;
    assert_eq!(plain.header("content-encoding"), None);
    let packed = server.call("GET", "/v1/events", &gzip, "").await;
    assert_eq!(packed.header("content-encoding"), Some("gzip"));
    assert!(packed.body.len() < plain.body.len() / 2);
    let mut unpacked = Vec::new();
    flate2::read::GzDecoder::new(&packed.body[..]).read_to_end(&mut unpacked)?;
    assert_eq!(unpacked, plain.body);
    let small = server.call("GET", "/v1/head", &gzip, "").await;
    assert_eq!((small.status, small.header("content-encoding")), (200, None));
    let stream = server.send("GET", "/v1/follow", &gzip, "").await;
    assert_eq!((stream.status, stream.header("content-encoding")), (200, None));
    Ok(())
}
