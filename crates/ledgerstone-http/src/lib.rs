//! HTTP for ledgerstone: the client adapter, problem documents, authentication and the server's edge.

mod authenticator;
mod body;
mod client;
mod correlation;
mod middleware;
mod origin;
mod problem;

pub use authenticator::{Authenticator, Caller, StaticToken, Unauthenticated};
pub use body::read_body;
pub use client::{ClientOptions, ReqwestClient};
pub use correlation::Correlation;
pub use middleware::{Edge, Exchange, Observer, bearer, edge};
pub use problem::Failure;
