//! TLS that fails: told as what a person must mend, and not retried.

use ledgerstone_core::ErrorKind;
use ledgerstone_http::{Http, HttpFault};

use crate::client::hostile_server::{Hostile, Step};
use crate::client::{reqwest_client, trying};

#[tokio::test]
async fn what_is_no_tls_is_said_to_be_none_and_not_retried() {
    for garbage in ["HTTP/1.1 400 Bad Request\r\n\r\n", "\u{16}\u{3}\u{3}\u{0}\u{5}nonsense of a handshake"] {
        let server = Hostile::start(vec![Step::Say(garbage.into()), Step::Stall]).await;
        let base = format!("https://127.0.0.1:{}", server.port());
        let http =
            Http::builder("orders", reqwest_client(), &base).policy(trying(4)).build().expect("a client");
        let error = http.get("/a").send().await.expect_err("no TLS");
        assert_eq!(
            (error.kind(), error.fault()),
            (ErrorKind::Misconfigured, HttpFault::Connection),
            "{error:?}"
        );
        assert!(error.to_string().contains("no TLS"), "{error}");
        assert_eq!(server.connections(), 1);
    }
}
