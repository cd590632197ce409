//! Handlers for circuit breakers and the policies that they belong to: list, isolate, close.

use axum::extract::State;
use axum::http::Uri;
use ledgerstone::http::Failure;
use ledgerstone::resilience::BreakerReport;
use serde::Serialize;

use crate::api::answer::{Answered, json};
use crate::api::parameters::Parameters;
use crate::api::path_names::Named;
use crate::api::state::Api;
use crate::outward::missing;

#[derive(Serialize)]
struct Breakers {
    breakers: Vec<BreakerReport>,
}

#[derive(Serialize)]
struct Policies {
    policies: Vec<PolicyReport>,
}

#[derive(Serialize)]
struct PolicyReport {
    name: String,
    dependency: String,
    explained: String,
}

/// Lists every circuit breaker as it stands.
pub(crate) async fn list(State(api): State<Api>, uri: Uri) -> Answered {
    Parameters::of(&uri, &[])?;
    json(&Breakers { breakers: api.outward()?.policies().breakers() })
}

/// Lets a breaker refuse every call until it is closed.
pub(crate) async fn isolate(State(api): State<Api>, Named(name): Named, uri: Uri) -> Answered {
    Parameters::of(&uri, &[])?;
    let found = api.outward()?.policies().isolate(&name);
    tracing::warn!(breaker = name, found, "a circuit breaker was isolated by hand");
    report(&api, &name)
}

/// Closes a breaker, wherever it stands.
pub(crate) async fn close(State(api): State<Api>, Named(name): Named, uri: Uri) -> Answered {
    Parameters::of(&uri, &[])?;
    let found = api.outward()?.policies().close(&name);
    tracing::warn!(breaker = name, found, "a circuit breaker was closed by hand");
    report(&api, &name)
}

/// Lists the policies, each with its slots from the outermost to the innermost.
pub(crate) async fn policies(State(api): State<Api>, uri: Uri) -> Answered {
    Parameters::of(&uri, &[])?;
    let known = api.outward()?.policies();
    let reports = known.names().into_iter().filter_map(|name| {
        let policy = known.get(&name)?;
        Some(PolicyReport { dependency: policy.dependency().to_string(), explained: policy.explain(), name })
    });
    json(&Policies { policies: reports.collect() })
}

fn report(api: &Api, name: &str) -> Answered {
    let breakers = api.outward()?.policies().breakers();
    match breakers.iter().find(|breaker| *breaker.name == *name) {
        Some(found) => json(found),
        None => {
            let known = breakers.iter().map(|breaker| &*breaker.name);
            Err(Failure::from(missing("breaker", name, known)))
        }
    }
}
