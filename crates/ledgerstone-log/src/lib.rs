//! The log engine of ledgerstone: segments, recovery, and an index that is never trusted over the log.

mod appender;
mod disk;
mod failure;
mod frame;
#[cfg(any(test, feature = "simulation"))]
pub mod hostile;
mod index;
mod index_view;
mod indexer;
mod log;
mod page;
mod page_buffer;
mod places;
mod reader;
mod real_disk;
mod recovery;
mod scanner;
mod segment;
mod segment_header;
mod shared;
#[cfg(any(test, feature = "simulation"))]
pub mod simulated_disk;
mod state;
#[cfg(test)]
mod story_tests;
mod tail;
mod terms;
mod verify;

pub use appender::{Appender, CommitError, NewEvent};
pub use disk::{Disk, DiskFile};
pub use failure::LogError;
pub use index::{Covers, IndexError, Run, RunBuilder, merge};
pub use index_view::IndexView;
pub use log::{LogReader, Opened, open};
pub use page::Page;
pub use reader::Patience;
pub use real_disk::RealDisk;
pub use recovery::{Cut, Report};
pub use shared::Options;
pub use tail::{Entry, Tail};
pub use terms::{ItemTerms, TermHasher, id_key};
pub use verify::verify;
