//! Which proxy requests go through.

use ledgerstone_core::{BackendError, ErrorKind};

use crate::client::secret::Secret;

/// Which proxy requests go through.
#[derive(Debug, Clone, Default)]
pub enum ProxyOptions {
    /// What `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY` say, as most programs do.
    #[default]
    Environment,
    /// None, whatever the environment says.
    None,
    /// This one.
    Explicit(ExplicitProxy),
}

/// A proxy by its address; its password is never printed.
#[derive(Debug, Clone)]
pub struct ExplicitProxy {
    url: String,
    bypass: Vec<String>,
    account: Option<(String, Secret)>,
}

impl ExplicitProxy {
    /// Names a proxy, such as `http://proxy.example:3128`, for everything.
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: url.into(), bypass: Vec::new(), account: None }
    }

    /// Goes straight to this host, domain (`.example.org`) or network (`10.0.0.0/8`).
    #[must_use]
    pub fn bypassing(mut self, host: impl Into<String>) -> Self {
        self.bypass.push(host.into());
        self
    }

    /// Says who asks the proxy.
    #[must_use]
    pub fn with_account(mut self, user: impl Into<String>, password: impl Into<String>) -> Self {
        self.account = Some((user.into(), Secret::new(password.into())));
        self
    }

    fn to_proxy(&self) -> Result<reqwest::Proxy, BackendError> {
        if self.url.contains('@') {
            return Err(misconfigured("give the proxy's user and password apart from its address"));
        }
        let mut proxy = reqwest::Proxy::all(&self.url).map_err(|error| {
            misconfigured("the proxy's address is not a URL; write it like http://proxy.example:3128")
                .with_source(error.without_url())
        })?;
        if let Some((user, password)) = &self.account {
            proxy = proxy.basic_auth(user, password.reveal());
        }
        Ok(proxy.no_proxy(reqwest::NoProxy::from_string(&self.bypass.join(","))))
    }
}

impl ProxyOptions {
    /// Sets a builder up, or says what is wrong.
    pub(crate) fn apply(
        &self,
        builder: reqwest::ClientBuilder,
    ) -> Result<reqwest::ClientBuilder, BackendError> {
        Ok(match self {
            Self::Environment => builder,
            Self::None => builder.no_proxy(),
            Self::Explicit(proxy) => builder.proxy(proxy.to_proxy()?),
        })
    }
}

fn misconfigured(message: &str) -> BackendError {
    BackendError::new(ErrorKind::Misconfigured, "http", "set up a proxy", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_that_is_no_address_is_refused_and_a_password_is_not_printed() {
        assert!(ExplicitProxy::new("http://user:hunter2@proxy.example").to_proxy().is_err());
        assert!(ExplicitProxy::new("http://[broken").to_proxy().is_err());
        let proxy = ExplicitProxy::new("http://proxy.example:3128").with_account("ada", "hunter2");
        assert!(proxy.to_proxy().is_ok());
        assert!(!format!("{proxy:?}").contains("hunter2"));
    }
}
