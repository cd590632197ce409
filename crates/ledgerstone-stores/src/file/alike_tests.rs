//! The property that the log is alike to the one in memory, over many small segments.

use std::path::Path;
use std::sync::Arc;

use ledgerstone_log::{Options, RealDisk};
use ledgerstone_testkit::{FixedClock, SequentialIds};

use crate::alike::{OnDisk, finds_what_has_the_type_and_the_tag, judges_and_reads_like_the_memory};
use crate::file::events::FileEvents;
use crate::file::writer::Writer;

struct File;

impl OnDisk for File {
    type Reader = FileEvents;
    type Writer = Writer;

    fn open(path: &Path, clock: &Arc<FixedClock>) -> (FileEvents, Writer) {
        let disk = Arc::new(RealDisk::open(path).expect("a folder"));
        // The first is the id of the log.
        let mut options = Options::new(Arc::new(SequentialIds::from(7)));
        // Some events to a segment, and nothing that depends on when a thread gets its turn.
        (options.segment_bytes, options.background) = (4096, false);
        FileEvents::halves(disk, Arc::clone(clock) as _, options).expect("events")
    }

    fn copy(from: &Path, to: &Path) {
        std::fs::create_dir(to).expect("a folder");
        for entry in std::fs::read_dir(from).expect("a folder") {
            let entry = entry.expect("an entry");
            std::fs::copy(entry.path(), to.join(entry.file_name())).expect("copies");
        }
    }
}

#[test]
fn the_log_judges_and_reads_like_the_memory() {
    judges_and_reads_like_the_memory::<File>(96);
}

#[test]
fn a_condition_finds_what_has_the_type_and_the_tag() {
    finds_what_has_the_type_and_the_tag::<File>();
}
