//! Read models: kept up to date from the log, queried, rebuilt beside themselves.

pub(crate) mod declarations;
pub(crate) mod error;
mod feed;
pub(crate) mod handle;
mod marks;
mod model;
pub(crate) mod options;
pub(crate) mod parked_keys;
pub(crate) mod progress;
mod reconcile;
mod report;
mod run;
pub(crate) mod status;
mod wait;

#[cfg(test)]
mod tests;
