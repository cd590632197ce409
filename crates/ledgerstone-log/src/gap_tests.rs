//! Positions where nothing stands: frames without events that move the head, in a segment and at its end.

use std::sync::Arc;

use ledgerstone_core::{Heads, LogKind, Position};

use crate::appender::Appender;
use crate::extent::extent;
use crate::follower::open_read_only;
use crate::log::{LogReader, Opened, open};
use crate::one_stream::{append, indexed, options, positions, read_all};
use crate::page::Page;
use crate::reader::Patience;
use crate::scavenge::Scavenge;
use crate::simulated_disk::SimulatedDisk;
use crate::verify::verify;
use crate::watermark::Watermark;

fn heads(application: u64, system: u64) -> Heads {
    Heads { application: Position(application), system: Position(system) }
}

fn opened(disk: &SimulatedDisk) -> (LogReader, Appender) {
    let Opened { reader, appender, .. } = open(Arc::new(disk.clone()), options()).expect("a log");
    (reader, appender)
}

/// What stands on either side of the gaps.
const FAR: u64 = 200_000;

/// Makes a log with a gap in a segment, one of two frames, and one between two segments.
fn with_gaps(disk: &SimulatedDisk) -> (LogReader, Appender) {
    let (reader, mut appender) = opened(disk);
    append(&reader, &mut appender);
    appender.raise(heads(5, 3));
    appender.commit().expect("committed");
    append(&reader, &mut appender);
    appender.raise(heads(8, 3));
    appender.raise(heads(9, 4));
    appender.commit().expect("committed");
    (0..4).for_each(|_| append(&reader, &mut appender));
    appender.leap(heads(FAR, 4)).expect("a new segment");
    (0..4).for_each(|_| append(&reader, &mut appender));
    // The newest frame has no events.
    appender.raise(heads(FAR + 20, 5));
    appender.commit().expect("committed");
    appender.publish();
    (reader, appender)
}

const THERE: [u64; 10] = [1, 6, 10, 11, 12, 13, FAR + 1, FAR + 2, FAR + 3, FAR + 4];

/// Holds what is read in every way to what is there.
fn check(reader: &LogReader) {
    assert_eq!(reader.heads(), heads(FAR + 20, 5));
    assert_eq!(positions(&read_all(reader, true).expect("read")), THERE);
    let mut backwards = positions(&read_all(reader, false).expect("read"));
    backwards.reverse();
    assert_eq!(backwards, THERE);
    assert_eq!(indexed(reader), THERE);
    let log = LogKind::Application;
    for position in [2, 5, 7, 9, 14, FAR, FAR + 5, FAR + 20, FAR + 21] {
        let mut page = Page::new(1, 1);
        let is_there = reader.read(log, Position(position), &mut page, Patience::Wait).expect("read");
        assert!(!is_there && page.is_empty(), "position {position}");
        let next = THERE.into_iter().find(|there| *there > position);
        let recorded = reader.recorded_at(log, position, FAR + 20).expect("read");
        assert_eq!(recorded.map(|time| time.as_micros().cast_unsigned()), next, "behind {position}");
    }
    let mut page = Page::new(9, 900);
    let next = reader.read_stretch(LogKind::System, 1..=5, true, &mut page, Patience::Wait).expect("read");
    assert!(page.is_empty() && next.is_none_or(|next| next <= 5), "{next:?}");
}

fn problems(disk: &SimulatedDisk) -> Vec<String> {
    let mut problems = Vec::new();
    let counted = verify(disk, &mut |problem| problems.push(problem.to_string())).expect("verified");
    assert_eq!(counted, (THERE.len() as u64, 0));
    problems
}

#[test]
fn positions_where_nothing_stands_are_passed_by_whoever_reads() {
    let disk = SimulatedDisk::new(1);
    let (reader, mut appender) = with_gaps(&disk);
    check(&reader);
    assert_eq!(problems(&disk), [""; 0]);
    appender.close();
    drop((reader, appender));
    let (reader, mut appender) = opened(&disk);
    check(&reader);
    // The position after a gap at the end is the next one.
    append(&reader, &mut appender);
    assert_eq!(reader.heads(), heads(FAR + 21, 5));
}

#[test]
fn positions_where_nothing_stands_outlive_a_crash_and_whoever_reads_beside_sees_none() {
    let disk = SimulatedDisk::new(2);
    drop(with_gaps(&disk));
    for is_owned in [true, false] {
        let extent = extent(&disk, is_owned).expect("read").expect("a log");
        assert_eq!(extent.heads, heads(FAR + 20, 5));
        let (reader, _) = open_read_only(Arc::new(disk.clone()), options(), &extent).expect("opened");
        check(&reader);
    }
    check(&opened(&disk.crash()).0);
}

#[test]
fn a_frame_without_events_is_followed() {
    let disk = SimulatedDisk::new(3);
    let (_, mut appender) = with_gaps(&disk);
    let found = extent(&disk, true).expect("read").expect("a log");
    let (reader, mut follower) = open_read_only(Arc::new(disk.clone()), options(), &found).expect("opened");
    appender.raise(heads(FAR + 33, 9));
    appender.commit().expect("committed");
    appender.publish();
    let told = Watermark::read(&disk).expect("read").expect("a watermark");
    assert!(follower.follow(told).expect("followed"));
    assert_eq!(reader.heads(), heads(FAR + 33, 9));
    assert_eq!(positions(&read_all(&reader, true).expect("read")), THERE);
}

#[test]
fn a_scavenge_keeps_the_positions_where_nothing_stands() {
    let disk = SimulatedDisk::new(4);
    let (reader, appender) = with_gaps(&disk);
    let how = Scavenge {
        is_removed: &|event| event.position().0 > 1,
        least_percent: 0,
        dry_run: false,
        go_on: &|_| true,
    };
    assert!(reader.scavenge(&how).expect("scavenged").rewritten > 0);
    check(&reader);
    assert_eq!(problems(&disk), [""; 0]);
    drop((reader, appender));
    check(&opened(&disk).0);
}
