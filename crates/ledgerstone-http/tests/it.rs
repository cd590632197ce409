//! The tests of HTTP: the client against servers that behave and servers that do not.

#![expect(clippy::expect_used, reason = "a panic in a test is its report")]

#[path = "it/client/mod.rs"]
mod client;
