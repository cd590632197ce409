//! The shapes in which events, batches, selections and pages travel as JSON.

pub(crate) mod batch;
pub(crate) mod event;
#[cfg(test)]
mod hostile_tests;
pub(crate) mod object;
pub(crate) mod select;
pub(crate) mod selection;
mod sound;
