//! How a client connects: times, the pool of connections, TLS and proxies.

use std::time::Duration;

use crate::client::proxy_options::ProxyOptions;
use crate::client::tls_options::TlsOptions;

/// How a client connects.
#[derive(Debug, Clone)]
pub struct ClientOptions {
    /// How long a connection may take.
    pub connect_timeout: Duration,
    /// How many idle connections to a host are kept.
    pub idle_connections: usize,
    /// How long an idle connection is kept.
    pub idle_for: Duration,
    /// How old a pool may get: after that, requests open new connections, and so resolve names again.
    ///
    /// Without it a busy client stays for ever with the machines that it found first. Requests under way
    /// on an old connection end there.
    pub max_age: Duration,
    /// Whom `https` trusts, and as whom it speaks; needs the feature `tls`.
    pub tls: TlsOptions,
    /// Which proxy requests go through.
    pub proxy: ProxyOptions,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            idle_connections: 64,
            // Less than the time after which a server closes what is idle, lest a request meets the end.
            idle_for: Duration::from_secs(5),
            // About as long as names of services live in resolvers.
            max_age: Duration::from_secs(300),
            tls: TlsOptions::default(),
            proxy: ProxyOptions::default(),
        }
    }
}
