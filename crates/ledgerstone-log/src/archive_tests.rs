//! Archives that more than one store is pointed at.

use std::collections::BTreeMap;
use std::sync::Arc;

use ledgerstone_core::Timestamp;

use crate::archive::{Archive, Archived};
use crate::disk::Disk;
use crate::failure::LogError;
use crate::log::{LogReader, Opened, open};
use crate::one_stream::{append, options, positions, read_all};
use crate::simulated_disk::SimulatedDisk;
use crate::tiered_disk::TieredDisk;

/// Opens a log whose segments grow up to a size, and appends some events.
fn grown(near: &SimulatedDisk, archive: &SimulatedDisk, segment_bytes: u64, events: usize) -> LogReader {
    let disk = TieredDisk::new(Arc::new(near.clone()), Arc::new(archive.clone()));
    let mut options = options();
    options.segment_bytes = segment_bytes;
    let Opened { reader, mut appender, .. } = open(Arc::new(disk), options).expect("a log");
    (0..events).for_each(|_| append(&reader, &mut appender));
    appender.close();
    reader
}

fn archive_all(reader: &LogReader) -> Result<Archived, LogError> {
    reader.archive(&Archive { before: Timestamp::from_micros(i64::MAX), go_on: &|_| true })
}

fn contents(disk: &SimulatedDisk) -> BTreeMap<String, Vec<u8>> {
    let names = disk.names().expect("names").into_iter();
    let read = |name: String| {
        let file = disk.open(&name).expect("a file");
        let mut bytes = vec![0; usize::try_from(file.size().expect("a size")).expect("small")];
        file.read_exact_at(0, &mut bytes).expect("bytes");
        (name, bytes)
    };
    names.map(read).collect()
}

#[test]
fn a_copy_of_a_log_does_not_replace_what_the_log_has_archived() {
    let (near, archive) = (SimulatedDisk::new(1), SimulatedDisk::new(2));
    drop(grown(&near, &archive, 1_200, 14));
    let copy = near.kill();
    let own = grown(&near, &archive, 1_200, 20);
    archive_all(&own).expect("archived");
    let before = contents(&archive);
    // The segment that was the newest one goes on differently.
    let other = grown(&copy, &SimulatedDisk::new(3), 3_000, 200);
    drop(other);
    let other = grown(&copy, &archive, 3_000, 1);
    assert!(matches!(archive_all(&other), Err(LogError::Archive(_))));
    assert_eq!(contents(&archive), before);
    let events = read_all(&own, true).expect("read");
    assert_eq!(positions(&events), (1..=34).collect::<Vec<_>>());
}
