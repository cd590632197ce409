//! The public conformance suites: what every store must do, one case for each promise and more.
//!
//! An adapter runs a suite whole; it does not pick. Each case gets a store of its own with nothing in
//! it, and each case was seen to fail against a store that breaks its promise.
//!
//! ```no_run
//! # use std::sync::Arc;
//! # use ledgerstone_core::EventStore;
//! # use ledgerstone_testkit::FixedClock;
//! # use ledgerstone_testkit::conformance::{CaseError, Fresh, Trials, event_store};
//! # async fn open_mine(clock: Arc<FixedClock>) -> Result<Arc<dyn EventStore>, CaseError> { Err("no".into()) }
//! fn main() -> std::process::ExitCode {
//!     let mut trials = Trials::from_env();
//!     trials.run("mine", event_store::suite(), |clock| async move {
//!         Ok(Fresh::new(open_mine(Arc::clone(&clock)).await?, clock))
//!     });
//!     trials.conclude()
//! }
//! ```

pub mod cache;
mod case;
pub mod document_store;
pub mod event_store;
mod fresh;
pub mod rate_limiter;
mod trials;

pub use case::{Case, CaseError, CaseResult, Suite, is_failure_of_the_store};
pub use fresh::Fresh;
pub use trials::Trials;
