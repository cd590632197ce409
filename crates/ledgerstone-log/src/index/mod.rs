//! The index over closed segments: immutable runs of sorted blocks, merged into larger ones, never trusted over the log.

mod block;
mod builder;
mod covers;
mod cursor;
mod failure;
mod fences;
mod filter;
mod footer;
mod id_block;
mod list_block;
mod list_writer;
#[cfg(test)]
mod memory_file;
mod merge;
#[cfg(test)]
mod model_tests;
mod run;
#[cfg(test)]
mod size_tests;
mod varint;

pub use builder::RunBuilder;
pub use covers::Covers;
pub use failure::IndexError;
pub use merge::merge;
pub use run::Run;
