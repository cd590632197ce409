//! How a client proves itself to an OAuth 2.0 token endpoint: the client credentials grant (RFC 6749, 4.4).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use ledgerstone_core::HttpRequest;

use crate::client::base_url::encode_whole;
use crate::client::secret::Secret;

/// The account of a client at a token endpoint; its secret is never printed.
#[derive(Debug, Clone)]
pub struct ClientCredentials {
    token_url: String,
    id: String,
    secret: Secret,
    secret_in: SecretIn,
    parameters: Vec<(String, String)>,
}

/// Where a token endpoint expects the client's id and secret.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SecretIn {
    /// In the header `authorization`, as every endpoint must take it.
    #[default]
    Header,
    /// In the body, as some prefer it.
    Body,
}

impl ClientCredentials {
    /// Names the endpoint, and the client's id and secret there.
    pub fn new(token_url: impl Into<String>, id: impl Into<String>, secret: impl Into<String>) -> Self {
        Self {
            token_url: token_url.into(),
            id: id.into(),
            secret: Secret::new(secret.into()),
            secret_in: SecretIn::default(),
            parameters: Vec::new(),
        }
    }

    /// Asks for these scopes, separated by spaces.
    #[must_use]
    pub fn with_scope(self, scope: impl Into<String>) -> Self {
        self.with_parameter("scope", scope)
    }

    /// Sends a further parameter, such as `audience`.
    #[must_use]
    pub fn with_parameter(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.parameters.push((name.into(), value.into()));
        self
    }

    /// Says where the endpoint expects the id and the secret.
    #[must_use]
    pub fn with_secret_in(mut self, place: SecretIn) -> Self {
        self.secret_in = place;
        self
    }

    /// Checks what can be checked before the first request, or says what is wrong.
    pub(crate) fn check(&self) -> Result<(), String> {
        let url = reqwest::Url::parse(&self.token_url)
            .map_err(|error| format!("the token endpoint is not a URL: {error}"))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err("the token endpoint is not of the web; write https://".to_owned());
        }
        if self.id.is_empty() {
            return Err("the client's id at the token endpoint is empty".to_owned());
        }
        Ok(())
    }

    /// Returns the request for a token.
    pub(crate) fn to_request(&self) -> HttpRequest {
        let mut body = "grant_type=client_credentials".to_owned();
        let mut put = |name: &str, value: &str| {
            body.push('&');
            encode_whole(&mut body, name);
            body.push('=');
            encode_whole(&mut body, value);
        };
        for (name, value) in &self.parameters {
            put(name, value);
        }
        let mut headers = vec![
            ("accept".to_owned(), "application/json".to_owned()),
            ("content-type".to_owned(), "application/x-www-form-urlencoded".to_owned()),
        ];
        match self.secret_in {
            SecretIn::Header => {
                // Both are form-encoded before they become one text (RFC 6749, 2.3.1).
                let mut pair = String::new();
                encode_whole(&mut pair, &self.id);
                pair.push(':');
                encode_whole(&mut pair, self.secret.reveal());
                headers.push(("authorization".to_owned(), format!("Basic {}", STANDARD.encode(pair))));
            }
            SecretIn::Body => {
                put("client_id", &self.id);
                put("client_secret", self.secret.reveal());
            }
        }
        let url = self.token_url.clone();
        HttpRequest { method: "POST", url, headers, body: Bytes::from(body), timeout: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account() -> ClientCredentials {
        ClientCredentials::new("https://login.example/token", "a:b", "s&c ret").with_scope("read write")
    }

    #[test]
    fn the_secret_travels_where_the_endpoint_expects_it() {
        let header = account().to_request();
        assert_eq!(header.body, "grant_type=client_credentials&scope=read%20write");
        let expected = format!("Basic {}", STANDARD.encode("a%3Ab:s%26c%20ret"));
        assert!(header.headers.contains(&("authorization".to_owned(), expected)));
        let body = account().with_secret_in(SecretIn::Body).to_request();
        assert!(body.body.ends_with(b"&client_id=a%3Ab&client_secret=s%26c%20ret"));
        assert!(body.headers.iter().all(|(name, _)| name != "authorization"));
    }

    #[test]
    fn the_secret_is_not_printed() {
        assert!(!format!("{:?}", account()).contains("s&c"));
    }
}
