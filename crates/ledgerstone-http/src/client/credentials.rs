//! How a client proves who it is to a server.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ledgerstone_core::{BackendError, HttpClient};

use crate::client::client_credentials::ClientCredentials;
use crate::client::secret::Secret;
use crate::client::token_cache::TokenCache;

/// What proves who the client is; none of it is ever printed.
///
/// Credentials go to the origin of the client's base only: not along a redirect to elsewhere, and not to an
/// absolute URL of elsewhere.
#[derive(Clone)]
pub struct Credentials(Kind);

#[derive(Clone)]
enum Kind {
    /// A header's name in lower case, and its whole value.
    Header(String, Secret),
    Query(String, Secret),
    /// A user's name that cannot be sent.
    Unsendable(String),
    Tokens(Arc<TokenCache>),
}

/// What is added to one request.
#[derive(Debug)]
pub(crate) enum Proof {
    Header(String, Secret),
    Query(String, Secret),
    /// A token of the cache; the number says which.
    Token(Secret, u64),
}

impl Credentials {
    /// Sends `authorization: Bearer` with this token.
    pub fn bearer(token: impl AsRef<str>) -> Self {
        Self::header("authorization", format!("Bearer {}", token.as_ref()))
    }

    /// Sends `authorization: Basic` with a user and a password; the user holds no colon.
    pub fn basic(user: &str, password: &str) -> Self {
        if user.contains(':') {
            return Self(Kind::Unsendable("a user of basic authentication holds no colon".to_owned()));
        }
        let pair = STANDARD.encode(format!("{user}:{password}"));
        Self::header("authorization", format!("Basic {pair}"))
    }

    /// Sends an API key in a header of this name.
    pub fn api_key_header(name: &str, key: impl Into<String>) -> Self {
        Self::header(name, key.into())
    }

    /// Sends an API key in the query under this name; where there is a choice, a header is kept out of more logs.
    pub fn api_key_query(name: &str, key: impl Into<String>) -> Self {
        Self(Kind::Query(name.to_owned(), Secret::new(key.into())))
    }

    /// Fetches tokens from a token endpoint, keeps them while they last, and sends them as `Bearer`.
    ///
    /// One fetch is under way at a time. A token is renewed early, in the background, while the old one
    /// still serves. If the server refuses a token (401), a fresh one is tried, once.
    pub fn client_credentials(account: ClientCredentials) -> Self {
        Self(Kind::Tokens(Arc::new(TokenCache::new(account))))
    }

    fn header(name: &str, value: String) -> Self {
        Self(Kind::Header(name.to_ascii_lowercase(), Secret::new(value)))
    }

    /// Checks what can be checked before the first request, or says what is wrong.
    pub(crate) fn check(&self) -> Result<(), String> {
        match &self.0 {
            Kind::Header(name, value) => {
                // What is wrong with a secret is told without it.
                reqwest::header::HeaderName::from_bytes(name.as_bytes())
                    .map_err(|_| format!("{name:?} is not the name of a header"))?;
                reqwest::header::HeaderValue::from_str(value.reveal())
                    .map_err(|_| "the credentials hold what no header can".to_owned())?;
                Ok(())
            }
            Kind::Query(name, _) if name.is_empty() => Err("the API key's name is empty".to_owned()),
            Kind::Query(..) => Ok(()),
            Kind::Unsendable(why) => Err(why.clone()),
            Kind::Tokens(cache) => cache.check(),
        }
    }

    /// Returns what proves who the client is for the next request.
    pub(crate) async fn proof(&self, client: &Arc<dyn HttpClient>) -> Result<Option<Proof>, BackendError> {
        Ok(match &self.0 {
            Kind::Header(name, value) => Some(Proof::Header(name.clone(), value.clone())),
            Kind::Query(name, key) => Some(Proof::Query(name.clone(), key.clone())),
            Kind::Unsendable(_) => None,
            Kind::Tokens(cache) => {
                let (token, number) = cache.token(client).await?;
                Some(Proof::Token(token, number))
            }
        })
    }

    /// Forgets a token that the server refused; tells whether another one may be had.
    pub(crate) fn forget(&self, proof: Option<&Proof>) -> bool {
        match (&self.0, proof) {
            (Kind::Tokens(cache), Some(Proof::Token(_, number))) => {
                cache.forget(*number);
                true
            }
            _ => false,
        }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match &self.0 {
            Kind::Header(..) => "header",
            Kind::Query(..) => "query",
            Kind::Unsendable(_) => "unsendable",
            Kind::Tokens(_) => "client credentials",
        };
        f.debug_tuple("Credentials").field(&kind).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_secret_is_printed() {
        let account = ClientCredentials::new("https://login.example/token", "id", "hunter2");
        for credentials in [
            Credentials::bearer("hunter2"),
            Credentials::basic("ada", "hunter2"),
            Credentials::api_key_header("x-api-key", "hunter2"),
            Credentials::api_key_query("key", "hunter2"),
            Credentials::client_credentials(account),
        ] {
            assert!(!format!("{credentials:?}").contains("hunter2"));
            assert_eq!(credentials.check(), Ok(()));
        }
    }

    #[test]
    fn what_cannot_be_sent_is_refused_without_being_told() {
        for credentials in [
            Credentials::bearer("hunter2\r\nx-evil: 1"),
            Credentials::basic("a:da", "hunter2"),
            Credentials::api_key_header("x api", "hunter2"),
            Credentials::api_key_query("", "hunter2"),
            Credentials::client_credentials(ClientCredentials::new("login", "id", "hunter2")),
        ] {
            let why = credentials.check().expect_err("refused");
            assert!(!why.contains("hunter2"), "{why}");
        }
    }
}
