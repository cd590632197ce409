//! The handler that tells how the services behind this server stand.

use axum::extract::State;
use axum::http::Uri;
use ledgerstone::http::ServiceReport;
use serde::Serialize;

use crate::api::answer::{Answered, json};
use crate::api::parameters::Parameters;
use crate::api::state::Api;

#[derive(Serialize)]
struct Services {
    services: Vec<ServiceReport>,
}

/// Lists services with their endpoints: how old they are, which are ejected, and why.
pub(crate) async fn list(State(api): State<Api>, uri: Uri) -> Answered {
    Parameters::of(&uri, &[])?;
    json(&Services { services: api.outward()?.services().report() })
}
