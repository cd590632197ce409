//! Histories: what many callers did with a store at once, and whether a store that keeps its promises answers so.
//!
//! A [`Workload`] lets writers and readers loose on a store and writes down what each asked and was answered,
//! and when. [`History::check`] then replays the log in the order of its positions: every batch must stand
//! there whole, in an order that contradicts no caller's time; each guard, condition and mark must have held
//! where its batch stands, each refusal at some moment while its caller waited; and no reader may have seen a
//! gap, a part of a batch, what was not there yet, or less than somebody had been told before.
//!
//! The idea is that of a linearizability checker (Wing and Gong, 1993; Knossos and Elle do it for databases
//! whose order must be searched for). Here the store says its order, so that it only has to be believed.

mod attempt;
mod commits;
mod numbers;
mod observations;
mod reader;
mod readings;
mod recorder;
mod refusals;
mod replay;
mod verdict;
mod violation;
mod workload;
mod writer;

pub use attempt::{Attempt, Outcome, Reading, Sighting, Span};
pub use verdict::History;
pub use violation::Violation;
pub use workload::{Move, Workload};
