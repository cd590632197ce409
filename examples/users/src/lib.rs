//! A user repository over HTTP, and the small service behind it.
//!
//! [`domain`] knows no infrastructure: what a user is, and the repository [`domain::Users`]. [`HttpUsers`] is
//! that repository over HTTP, with a cache, a policy and classified results. [`service`] is what it calls: a
//! router over an event store, whose events keep the caches of all nodes honest.

pub mod domain;
mod http_users;
pub mod service;

pub use http_users::HttpUsers;
