//! Scavenging and archiving in the stories of a log, and with the power failing at each of their operations.

use std::cell::Cell;
use std::sync::Arc;

use ledgerstone_core::{RecordedEvent, Timestamp};

use super::damage::refusal;
use super::{Story, Wrong};
use crate::archive::{Archive, Archived};
use crate::disk::Disk;
use crate::failure::LogError;
use crate::log::open;
use crate::scavenge::{Reclaimed, Scavenge};
use crate::simulated_disk::{Cause, Fault, Operation};
use crate::verify::verify;

impl Story {
    /// Removes the older events of a stream, as a system event would say.
    pub(crate) fn remove(&mut self) {
        let stream = format!("s-{}", self.dice.below(7));
        let before = self.removed.0.entry(stream.clone()).or_default();
        *before += self.dice.below(9);
        self.trace.push(format!("removed what stands before {before} of {stream}"));
    }

    /// Scavenges, perhaps not to the end.
    pub(crate) fn scavenge(&mut self) {
        let Some((reader, _)) = &self.log else { return };
        let left = if self.dice.one_in(3) { self.dice.below(12) } else { u64::MAX };
        let told = Cell::new(0);
        let go_on = |_: &Reclaimed| {
            told.set(told.get() + 1);
            told.get() <= left
        };
        let is_removed = |event: &RecordedEvent| self.removed.covers(event);
        let least_percent = [0, 0, 20][self.dice.below(3) as usize];
        let how = Scavenge { is_removed: &is_removed, least_percent, dry_run: false, go_on: &go_on };
        let scavenged = reader.scavenge(&how);
        self.trace.push(format!("scavenged: {scavenged:?}"));
        match scavenged {
            Ok(reclaimed) => {
                self.stats.scavenged += reclaimed.rewritten;
                self.stats.stubs += reclaimed.events;
                if !reclaimed.stopped && least_percent == 0 {
                    self.check_nothing_is_left();
                }
                if reclaimed.rewritten == 0 {
                    return;
                }
            }
            Err(_) => self.stats.broken_scavenges += 1,
        }
        self.compare_unless_faults();
    }

    /// Moves older segments to the archive, perhaps not all of them.
    pub(super) fn move_away(&mut self) {
        let Some((reader, _)) = &self.log else { return };
        let left = if self.dice.one_in(3) { self.dice.below(5) } else { u64::MAX };
        let told = Cell::new(0);
        let go_on = |_: &Archived| {
            told.set(told.get() + 1);
            told.get() <= left
        };
        let before = self.dice.below(reader.heads().application.0 + 2).cast_signed();
        let how = Archive { before: Timestamp::from_micros(before), go_on: &go_on };
        let archived = reader.archive(&how);
        self.trace.push(format!("archived: {archived:?}"));
        let moved = archived.map_or(0, |archived| archived.moved);
        self.stats.moved += moved;
        if moved > 0 {
            self.compare_unless_faults();
        }
    }

    /// Compares what was scavenged to the end with what a scavenge would still find.
    fn check_nothing_is_left(&self) {
        let Some((reader, _)) = &self.log else { return };
        let is_removed = |event: &RecordedEvent| self.removed.covers(event);
        let how = Scavenge {
            is_removed: &is_removed,
            least_percent: 0,
            dry_run: true,
            go_on: &|_: &Reclaimed| true,
        };
        if let Ok(again) = reader.scavenge(&how)
            && again.bytes_reclaimed + again.events > 0
        {
            self.fail(format!("a scavenge to the end left {again:?}"));
        }
    }

    /// Compares, but for what a planned fault keeps from being read.
    fn compare_unless_faults(&self) {
        if let Err(Wrong::Differs(what)) = self.compare() {
            self.fail(what);
        }
    }
}

/// Makes a log of several segments, still open, of which every stream lost its first events.
fn several_with_removals(seed: u64) -> Story {
    let mut story = Story::begin(seed);
    story.open();
    while story.disk.names().expect("names").iter().filter(|name| name.ends_with(".log")).count() < 5 {
        story.commit();
    }
    for stream in 0..7 {
        story.removed.0.insert(format!("s-{stream}"), 3);
    }
    story
}

fn scavenge_all(story: &Story) -> Result<Reclaimed, LogError> {
    let (reader, _) = story.log.as_ref().expect("a log");
    let is_removed = |event: &RecordedEvent| story.removed.covers(event);
    let go_on = |_: &Reclaimed| true;
    reader.scavenge(&Scavenge { is_removed: &is_removed, least_percent: 0, dry_run: false, go_on: &go_on })
}

fn problems(story: &Story) -> Vec<String> {
    let mut problems = Vec::new();
    verify(&*story.tiers(), &mut |problem| problems.push(problem.to_string())).expect("verified");
    problems
}

fn bytes_of_segments(story: &Story) -> u64 {
    let names = story.disk.names().expect("names");
    let segments = names.iter().filter(|name| name.ends_with(".log"));
    segments.map(|name| story.disk.open(name).and_then(|file| file.size()).expect("a size")).sum()
}

#[test]
fn power_that_fails_at_any_operation_of_a_scavenge_loses_nothing() {
    let mut operations = 0;
    for seed in 0..4 {
        for at in 0.. {
            let mut story = several_with_removals(seed);
            story.trace.push(format!("the power fails at operation {at} of a scavenge"));
            story.disk.fail_at(story.disk.operations() + at, Fault::Stops);
            let ended = scavenge_all(&story).is_ok();
            let late = ended && story.disk.names().is_ok();
            story.log = None;
            story.disk = if seed % 2 == 0 { story.disk.crash() } else { story.disk.kill() };
            story.open();
            assert_eq!(problems(&story), [""; 0], "seed {seed}, operation {at}");
            scavenge_all(&story).expect("scavenged");
            story.check();
            story.check_nothing_is_left();
            if late {
                operations += at;
                break;
            }
        }
    }
    assert!(operations > 100, "{operations} operations");
}

#[test]
fn scavenging_gives_bytes_back_and_keeps_every_position() {
    let mut story = several_with_removals(1);
    let before = bytes_of_segments(&story);
    let reclaimed = scavenge_all(&story).expect("scavenged");
    assert!(reclaimed.events > 0 && reclaimed.rewritten > 2 && !reclaimed.stopped, "{reclaimed:?}");
    assert_eq!(bytes_of_segments(&story), before - reclaimed.bytes_reclaimed);
    story.check();
    assert_eq!(problems(&story), [""; 0]);
    for _ in 0..40 {
        story.commit();
    }
    story.reopen();
    assert_eq!(problems(&story), [""; 0]);
}

#[test]
fn readers_go_on_with_what_they_hold_while_a_segment_is_replaced() {
    let story = several_with_removals(2);
    let (reader, _) = story.log.as_ref().expect("a log");
    let held = Arc::clone(&reader.shared.segments.read()[0]);
    let opened = held.open(&*reader.shared.disk).expect("open");
    scavenge_all(&story).expect("scavenged");
    held.close();
    let again = held.open(&*reader.shared.disk).expect("still open");
    assert!(Arc::ptr_eq(&opened.file, &again.file), "the old file, though its name is another's");
    let now = Arc::clone(&reader.shared.segments.read()[0]);
    assert!(!Arc::ptr_eq(&held, &now));
    assert!(now.header.scavenged.is_some() && now.end() < held.end());
}

#[test]
fn a_reader_that_opens_an_old_segment_too_late_is_given_the_old_file() {
    let story = several_with_removals(2);
    let (reader, _) = story.log.as_ref().expect("a log");
    let held = Arc::clone(&reader.shared.segments.read()[0]);
    held.close();
    scavenge_all(&story).expect("scavenged");
    let opened = held.open(&*reader.shared.disk).expect("pinned");
    let size = opened.file.size().expect("a size");
    assert!(size >= held.end(), "{size} bytes of {}", held.end());
}

#[test]
fn a_segment_whose_replacement_failed_can_be_closed_again() {
    let story = several_with_removals(2);
    let (reader, _) = story.log.as_ref().expect("a log");
    let held = Arc::clone(&reader.shared.segments.read()[0]);
    story.disk.fail_next(Operation::Rename, 0, Fault::Fails(Cause::Io));
    assert!(matches!(scavenge_all(&story), Err(LogError::Disk { operation: "naming", .. })));
    assert!(Arc::ptr_eq(&held, &reader.shared.segments.read()[0]), "it was not replaced");
    held.close();
    assert!(held.opened().is_none(), "its name is its own still");
    story.check();
    story.lift_faults();
    scavenge_all(&story).expect("scavenged");
    held.close();
    assert!(held.opened().is_some(), "its name is another's now");
    story.check();
}

#[test]
fn scavenged_segments_keep_their_indexes() {
    let mut story = several_with_removals(3);
    scavenge_all(&story).expect("scavenged");
    story.log = None;
    let opened = open(story.tiers(), story.options()).expect("a log");
    assert_eq!(opened.report.indexed, 0, "no segment is read to index it anew");
    drop(opened);
    for name in story.disk.names().expect("names").iter().filter(|name| !name.ends_with(".log")) {
        story.disk.remove(name).expect("removed");
    }
    story.open();
    story.check();
}

#[test]
fn a_dry_run_tells_what_a_scavenge_then_does() {
    let story = several_with_removals(4);
    let before = bytes_of_segments(&story);
    let (reader, _) = story.log.as_ref().expect("a log");
    let is_removed = |event: &RecordedEvent| story.removed.covers(event);
    let go_on = |_: &Reclaimed| true;
    let mut how = Scavenge { is_removed: &is_removed, least_percent: 0, dry_run: true, go_on: &go_on };
    let told = reader.scavenge(&how).expect("told");
    assert_eq!(bytes_of_segments(&story), before);
    how.dry_run = false;
    let done = reader.scavenge(&how).expect("done");
    assert_eq!((told.rewritten, told.events), (done.rewritten, done.events));
    assert_eq!(told.bytes_reclaimed, done.bytes_reclaimed);
    assert_eq!((told.bytes_written, done.bytes_written > 0), (0, true));
}

#[test]
fn a_scavenged_segment_that_was_cut_or_lost_is_damage_and_no_hole() {
    let story = several_with_removals(5);
    scavenge_all(&story).expect("scavenged");
    let name = "000000000002.log";
    let file = story.disk.open(name).expect("a segment");
    let size = file.size().expect("a size");
    file.set_size(size - 1).expect("cut");
    assert!(problems(&story)[0].contains("cut short"), "{:?}", problems(&story));
    story.disk.remove(name).expect("removed");
    assert!(problems(&story)[0].contains("is missing; bring it back"), "{:?}", problems(&story));
}

#[test]
fn a_log_that_lost_what_came_after_a_scavenged_segment_is_refused() {
    let mut story = several_with_removals(6);
    scavenge_all(&story).expect("scavenged");
    story.log = None;
    for name in story.disk.names().expect("names") {
        if !matches!(name.as_str(), "000000000001.log" | "000000000002.log") {
            story.disk.remove(&name).expect("removed");
        }
    }
    let refusal = refusal(&story);
    assert!(refusal.contains("a segment came after it, and it is missing"), "{refusal}");
    assert!(problems(&story)[0].contains("a segment came after it"), "{:?}", problems(&story));
}

fn archive_all(story: &Story) -> Result<Archived, LogError> {
    let (reader, _) = story.log.as_ref().expect("a log");
    reader.archive(&Archive { before: Timestamp::from_micros(i64::MAX), go_on: &|_: &Archived| true })
}

#[test]
fn power_that_fails_at_any_operation_of_an_archiving_loses_nothing() {
    let mut operations = 0;
    for seed in 0..4 {
        for at in 0.. {
            let mut story = several_with_removals(seed);
            story.trace.push(format!("the power fails at operation {at} of an archiving"));
            let disk = if seed < 2 { &story.disk } else { &story.archive };
            disk.fail_at(disk.operations() + at, Fault::Stops);
            let ended = archive_all(&story).is_ok();
            story.log = None;
            (story.disk, story.archive) = if seed % 2 == 0 {
                (story.disk.crash(), story.archive.crash())
            } else {
                (story.disk.kill(), story.archive.kill())
            };
            story.open();
            assert_eq!(problems(&story), [""; 0], "seed {seed}, operation {at}");
            archive_all(&story).expect("archived");
            scavenge_all(&story).expect("scavenged");
            story.check();
            if ended {
                operations += at;
                break;
            }
        }
    }
    assert!(operations > 60, "{operations} operations");
}

#[test]
fn archived_segments_are_read_verified_and_scavenged_where_they_are() {
    let mut story = several_with_removals(7);
    let archived = archive_all(&story).expect("archived");
    assert_eq!((archived.moved, archived.archived), (archived.segments, archived.segments));
    let near = story.disk.names().expect("names");
    assert!(!near.contains(&"000000000001.log".to_owned()), "{near:?}");
    story.check();
    scavenge_all(&story).expect("scavenged");
    let near = story.disk.names().expect("names");
    assert!(!near.contains(&"000000000001.log".to_owned()), "back in the archive: {near:?}");
    story.reopen();
    assert_eq!(problems(&story), [""; 0]);

    let file = story.archive.open("000000000001.log").expect("archived");
    let size = file.size().expect("a size");
    story.archive.flip("000000000001.log", size / 2, 3).expect("a byte");
    assert!(problems(&story)[0].contains("a checksum does not match"), "{:?}", problems(&story));
}

#[test]
fn a_log_without_its_archive_is_refused_and_one_in_the_archive_of_another_too() {
    let mut story = several_with_removals(8);
    archive_all(&story).expect("archived");
    story.log = None;
    let alone = open(Arc::new(story.disk.clone()), story.options()).expect_err("a refusal").to_string();
    assert!(alone.contains("000000000001.log is missing") || alone.contains("missing; bring"), "{alone}");

    let mut other = several_with_removals(9);
    other.log = None;
    other.archive = story.archive.clone();
    other.open();
    let refused = archive_all(&other).expect_err("not its archive").to_string();
    assert!(refused.contains("of another log, or of a copy of this one"), "{refused}");
}

#[test]
fn a_scavenger_that_takes_what_was_not_removed_is_caught() {
    let mut story = several_with_removals(10);
    scavenge_all(&story).expect("scavenged");
    story.check();
    for before in story.removed.0.values_mut() {
        *before = 1;
    }
    assert!(matches!(story.compare(), Err(Wrong::Differs(_))));
}
