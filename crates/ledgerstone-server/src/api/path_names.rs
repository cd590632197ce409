//! The names that stand in a path: of a stream, of a read model.

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use ledgerstone::core::{CollectionName, Problem, StreamId};
use ledgerstone::http::Failure;

/// The stream that a path names.
#[derive(Debug)]
pub(crate) struct StreamName(pub(crate) StreamId);

impl<S: Send + Sync> FromRequestParts<S> for StreamName {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        Ok(Self(StreamId::new(named(parts, state, "stream").await?)?))
    }
}

/// The read model that a path names.
#[derive(Debug)]
pub(crate) struct ReadModelName(pub(crate) CollectionName);

impl<S: Send + Sync> FromRequestParts<S> for ReadModelName {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        Ok(Self(CollectionName::new(named(parts, state, "name").await?)?))
    }
}

/// Returns a decoded part of the path.
pub(crate) async fn named<S: Send + Sync>(
    parts: &mut Parts,
    state: &S,
    name: &'static str,
) -> Result<String, Failure> {
    let invalid = || Problem::invalid("the path is not percent-encoded UTF-8");
    let decoded = Path::<Vec<(String, String)>>::from_request_parts(parts, state).await;
    let Path(decoded) = decoded.map_err(|_| invalid())?;
    let found = decoded.into_iter().find(|(key, _)| key == name);
    Ok(found.map(|(_, value)| value).ok_or_else(invalid)?)
}

/// The limiter, breaker or cache that a path names.
#[derive(Debug)]
pub(crate) struct Named(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        named(parts, state, "name").await.map(Self)
    }
}

/// The limiter or cache that a path names, and a key of it.
#[derive(Debug)]
pub(crate) struct NamedKey {
    pub(crate) name: String,
    pub(crate) key: String,
}

impl<S: Send + Sync> FromRequestParts<S> for NamedKey {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let name = named(parts, state, "name").await?;
        Ok(Self { name, key: named(parts, state, "key").await? })
    }
}
