//! Handlers for the keys that a read model parked: list, replay, discard.

use axum::extract::State;
use axum::http::Uri;
use ledgerstone::core::{CollectionName, Problem, Tenant};
use ledgerstone::engine::{ParkedKey, ParkedSelection, ReadModelError, ReplayReport};
use ledgerstone::http::Failure;
use serde::{Deserialize, Serialize};

use crate::api::answer::{Answered, json};
use crate::api::call::Call;
use crate::api::json_body::JsonBody;
use crate::api::parameters::Parameters;
use crate::api::path_names::ReadModelName;
use crate::api::read_models::failed;
use crate::api::state::Api;

#[derive(Serialize)]
struct Parked {
    parked: Vec<ParkedKey>,
}

/// Which parked keys are meant: one, or all.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Choice {
    key: Option<String>,
    all: bool,
    reason: Option<String>,
}

impl Choice {
    /// Returns the keys that are meant, which are the tenant's own only.
    async fn keys(
        &self,
        api: &Api,
        name: &CollectionName,
        tenant: &Tenant,
    ) -> Result<Vec<ParkedSelection>, Failure> {
        let one = |key: String| ParkedSelection::Key(tenant.clone(), key);
        match (&self.key, self.all) {
            (Some(key), false) => Ok(vec![one(key.clone())]),
            (None, true) => {
                Ok(parked_of(api, name, tenant).await?.into_iter().map(|row| one(row.key)).collect())
            }
            _ => Err(Problem::invalid("say which: {\"key\": \"…\"} or {\"all\": true}").into()),
        }
    }
}

#[derive(Serialize)]
struct Discarded {
    discarded: u64,
}

async fn parked_of(api: &Api, name: &CollectionName, tenant: &Tenant) -> Result<Vec<ParkedKey>, Failure> {
    let mut rows = api.app.read_models.parked(name).await.map_err(failed)?;
    rows.retain(|row| row.tenant == tenant.as_str());
    Ok(rows)
}

/// Tells which keys were done before one failed: every key is a commit of its own.
fn interrupted(error: ReadModelError, keys: &[ParkedSelection], done: usize) -> Failure {
    let (before, after) = keys.split_at(done);
    let problem = failed(error).problem().clone();
    problem.with("done", names(before)).with("not_done", names(after)).into()
}

fn names(keys: &[ParkedSelection]) -> Vec<&str> {
    let names = keys.iter().filter_map(|which| match which {
        ParkedSelection::Key(_, key) => Some(key.as_str()),
        ParkedSelection::All => None,
    });
    names.collect()
}

/// Lists the tenant's parked keys.
pub(crate) async fn list(
    State(api): State<Api>,
    ReadModelName(name): ReadModelName,
    uri: Uri,
    call: Call,
) -> Answered {
    Parameters::of(&uri, &[])?;
    json(&Parked { parked: parked_of(&api, &name, &call.tenant).await? })
}

/// Projects the held events of parked keys again.
pub(crate) async fn replay(
    State(api): State<Api>,
    ReadModelName(name): ReadModelName,
    uri: Uri,
    call: Call,
    JsonBody(choice): JsonBody<Choice>,
) -> Answered {
    Parameters::of(&uri, &[])?;
    if choice.reason.is_some() {
        return Err(Problem::invalid("a replay needs no reason; leave it out").into());
    }
    let keys = choice.keys(&api, &name, &call.tenant).await?;
    let mut report = ReplayReport::default();
    for (done, which) in keys.iter().enumerate() {
        let one = api.app.read_models.replay_parked(&name, which).await;
        let one = one.map_err(|error| interrupted(error, &keys, done))?;
        report.replayed += one.replayed;
        report.events += one.events;
        report.failed.extend(one.failed);
    }
    json(&report)
}

/// Gives parked keys up.
pub(crate) async fn discard(
    State(api): State<Api>,
    ReadModelName(name): ReadModelName,
    uri: Uri,
    call: Call,
    JsonBody(choice): JsonBody<Choice>,
) -> Answered {
    Parameters::of(&uri, &[])?;
    let reason = choice.reason.as_deref().unwrap_or_default();
    if reason.trim().is_empty() {
        return Err(Problem::invalid("a reason is needed to discard parked keys; say \"reason\"").into());
    }
    let keys = choice.keys(&api, &name, &call.tenant).await?;
    let mut discarded = 0;
    for (done, which) in keys.iter().enumerate() {
        let one = api.app.read_models.discard_parked(&name, which, reason).await;
        discarded += one.map_err(|error| interrupted(error, &keys, done))?;
    }
    json(&Discarded { discarded })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_failure_in_the_middle_tells_what_was_done() {
        let keys = ["a", "b", "c"].map(|key| ParkedSelection::Key(Tenant::default(), key.to_owned()));
        let unknown = ReadModelError::Unknown { name: "cases".to_owned(), nearest: None };
        let failure = interrupted(unknown, &keys, 1);
        let members = &failure.problem().members;
        assert_eq!((&members["done"], &members["not_done"]), (&json!(["a"]), &json!(["b", "c"])));
    }
}
