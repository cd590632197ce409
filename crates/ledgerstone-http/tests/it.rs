//! The tests of HTTP: against servers that behave, servers that do not, and fakes.

#![expect(clippy::expect_used, reason = "a panic in a test is its report")]

#[path = "it/client/mod.rs"]
mod client;
#[path = "it/gateway/mod.rs"]
mod gateway;
