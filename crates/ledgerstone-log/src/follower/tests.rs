//! Following a log beside its owner.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use ledgerstone_core::{LogKind, Position};

use super::{Follower, open_read_only};
use crate::appender::Appender;
use crate::chain::read_header;
use crate::disk::{Disk, DiskFile};
use crate::extent::extent;
use crate::failure::LogError;
use crate::log::{LogReader, Opened, open};
use crate::one_stream::{append, indexed, options, positions, read_all};
use crate::page::Page;
use crate::reader::Patience;
use crate::scavenge::Scavenge;
use crate::segment_header::{SegmentHeader, segment_name};
use crate::simulated_disk::SimulatedDisk;
use crate::story_tests::Story;
use crate::watermark::Watermark;

/// Returns every file with its size.
fn files(disk: &dyn Disk) -> Vec<(String, u64)> {
    let size = |name: &String| disk.open(name).and_then(|file| file.size()).expect("a size");
    let names = disk.names().expect("names");
    names.iter().map(|name| (name.clone(), size(name))).collect()
}

#[test]
fn a_log_read_beside_its_owner_shows_what_is_durable_and_follows() {
    for seed in 1..40 {
        let mut story = Story::begin(seed);
        story.open();
        for _ in 0..1 + seed % 7 {
            story.commit();
        }
        story.publish();
        let disk = story.disk();
        let extent = extent(&*disk, true).expect("read").expect("a log");
        let (reader, mut follower) =
            open_read_only(Arc::clone(&disk), story.options(), &extent).expect("opened");
        story.check_read(&reader);
        for round in 0..12 {
            story.commit();
            story.publish();
            if round % 3 == 2 {
                story.remove();
                story.scavenge();
            }
            let before = files(&*disk);
            let told = Watermark::read(&*disk).expect("read").expect("a watermark");
            follower.follow(told).expect("followed");
            story.check_read(&reader);
            assert_eq!(files(&*disk), before, "a reader changes nothing");
        }
    }
}

/// An owner and who reads beside it.
struct Both {
    disk: SimulatedDisk,
    owner: LogReader,
    appender: Appender,
    reader: LogReader,
    follower: Follower,
}

impl Both {
    /// Begins with so many events, and segments of so many bytes.
    fn begin(events: usize, segment_bytes: u64) -> Self {
        let disk = SimulatedDisk::new(7);
        let mut options = options();
        options.segment_bytes = segment_bytes;
        let Opened { reader: owner, mut appender, .. } =
            open(Arc::new(disk.clone()), options.clone()).expect("a log");
        (0..events).for_each(|_| append(&owner, &mut appender));
        appender.publish();
        let extent = extent(&disk, true).expect("read").expect("a log");
        let (reader, follower) = open_read_only(Arc::new(disk.clone()), options, &extent).expect("opened");
        Self { disk, owner, appender, reader, follower }
    }

    fn append(&mut self, events: usize) {
        (0..events).for_each(|_| append(&self.owner, &mut self.appender));
        self.appender.publish();
    }

    fn follow(&mut self) -> Result<bool, LogError> {
        self.follower.follow(Watermark::read(&self.disk).expect("read").expect("a watermark"))
    }

    /// Removes and scavenges the events at even positions.
    fn scavenge(&self) {
        scavenge(&self.owner, 2);
    }

    fn stubs(&self) -> usize {
        let events = read_all(&self.reader, true).expect("read");
        events.iter().filter(|event| event.is_stub()).count()
    }

    /// Holds what is read, and what the index knows, to every position.
    fn check(&self) {
        let expected: Vec<u64> = (1..=self.owner.heads().application.0).collect();
        assert_eq!(positions(&read_all(&self.reader, true).expect("read")), expected);
        assert_eq!(indexed(&self.reader), expected);
    }
}

/// Removes and scavenges every so many events.
fn scavenge(owner: &LogReader, every: u64) {
    let how = Scavenge {
        is_removed: &|event| event.position().0.is_multiple_of(every),
        least_percent: 0,
        dry_run: false,
        go_on: &|_| true,
    };
    assert!(owner.scavenge(&how).expect("scavenged").rewritten > 0);
}

#[test]
fn what_could_not_be_followed_is_followed_the_next_time_as_if_for_the_first() {
    let mut both = Both::begin(3, 10_000);
    both.append(4);
    // In the last of the new frames: those before it are taken already when it is met.
    let segment = Arc::clone(&both.owner.shared.segments.read()[0]);
    let at = segment.end() - 9;
    both.disk.flip(&segment.name, at, 4).expect("a byte");
    for _ in 0..2 {
        assert!(matches!(both.follow(), Err(LogError::Damaged { .. })));
        assert_eq!(positions(&read_all(&both.reader, true).expect("read")), [1, 2, 3], "nothing of it shows");
        assert_eq!(indexed(&both.reader), [1, 2, 3]);
    }
    both.disk.flip(&segment.name, at, 4).expect("a byte");
    assert!(both.follow().expect("followed"));
    both.check();
}

#[test]
fn segments_that_were_scavenged_before_they_were_followed_end_where_they_say_now() {
    let mut both = Both::begin(1, 600);
    both.append(15);
    both.scavenge();
    assert!(both.follow().expect("followed"));
    both.check();
    assert!(both.stubs() > 3, "{} stubs", both.stubs());
}

#[test]
fn a_reader_goes_on_in_segments_that_the_owner_scavenges_again_and_again() {
    let both = Both::begin(20, 600);
    for every in [5, 3, 2] {
        // The reader has opened some of them before.
        read_all(&both.reader, true).expect("read");
        both.reader.shared.segments.read().iter().step_by(2).for_each(|segment| segment.close());
        scavenge(&both.owner, every);
        both.check();
    }
    assert!(both.stubs() > 8, "{} stubs", both.stubs());
    let page = |forwards| positions(&read_all(&both.reader, forwards).expect("read")).len();
    assert_eq!((page(true), page(false)), (20, 20));
    both.reader.will_read(LogKind::Application, 1..=20, Patience::Wait).expect("announced");
    assert_eq!(
        both.reader.recorded_at(LogKind::Application, 4, 20).expect("read").map(|at| at.as_micros()),
        Some(4)
    );
}

#[test]
fn a_reader_reads_one_event_of_a_segment_that_was_scavenged() {
    let both = Both::begin(20, 600);
    both.scavenge();
    for position in [1, 2, 9] {
        let mut page = Page::new(1, 1);
        let log = LogKind::Application;
        assert!(both.reader.read(log, Position(position), &mut page, Patience::Wait).expect("read"));
        assert_eq!(page.finish()[0].is_stub(), position == 2);
    }
}

/// Writes another header into a segment.
fn edit_header(disk: &SimulatedDisk, number: u64, edit: impl FnOnce(&mut SegmentHeader)) {
    let mut header = read_header(disk, number).expect("a header");
    edit(&mut header);
    disk.open(&segment_name(number)).and_then(|file| file.write_at(0, &header.encode())).expect("written");
}

#[test]
fn a_reader_does_not_go_on_in_a_file_that_is_not_what_scavenging_makes_of_its_segment() {
    type Edit = fn(&mut SegmentHeader);
    let edits: [(bool, Edit); 5] = [
        (false, |header| header.salt += 1),
        (true, |header| header.salt += 1),
        (true, |header| header.log.epoch += 1),
        (true, |header| header.scavenged.as_mut().expect("scavenged").written_end += 1),
        (true, |header| header.scavenged.as_mut().expect("scavenged").times = 0),
    ];
    for (is_scavenged, edit) in edits {
        let both = Both::begin(20, 600);
        if is_scavenged {
            both.scavenge();
        }
        edit_header(&both.disk, 2, edit);
        match read_all(&both.reader, true) {
            Err(LogError::Replaced { file }) => assert_eq!(file, segment_name(2)),
            other => panic!("another file, and there is {other:?}"),
        }
    }
}

/// A disk on which something happens when a file is opened for the second time.
#[derive(Debug)]
struct Interrupted {
    disk: SimulatedDisk,
    name: &'static str,
    opened: AtomicU32,
    owner: LogReader,
}

impl Disk for Interrupted {
    fn names(&self) -> io::Result<Vec<String>> {
        self.disk.names()
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        if name == self.name && self.opened.fetch_add(1, Ordering::Relaxed) == 1 {
            scavenge(&self.owner, 2);
        }
        self.disk.open(name)
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        self.disk.create(name)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.disk.rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.disk.remove(name)
    }

    fn sync_names(&self) -> io::Result<()> {
        self.disk.sync_names()
    }
}

#[test]
fn a_segment_that_is_scavenged_between_its_header_and_its_frames_is_followed() {
    let mut both = Both::begin(1, 600);
    let name = "000000000003.log";
    let (disk, owner) = (both.disk.clone(), both.owner.clone());
    let interrupted = Interrupted { disk, name, opened: AtomicU32::new(0), owner };
    let extent = extent(&both.disk, true).expect("read").expect("a log");
    (both.reader, both.follower) = open_read_only(Arc::new(interrupted), options(), &extent).expect("opened");
    both.append(15);
    assert!(both.follow().expect("followed"));
    both.check();
    assert!(both.stubs() > 3, "{} stubs", both.stubs());
}
