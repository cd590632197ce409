//! Following a log beside its owner.

use std::sync::Arc;

use super::{Follower, open_read_only};
use crate::appender::Appender;
use crate::disk::Disk;
use crate::extent::extent;
use crate::failure::LogError;
use crate::log::{LogReader, Opened, open};
use crate::one_stream::{append, indexed, options, positions, read_all};
use crate::scavenge::Scavenge;
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
        for _ in 0..12 {
            story.commit();
            story.publish();
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
        let how = Scavenge {
            is_removed: &|event| event.position().0.is_multiple_of(2),
            least_percent: 0,
            dry_run: false,
            go_on: &|_| true,
        };
        assert!(self.owner.scavenge(&how).expect("scavenged").rewritten > 0);
    }

    /// Holds what is read, and what the index knows, to every position.
    fn check(&self) {
        let expected: Vec<u64> = (1..=self.owner.heads().application.0).collect();
        assert_eq!(positions(&read_all(&self.reader, true).expect("read")), expected);
        assert_eq!(indexed(&self.reader), expected);
    }
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
    let stubs = read_all(&both.reader, true).expect("read").iter().filter(|event| event.is_stub()).count();
    assert!(stubs > 3, "{stubs} stubs");
}
