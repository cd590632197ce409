//! The store at the other end of an HTTP connection: a client of a ledgerstone server.

mod documents;
mod events;

use std::sync::Arc;

use ledgerstone_core::{BackendError, CapabilitiesJson, DocumentCapabilitiesJson, ErrorKind, Locator};
use serde::Deserialize;

use crate::backend::{Adapter, Backend, Resources, check_parameters, misplaced};
use crate::connection::{BACKEND, Connection};
pub use documents::HttpDocuments;
pub use events::HttpEvents;

/// The row of `http` locators.
pub(crate) const ADAPTER: Adapter = Adapter {
    scheme: "http",
    about: "a ledgerstone server",
    example: "http://127.0.0.1:7400",
    open: |locator, resources| Box::pin(async move { open(&locator, &resources).await }),
    owner: |_| None,
    restore: None,
    inspect: None,
    backups: None,
    open_read_only: None,
};

/// The row of `https` locators.
pub(crate) const ADAPTER_TLS: Adapter = Adapter {
    scheme: "https",
    about: "a ledgerstone server behind TLS",
    example: "https://ledger.example.org",
    ..ADAPTER
};

#[derive(Deserialize)]
struct ServerCapabilities {
    events: CapabilitiesJson,
    documents: DocumentCapabilitiesJson,
}

/// Connects to the server that an `http` or `https` locator names, and asks what it can do.
pub async fn open(locator: &Locator, resources: &Resources) -> Result<Backend, BackendError> {
    check_parameters("http", locator, &[])?;
    let base = base_url(locator)?;
    let Some(client) = &resources.http else {
        return Err(misplaced("http", "no HTTP client was given; put one into the resources"));
    };
    let connection = Arc::new(Connection::new(Arc::clone(client), base, resources.token.clone()));
    let server: ServerCapabilities = connection.get("capabilities", "/v1/capabilities", None).await?;
    let events = HttpEvents::new(Arc::clone(&connection), server.events.to_capabilities());
    let documents = HttpDocuments::new(connection, server.documents.to_capabilities());
    Ok(Backend::new(Arc::new(events), Arc::new(documents)))
}

/// Returns the locator as a URL without a slash at its end.
fn base_url(locator: &Locator) -> Result<String, BackendError> {
    let place = locator.place().trim_end_matches('/');
    let authority = place.strip_prefix("//").and_then(|rest| rest.split('/').next()).unwrap_or_default();
    if authority.is_empty() {
        return Err(misplaced("http", "it names no server; write it like http://127.0.0.1:7400"));
    }
    if authority.contains('@') {
        let message = "a user and a password in the address are not used; configure a token instead";
        return Err(misplaced("http", message));
    }
    Ok(format!("{}:{place}", locator.scheme()))
}

/// Refuses what spans tenants: a server hands out one at a time.
fn every_tenant(operation: &'static str) -> BackendError {
    let message = "a server shows one tenant at a time; ask for each";
    BackendError::new(ErrorKind::Unsupported, BACKEND, operation, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_named_by_its_authority() {
        let base = |text: &str| base_url(&text.parse::<Locator>().expect("a locator"));
        assert_eq!(base("http://127.0.0.1:7400/").ok().as_deref(), Some("http://127.0.0.1:7400"));
        assert_eq!(base("https://a.example/ledger").ok().as_deref(), Some("https://a.example/ledger"));
        assert!(base("http:").is_err());
        assert!(base("http://user:secret@host").is_err());
    }
}
