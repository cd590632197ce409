//! The traps of the usual user repository, each shown avoided: over a wire that does what a test says.

#![expect(clippy::expect_used, reason = "a panic in a test is its report")]

#[path = "it/changes.rs"]
mod changes;
#[path = "it/freshness.rs"]
mod freshness;
#[path = "it/measured.rs"]
mod measured;
#[path = "it/pages.rs"]
mod pages;
#[path = "it/purity.rs"]
mod purity;
#[path = "it/repeats.rs"]
mod repeats;
#[path = "it/results.rs"]
mod results;
#[path = "it/storms.rs"]
mod storms;
#[path = "it/tour.rs"]
mod tour;
#[path = "it/wire.rs"]
mod wire;
#[path = "it/world.rs"]
mod world;
