//! Handlers for the keys that a read model parked: list, replay, discard.

use axum::extract::State;
use axum::http::Uri;
use ledgerstone::core::{Problem, Tenant};
use ledgerstone::engine::{ParkedKey, ParkedSelection};
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
    fn selection(&self, tenant: Tenant) -> Result<ParkedSelection, Failure> {
        match (&self.key, self.all) {
            (Some(key), false) => Ok(ParkedSelection::Key(tenant, key.clone())),
            (None, true) => Ok(ParkedSelection::All),
            _ => Err(Problem::invalid("say which: {\"key\": \"…\"} or {\"all\": true}").into()),
        }
    }
}

#[derive(Serialize)]
struct Discarded {
    discarded: u64,
}

/// Lists the parked keys.
pub(crate) async fn list(State(api): State<Api>, ReadModelName(name): ReadModelName, uri: Uri) -> Answered {
    Parameters::of(&uri, &[])?;
    json(&Parked { parked: api.app.read_models.parked(&name).await.map_err(failed)? })
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
    let which = choice.selection(call.tenant)?;
    json(&api.app.read_models.replay_parked(&name, &which).await.map_err(failed)?)
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
    let which = choice.selection(call.tenant)?;
    let reason = choice.reason.as_deref().unwrap_or_default();
    let discarded = api.app.read_models.discard_parked(&name, &which, reason).await.map_err(failed)?;
    json(&Discarded { discarded })
}
