//! Stories of a folder that lost files, of a segment whose sync failed, and of damaged indexes.

use super::*;
use crate::verify::verify;

/// Makes a log of several segments, closed in order.
fn several_segments() -> Story {
    let mut story = Story::begin(5);
    story.open();
    while story.disk.names().expect("names").iter().filter(|name| name.ends_with(".log")).count() < 4 {
        story.commit();
    }
    let (_, mut appender) = story.log.take().expect("a log");
    appender.close();
    story
}

pub(super) fn refusal(story: &Story) -> String {
    open(story.tiers(), story.options()).expect_err("a refusal").to_string()
}

#[test]
fn a_folder_without_its_newest_segment_is_refused() {
    let story = several_segments();
    let names = story.disk.names().expect("names");
    let newest = names.iter().rfind(|name| name.ends_with(".log")).expect("a segment");
    story.disk.remove(newest).expect("removed");
    let refusal = refusal(&story);
    assert!(refusal.contains("it is missing; bring it back"), "{refusal}");
}

#[test]
fn a_folder_without_a_segment_in_the_middle_is_refused() {
    let story = several_segments();
    story.disk.remove("000000000002.log").expect("removed");
    let refusal = refusal(&story);
    assert!(refusal.contains("000000000002.log is missing; bring it back"), "{refusal}");
}

#[test]
fn a_newest_segment_that_lost_what_it_took_over_is_damage_to_whoever_looks() {
    let story = several_segments();
    let names = story.disk.names().expect("names");
    let newest = names.iter().rfind(|name| name.ends_with(".log")).expect("a segment");
    // The header alone is left.
    story.disk.open(newest).and_then(|file| file.set_size(128)).expect("cut");
    let mut problems = Vec::new();
    verify(&*story.tiers(), &mut |problem| problems.push(problem.to_string())).expect("verified");
    assert_eq!(problems.len(), 1, "{problems:?}");
    let found = extent(&*story.tiers(), false).expect_err("damage").to_string();
    for told in [&problems[0], &found, &refusal(&story)] {
        assert!(told.contains("damaged at byte 128: the segment ends early"), "{told}");
    }
}

#[test]
fn an_archive_whose_folder_is_gone_is_not_taken_for_a_log() {
    let mut story = several_segments();
    story.open();
    while story.archive.names().expect("names").is_empty() {
        story.move_away();
    }
    story.log = None;
    let before = story.archive.names().expect("names");
    story.disk = SimulatedDisk::new(99);
    let refusal = refusal(&story);
    assert!(refusal.contains("bring the folder of the log back"), "{refusal}");
    assert!(extent(&*story.tiers(), false).is_err());
    assert_eq!(story.archive.names().expect("names"), before);
}

#[test]
fn a_folder_with_indexes_and_no_segment_is_refused() {
    let story = several_segments();
    for name in story.disk.names().expect("names").iter().filter(|name| name.ends_with(".log")) {
        story.disk.remove(name).expect("removed");
    }
    let refusal = refusal(&story);
    assert!(refusal.contains("but no segment is"), "{refusal}");
}

#[test]
fn indexes_that_are_gone_are_made_again() {
    let mut story = several_segments();
    for name in story.disk.names().expect("names").iter().filter(|name| !name.ends_with(".log")) {
        story.disk.remove(name).expect("removed");
    }
    story.open();
    story.check();
}

#[test]
fn a_log_whose_disk_turns_read_only_reads_on_and_writes_again_once_it_recovers() {
    let mut story = several_segments();
    story.open();
    story.commit();
    let before = story.stats;
    // A row of numbers by which the power does not fail meanwhile.
    story.dice = Dice(3);
    story.disk.set_read_only(true);
    for _ in 0..5 {
        story.commit();
        // What nobody was told of is not there, as far as readers know.
        story.check();
    }
    let refused = |stats: Stats| stats.refused + stats.indeterminate;
    assert_eq!((story.stats.commits, refused(story.stats)), (before.commits, refused(before) + 5));
    story.disk.set_read_only(false);
    story.commit();
    assert_eq!(story.stats.commits, before.commits + 1, "{:?}", story.trace.last());
    story.check();
    story.reopen();
    story.check();
}

#[test]
fn a_segment_whose_sync_failed_is_never_written_to_again_not_even_when_the_log_is_closed() {
    let mut story = Story::begin(5);
    story.open();
    while story.known.heads() == Heads::default() {
        story.commit();
    }
    story.disk.fail_next(Operation::Sync, 0, Fault::Fails(Cause::Io));
    while story.stats.indeterminate == 0 {
        story.commit();
    }
    let names = story.disk.names().expect("names");
    let newest = names.iter().rfind(|name| name.ends_with(".log")).expect("a segment");
    let segment = story.disk.open(newest).expect("the segment");
    let bytes = || {
        let mut bytes = vec![0; segment.size().expect("a size") as usize];
        segment.read_exact_at(0, &mut bytes).expect("bytes");
        bytes
    };
    let before = bytes();
    let (_, mut appender) = story.log.take().expect("a log");
    appender.close();
    assert!(before.starts_with(&bytes()), "closing wrote to it");
    story.open();
}

/// Flips a bit in every block of every index.
fn damage_indexes(disk: &SimulatedDisk) {
    for name in disk.names().expect("names").iter().filter(|name| name.ends_with(".index")) {
        let size = disk.open(name).and_then(|file| file.size()).expect("a size");
        // What stands behind the blocks is in memory already.
        for at in (0..size - 4096).step_by(4096) {
            disk.flip(name, at + 50, 3).expect("a byte");
        }
    }
}

#[test]
fn damaged_indexes_leave_nothing_out_and_are_made_again_while_the_log_is_open() {
    let mut story = several_segments();
    story.open();
    damage_indexes(&story.disk);
    let (reader, _) = story.log.as_ref().expect("a log");
    let (hasher, index) = (reader.hasher(), reader.index());
    for event in story.known.events.iter().flatten() {
        let (mut terms, mut places) = (Vec::new(), Vec::new());
        hasher.of_recorded(event, &mut terms);
        for term in terms {
            let mut found = Vec::new();
            let range = (1, u64::MAX);
            index
                .positions((event.log(), term), range, true, 1000, Patience::Wait, &mut found)
                .expect("read");
            assert!(found.contains(&event.position().0), "{found:?}");
            assert!(index.newest(term, Patience::Wait).expect("read").is_some());
        }
        index.ids(id_key(event.id()), Patience::Wait, &mut places).expect("read");
        assert!(places.contains(&(event.log(), event.position().0)), "{places:?}");
    }
    let made_again = |story: &Story| story.log.as_ref().expect("a log").0.condition().indexes_made_again;
    assert_eq!(made_again(&story), 0);
    story.commit();
    assert!(made_again(&story) > 1);
    // From here on they leave nothing out and add nothing.
    story.check();
    story.reopen();
    story.check();
}

#[test]
fn a_merge_that_meets_damage_makes_the_index_again() {
    let mut story = Story::begin(5);
    story.open();
    for _ in 0..400 {
        story.commit();
        if story.stats.commits.is_multiple_of(7) {
            damage_indexes(&story.disk);
        }
    }
    damage_indexes(&story.disk);
    // A comparison ends at the first index that it meets damaged, and the commit after it has that one made again.
    let mut met = 0;
    while matches!(story.compare(), Err(Wrong::Differs(_))) {
        met += 1;
        assert!(met < 100, "indexes are not made again");
        story.commit();
    }
    story.check();
    assert!(met > 0, "the last damage was not met");
}
