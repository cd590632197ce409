//! The shapes in which events, batches, selections and pages travel as JSON.

pub(crate) mod batch;
pub(crate) mod event;
pub(crate) mod object;
pub(crate) mod select;
pub(crate) mod selection;
mod sound;
