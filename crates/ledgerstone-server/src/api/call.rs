//! What the headers of a request say: whose events, with which rights, in which form.

use axum::extract::FromRequestParts;
use axum::http::header::ACCEPT;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue};
use ledgerstone::core::{Problem, Tenant, TenantScope};
use ledgerstone::http::{Correlation, Failure};

use crate::api::parameters::percent_decode;

/// The header that names the tenant; percent-encoded where it is not visible ASCII.
pub(crate) const TENANT: &str = "ledgerstone-tenant";
/// The header by which a caller says that it means to write system events: removals, which their rule judges, and
/// any other where the server was configured to take them, as for a copy or a conformance suite.
pub(crate) const SYSTEM: &str = "ledgerstone-system";
/// The media type of a line for each event.
pub(crate) const NDJSON: &str = "application/x-ndjson";

/// The headers of a request that matter to a handler.
#[derive(Debug)]
pub(crate) struct Call {
    /// Whose events.
    pub(crate) tenant: Tenant,
    /// Whether it means to write system events.
    pub(crate) system: bool,
    /// Whether it wants a line for each event.
    pub(crate) lines: bool,
    /// The correlation id that the caller gave.
    pub(crate) correlation: Option<String>,
}

impl Call {
    /// Returns the tenant as a scope.
    pub(crate) fn scope(&self) -> TenantScope {
        TenantScope::One(self.tenant.clone())
    }

    fn of(headers: &HeaderMap) -> Result<Self, Failure> {
        let tenant = match headers.get(TENANT) {
            None => Tenant::default(),
            Some(value) => {
                let decoded = value.to_str().ok().and_then(percent_decode);
                let invalid = || Problem::invalid(format!("header {TENANT} is not percent-encoded UTF-8"));
                Tenant::new(decoded.ok_or_else(invalid)?)?
            }
        };
        let accept = headers.get(ACCEPT).and_then(|value| value.to_str().ok());
        let correlation = Correlation::current().filter(Correlation::is_given);
        Ok(Self {
            tenant,
            system: means_system(headers)?,
            lines: accept.is_some_and(|accept| accept.contains(NDJSON)),
            correlation: correlation.map(|id| id.as_str().to_owned()),
        })
    }
}

fn means_system(headers: &HeaderMap) -> Result<bool, Failure> {
    match headers.get(SYSTEM).map(HeaderValue::as_bytes) {
        None | Some(b"false") => Ok(false),
        Some(b"true") => Ok(true),
        Some(_) => Err(Problem::invalid(format!("header {SYSTEM} is true, or it is left out")).into()),
    }
}

impl<S: Sync> FromRequestParts<S> for Call {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Failure> {
        Self::of(&parts.headers)
    }
}
