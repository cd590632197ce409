//! The log engine of ledgerstone: segments, recovery, and an index that is never trusted over the log.

mod ajar;
mod alarm;
mod appender;
mod archive;
#[cfg(test)]
mod archive_tests;
mod chain;
mod condition;
mod disk;
mod extent;
mod failure;
mod filling;
mod follower;
mod frame;
#[cfg(test)]
mod gap_tests;
mod group;
mod growing_segment;
#[cfg(any(test, feature = "simulation"))]
pub mod hostile;
mod index;
mod index_view;
mod indexer;
mod indexing;
mod log;
mod new_segment;
mod newest;
#[cfg(test)]
mod one_stream;
mod overlay_disk;
mod page;
mod page_buffer;
mod places;
mod places_file;
mod reader;
mod real_disk;
mod rebuilding;
mod recovery;
mod renewal;
mod rewriting;
mod scanner;
mod scavenge;
#[cfg(test)]
mod scavenge_tests;
mod scrubber;
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
mod tiered_disk;
mod verify;
mod warm_segments;
mod watermark;
mod zeros_ahead;

pub use appender::{Appender, CommitError};
pub use archive::{Archive, Archived};
pub use condition::{Condition, Damage};
pub use disk::{Disk, DiskFile};
pub use extent::{Extent, Stretch, extent};
pub use failure::LogError;
pub use follower::{Follower, open_read_only};
pub use group::NewEvent;
pub use index::{Covers, IndexError, Run, RunBuilder, merge};
pub use index_view::IndexView;
pub use log::{LogReader, Opened, open};
pub use page::Page;
pub use reader::Patience;
pub use real_disk::RealDisk;
pub use rebuilding::{RebuildWatch, Rebuilding};
pub use recovery::{Cut, Report};
pub use scavenge::{Reclaimed, Scavenge};
pub use scrubber::Scrub;
pub use shared::Options;
pub use tail::{Entry, Tail};
pub use terms::{ItemTerms, TermHasher, id_key};
pub use tiered_disk::TieredDisk;
pub use verify::{verify, verify_some};
pub use watermark::Watermark;
