//! The typed client.

mod answers;
mod authentication;
mod bodies;
mod context;
mod hostile;
mod hostile_server;
mod measuring;
mod options;
mod redirecting;
mod retrying;
mod scripted;
#[cfg(feature = "tls")]
mod tls;

use std::sync::Arc;
use std::time::Duration;

use ledgerstone_core::HttpClient;
use ledgerstone_http::{ClientOptions, Http, HttpBuilder, ProxyOptions, ReqwestClient};
use ledgerstone_resilience::{Policy, Retry};

/// A client of its own pool that goes straight to this machine.
pub(crate) fn reqwest_client() -> Arc<dyn HttpClient> {
    let options = ClientOptions { proxy: ProxyOptions::None, ..ClientOptions::default() };
    Arc::new(ReqwestClient::new(options).expect("a client"))
}

/// A policy that tries so often and waits as good as not between.
pub(crate) fn trying(attempts: u32) -> Policy {
    let retry = Retry::fixed(Duration::from_millis(1)).with_attempts(attempts);
    Policy::builder("orders").retry(retry).without_budget().build().expect("a policy")
}

/// A client of what listens at `base`, without retries.
pub(crate) fn plain(base: &str) -> HttpBuilder {
    Http::builder("orders", reqwest_client(), base).policy(Policy::none("orders"))
}

/// A client that stands on a script.
pub(crate) fn over(client: &Arc<scripted::Scripted>) -> HttpBuilder {
    let client = Arc::clone(client);
    Http::builder("orders", client, "http://h")
}
