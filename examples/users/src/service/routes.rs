//! The HTTP face of the service.

use axum::Router;
use axum::extract::{Path, Query, State};
use axum::http::header::{ETAG, IF_MATCH, LOCATION};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use ledgerstone::core::Problem;
use ledgerstone::http::Failure;
use serde::{Deserialize, Serialize};

use super::account::Account;
use super::failure;
use super::users_service::{Row, UsersService};
use crate::domain::{Email, InvalidUser, Name, PageSize, UserId};

/// What a wish or a change consists of.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Given {
    name: String,
    email: String,
}

/// A user as it is shown.
#[derive(Serialize)]
struct Shown {
    id: String,
    name: String,
    email: String,
    version: u64,
}

#[derive(Serialize)]
struct ShownPage {
    users: Vec<Shown>,
    next: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PageQuery {
    limit: Option<u16>,
    from: Option<String>,
}

/// Makes the router of a service: `/users` and `/users/{id}`.
pub fn router(service: UsersService) -> Router {
    Router::new()
        .route("/users", get(list).post(register))
        .route("/users/{id}", get(show).put(change).delete(remove))
        .with_state(service)
}

async fn list(
    State(service): State<UsersService>,
    query: Result<Query<PageQuery>, axum::extract::rejection::QueryRejection>,
) -> Result<Response, Failure> {
    let Query(query) = query.map_err(|error| Problem::invalid(error.body_text()))?;
    let size = PageSize::new(query.limit.unwrap_or(PageSize::MAX)).map_err(invalid)?;
    let page = service.page(size, query.from).await?;
    let users = page.documents.into_iter().map(|found| {
        let Row { name, email, version } = found.value;
        Shown { id: found.key.as_str().to_owned(), name, email, version }
    });
    Ok(json(StatusCode::OK, &ShownPage { users: users.collect(), next: page.next }))
}

async fn register(
    State(service): State<UsersService>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Failure> {
    let (name, email) = given(&body)?;
    let key = headers.get("idempotency-key").map(|key| key.to_str());
    let key = key.transpose().map_err(|_| Problem::invalid("an idempotency key is plain ASCII"))?;
    let (id, account) = service.register(key, name, email).await?;
    let mut response = shown(StatusCode::CREATED, id, account);
    if let Ok(location) = format!("/users/{id}").try_into() {
        response.headers_mut().insert(LOCATION, location);
    }
    Ok(response)
}

async fn show(State(service): State<UsersService>, Path(id): Path<String>) -> Result<Response, Failure> {
    let id = id.parse().map_err(invalid)?;
    Ok(shown(StatusCode::OK, id, service.show(id).await?))
}

async fn change(
    State(service): State<UsersService>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Failure> {
    let id = id.parse().map_err(invalid)?;
    let (name, email) = given(&body)?;
    let version =
        headers.get(IF_MATCH).and_then(|value| value.to_str().ok()?.trim().trim_matches('"').parse().ok());
    let version = version.ok_or_else(failure::without_version)?;
    Ok(shown(StatusCode::OK, id, service.change(id, version, name, email).await?))
}

async fn remove(State(service): State<UsersService>, Path(id): Path<String>) -> Result<StatusCode, Failure> {
    service.remove(id.parse().map_err(invalid)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn given(body: &Bytes) -> Result<(Name, Email), Failure> {
    // The parser's words may quote what was sent, and so end in a log; where it stands is enough.
    let given = serde_json::from_slice::<Given>(body).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        Problem::invalid(format!("send JSON with name and email; line {line}, column {column} is not that"))
    })?;
    Ok((Name::new(&given.name).map_err(invalid)?, Email::new(&given.email).map_err(invalid)?))
}

fn shown(status: StatusCode, id: UserId, account: Account) -> Response {
    let Account { name, email, version, .. } = account;
    let mut response = json(status, &Shown { id: id.to_string(), name, email, version });
    if let Ok(tag) = format!("\"{version}\"").try_into() {
        response.headers_mut().insert(ETAG, tag);
    }
    response
}

fn json(status: StatusCode, value: &impl Serialize) -> Response {
    (status, axum::Json(value)).into_response()
}

fn invalid(error: InvalidUser) -> Failure {
    Problem::invalid(error.to_string()).into()
}
