//! Handlers for rate limits: list, explain, override and reset a key.

use axum::extract::State;
use axum::http::Uri;
use ledgerstone::core::{Problem, RateOverride, RateRule, RateState};
use ledgerstone::http::Failure;
use ledgerstone::resilience::{RateReport, parse_rate_rule};
use serde::{Deserialize, Serialize};

use crate::api::answer::{Answered, json};
use crate::api::json_body::JsonBody;
use crate::api::parameters::Parameters;
use crate::api::path_names::NamedKey;
use crate::api::state::Api;

#[derive(Serialize)]
struct Limits {
    limits: Vec<Limit>,
}

#[derive(Serialize)]
struct Limit {
    name: String,
    rules: Vec<Rule>,
    /// Whether this node enforces its share because the shared store is lost.
    degraded: bool,
}

#[derive(Serialize)]
struct Rule {
    name: String,
    limit: u32,
    per_seconds: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    burst: Option<u32>,
    algorithm: &'static str,
}

#[derive(Serialize)]
struct Standing {
    limit: String,
    key: String,
    #[serde(rename = "override", skip_serializing_if = "Option::is_none")]
    overridden: Option<&'static str>,
    rules: Vec<RuleStanding>,
    #[serde(skip_serializing_if = "Option::is_none")]
    share_of_nodes: Option<u32>,
    explained: String,
}

#[derive(Serialize)]
struct RuleStanding {
    #[serde(flatten)]
    rule: Rule,
    remaining: u32,
    resets_in_seconds: f64,
}

/// What binds a key from now on: exactly one of these.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Override {
    rules: Option<Vec<String>>,
    unlimited: bool,
    blocked: bool,
}

impl Override {
    fn read(self) -> Result<RateOverride, Failure> {
        let rules = |texts: Vec<String>| -> Result<RateOverride, Failure> {
            let rules = texts.iter().map(|text| parse_rate_rule(text));
            let rules: Result<Vec<_>, _> = rules.collect();
            let rules = rules.map_err(|invalid| Problem::invalid(invalid.to_string()))?;
            Ok(RateOverride::Rules(rules))
        };
        match (self.rules, self.unlimited, self.blocked) {
            (Some(texts), false, false) if !texts.is_empty() => rules(texts),
            (None, true, false) => Ok(RateOverride::Unlimited),
            (None, false, true) => Ok(RateOverride::Blocked),
            _ => Err(Problem::invalid(
                "say one of {\"rules\": [\"10/s\"]}, {\"unlimited\": true} and {\"blocked\": true}",
            )
            .into()),
        }
    }
}

/// Lists the limiters with their rules.
pub(crate) async fn list(State(api): State<Api>, uri: Uri) -> Answered {
    Parameters::of(&uri, &[])?;
    let limits = api.outward()?.limits();
    let degraded = limits.degraded();
    let listed = limits.names().into_iter().filter_map(|name| {
        let rules = limits.get(&name)?.rules().iter().map(rule).collect();
        Some(Limit { degraded: degraded.contains(&name), name, rules })
    });
    json(&Limits { limits: listed.collect() })
}

/// Tells where a key stands, and takes nothing.
pub(crate) async fn explain(State(api): State<Api>, at: NamedKey, uri: Uri) -> Answered {
    Parameters::of(&uri, &[])?;
    standing(&api, &at).await
}

/// Lets other rules bind a key.
pub(crate) async fn set_override(
    State(api): State<Api>,
    at: NamedKey,
    uri: Uri,
    JsonBody(given): JsonBody<Override>,
) -> Answered {
    Parameters::of(&uri, &[])?;
    let given = given.read()?;
    api.outward()?.limiter(&at.name)?.set_override(&at.key, Some(given)).await?;
    standing(&api, &at).await
}

/// Lets the common rules bind a key again.
pub(crate) async fn clear_override(State(api): State<Api>, at: NamedKey, uri: Uri) -> Answered {
    Parameters::of(&uri, &[])?;
    api.outward()?.limiter(&at.name)?.set_override(&at.key, None).await?;
    standing(&api, &at).await
}

/// Gives a key everything back.
pub(crate) async fn reset(State(api): State<Api>, at: NamedKey, uri: Uri) -> Answered {
    Parameters::of(&uri, &[])?;
    api.outward()?.limiter(&at.name)?.reset(&at.key).await?;
    standing(&api, &at).await
}

async fn standing(api: &Api, at: &NamedKey) -> Answered {
    // Said here rather than by the registry, so that the nearest name is told.
    api.outward()?.limiter(&at.name)?;
    let report = api.outward()?.limits().explain(&at.name, &at.key).await?;
    let explained = report.to_string();
    let RateReport { limiter, key, states, overridden, share_of, .. } = report;
    let overridden = overridden.map(|overridden| match overridden {
        RateOverride::Unlimited => "unlimited",
        RateOverride::Blocked => "blocked",
        RateOverride::Rules(_) => "rules",
    });
    let stands = |state: RateState| RuleStanding {
        remaining: state.remaining,
        resets_in_seconds: state.resets_in.as_secs_f64(),
        rule: rule(&state.rule),
    };
    let rules = states.into_iter().map(stands).collect();
    json(&Standing { limit: limiter, key, overridden, rules, share_of_nodes: share_of, explained })
}

fn rule(rule: &RateRule) -> Rule {
    Rule {
        limit: rule.limit,
        per_seconds: rule.per.as_secs_f64(),
        burst: rule.burst,
        algorithm: rule.algorithm.as_str(),
        name: rule.name.clone(),
    }
}
