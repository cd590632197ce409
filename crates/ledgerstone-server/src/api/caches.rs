//! Handlers for caches: list, get, put, delete, invalidate, explain.

use axum::extract::State;
use axum::http::header::{CONTENT_TYPE, HeaderName};
use axum::http::{HeaderMap, HeaderValue, Uri};
use axum::response::IntoResponse as _;
use ledgerstone::cache::{CacheError, CacheHealth, CacheStats, Cached, Loaded};
use ledgerstone::core::{CacheTarget, Problem, Tag};
use ledgerstone::http::Failure;
use serde::Serialize;

use crate::api::answer::{Answered, json};
use crate::api::json_body::WholeBody;
use crate::api::parameters::{Parameters, refused};
use crate::api::path_names::{Named, NamedKey};
use crate::api::route::{Kind, Parameter, parameter};
use crate::api::state::Api;
use crate::duration_text::parse_duration;
use crate::outward::StoredValue;

/// The parameters of a put.
pub(crate) const OF_PUT: &[Parameter] = &[
    parameter("tag", Kind::Texts, "a tag by which the entry is invalidated"),
    parameter("ttl", Kind::Text, "how long it is fresh, such as 30s; as long as the cache says unless given"),
];

/// The parameters of an invalidation.
pub(crate) const OF_INVALIDATION: &[Parameter] = &[
    parameter("key", Kind::Texts, "an entry that goes"),
    parameter("tag", Kind::Texts, "entries with this tag go"),
    parameter("prefix", Kind::Texts, "entries whose keys begin like this go"),
    parameter("all", Kind::Choice(&["true", "false"]), "whether every entry goes"),
];

#[derive(Serialize)]
struct Caches {
    caches: Vec<CacheReport>,
}

#[derive(Serialize)]
struct CacheReport {
    #[serde(flatten)]
    health: CacheHealth,
    stats: CacheStats,
}

#[derive(Serialize)]
struct Done {
    done: bool,
}

/// Lists the caches: how each is, and what it has counted.
pub(crate) async fn list(State(api): State<Api>, uri: Uri) -> Answered {
    Parameters::of(&uri, &[])?;
    let registry = api.outward()?.caches();
    let stats = registry.stats();
    let reports = registry.health().into_iter().zip(stats);
    let caches = reports.map(|(health, (_, stats))| CacheReport { health, stats }).collect();
    json(&Caches { caches })
}

/// Answers a value as it was put.
pub(crate) async fn get(State(api): State<Api>, at: NamedKey, uri: Uri) -> Answered {
    Parameters::of(&uri, &[])?;
    let found = api.outward()?.cache(&at.name)?.lookup(&at.key).await.map_err(failed)?;
    let Cached::Hit(value) = found else {
        return Err(Problem::not_found(format!("cache {} has nothing under {:?}", at.name, at.key)).into());
    };
    let mut response = value.bytes.clone().into_response();
    let media_type = HeaderValue::from_str(&value.content_type);
    response
        .headers_mut()
        .insert(CONTENT_TYPE, media_type.unwrap_or(HeaderValue::from_static("application/octet-stream")));
    // What others put there is never run as a page of this server.
    let nosniff = HeaderValue::from_static("nosniff");
    response.headers_mut().insert(HeaderName::from_static("x-content-type-options"), nosniff);
    let sandbox = HeaderValue::from_static("sandbox");
    response.headers_mut().insert(HeaderName::from_static("content-security-policy"), sandbox);
    Ok(response)
}

/// Puts a value.
pub(crate) async fn put(
    State(api): State<Api>,
    at: NamedKey,
    uri: Uri,
    headers: HeaderMap,
    WholeBody(bytes): WholeBody,
) -> Answered {
    let parameters = Parameters::of(&uri, OF_PUT)?;
    let cache = api.outward()?.cache(&at.name)?;
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let content_type = content_type.unwrap_or("application/octet-stream").to_owned();
    let mut value = Loaded::new(StoredValue { content_type, bytes }).tags(tags(&parameters)?);
    if let Some(text) = parameters.one("ttl")? {
        let ttl = parse_duration(text).filter(|ttl| !ttl.is_zero());
        value = value.ttl(ttl.ok_or_else(|| refused("ttl", "write a span of time such as 30s or 5m"))?);
    }
    cache.set(&at.key, value).await.map_err(failed)?;
    json(&Done { done: true })
}

/// Deletes an entry, on every node.
pub(crate) async fn delete(State(api): State<Api>, at: NamedKey, uri: Uri) -> Answered {
    Parameters::of(&uri, &[])?;
    api.outward()?.cache(&at.name)?.delete(&at.key).await.map_err(failed)?;
    json(&Done { done: true })
}

/// Invalidates entries by key, tag or prefix, or all.
pub(crate) async fn invalidate(State(api): State<Api>, Named(name): Named, uri: Uri) -> Answered {
    let parameters = Parameters::of(&uri, OF_INVALIDATION)?;
    let all = match parameters.one("all")? {
        None | Some("false") => false,
        Some("true") => true,
        Some(_) => return Err(refused("all", "it is true, or it is left out")),
    };
    let keys = parameters.all("key").map(|key| CacheTarget::Key(key.to_owned()));
    let prefixes = parameters.all("prefix").map(|prefix| CacheTarget::Prefix(prefix.to_owned()));
    let tags = tags(&parameters)?.into_iter().map(CacheTarget::Tag);
    let mut targets: Vec<_> = keys.chain(prefixes).chain(tags).collect();
    match (all, targets.is_empty()) {
        (true, true) => targets.push(CacheTarget::All),
        (false, false) => {}
        _ => return Err(Problem::invalid("say what goes: key, tag and prefix, or all=true alone").into()),
    }
    let cache = api.outward()?.cache(&name)?;
    cache.invalidate(&targets, None).await.map_err(failed)?;
    json(&Done { done: true })
}

/// Tells what is known of a key.
pub(crate) async fn explain(State(api): State<Api>, at: NamedKey, uri: Uri) -> Answered {
    Parameters::of(&uri, &[])?;
    json(&api.outward()?.cache(&at.name)?.explain(&at.key).await)
}

fn tags(parameters: &Parameters<'_>) -> Result<Vec<Tag>, Failure> {
    parameters.all("tag").map(|tag| Tag::new(tag).map_err(|invalid| refused("tag", invalid))).collect()
}

fn failed(error: CacheError) -> Failure {
    Problem::new(error.kind(), error.code(), error.to_string()).into()
}
