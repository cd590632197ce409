//! Scavenging beside writers and readers, and what becomes of marks.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use ledgerstone_core::{
    Heads, LogKind, Mark, MarkName, Position, RecordedEvent, Tenant, TenantScope, Timestamp,
};

use crate::appender::Appender;
use crate::disk::Disk;
use crate::log::{LogReader, Opened, open};
use crate::one_stream::{append, options};
use crate::page::Page;
use crate::reader::Patience;
use crate::scavenge::{Reclaimed, Scavenge};
use crate::simulated_disk::SimulatedDisk;

fn opened(disk: &SimulatedDisk) -> (LogReader, Appender) {
    let Opened { reader, appender, .. } = open(Arc::new(disk.clone()), options()).expect("a log");
    (reader, appender)
}

fn swap(appender: &mut Appender, name: &str, at: i64, expires_at: Option<i64>) {
    let name = MarkName::new(name).expect("a name");
    let mark = Mark {
        tenant: Tenant::default(),
        name: name.clone(),
        version: at.cast_unsigned() + 1,
        number: 0,
        value: vec![b'v'; 200].into(),
        expires_at: expires_at.map(Timestamp::from_micros),
    };
    appender.begin();
    appender.end(&Tenant::default(), vec![(name, Some(mark))], Timestamp::from_micros(at));
    appender.commit().expect("committed");
}

fn scavenge(
    reader: &LogReader,
    is_removed: &dyn Fn(&RecordedEvent) -> bool,
    go_on: &dyn Fn(&Reclaimed) -> bool,
) -> Reclaimed {
    let how = Scavenge { is_removed, least_percent: 0, dry_run: false, go_on };
    reader.scavenge(&how).expect("scavenged")
}

fn stubs(reader: &LogReader) -> Vec<bool> {
    let head = reader.heads().application.0;
    let stub = |position| {
        let mut page = Page::new(1, 1);
        let there = reader.read(LogKind::Application, Position(position), &mut page, Patience::Wait);
        assert!(there.expect("read"), "position {position}");
        page.finish()[0].is_stub()
    };
    (1..=head).map(stub).collect()
}

/// Returns the names of the segments whose files hold a text.
fn holding(disk: &SimulatedDisk, text: &str) -> Vec<String> {
    let mut names = disk.names().expect("names");
    names.retain(|name| {
        let file = disk.open(name).expect("a file");
        let mut bytes = vec![0; file.size().expect("a size") as usize];
        file.read_exact_at(0, &mut bytes).expect("read");
        bytes.windows(text.len()).any(|window| window == text.as_bytes())
    });
    names
}

#[test]
fn a_log_is_written_and_read_in_the_middle_of_a_scavenge() {
    let disk = SimulatedDisk::new(1);
    let (reader, mut appender) = opened(&disk);
    (0..40).for_each(|_| append(&reader, &mut appender));
    let (appender, told) = (RefCell::new(appender), Cell::new(0_u64));
    let go_on = |_: &Reclaimed| {
        append(&reader, &mut appender.borrow_mut());
        told.set(told.get() + 1);
        assert_eq!(stubs(&reader).len() as u64, 40 + told.get());
        true
    };
    let reclaimed = scavenge(&reader, &|event| event.position().0.is_multiple_of(2), &go_on);
    assert!(told.get() > 20, "asked {} times", told.get());
    assert_eq!(reclaimed.looked_at, reclaimed.segments);
    let found = stubs(&reader);
    let (even, odd): (Vec<_>, Vec<_>) = found.iter().enumerate().partition(|(at, _)| !at.is_multiple_of(2));
    assert_eq!(even.iter().filter(|(_, stub)| **stub).count() as u64, reclaimed.events);
    assert!(odd.iter().all(|(_, stub)| !**stub));
    drop(appender);
    let (reader, _) = opened(&disk);
    assert_eq!(stubs(&reader), found, "after opening it again");
    assert_eq!(reader.heads(), Heads { application: Position(40 + told.get()), system: Position(0) });
}

#[test]
fn marks_that_expired_vanish_with_the_segments_that_they_stand_in() {
    let disk = SimulatedDisk::new(2);
    let (reader, mut appender) = opened(&disk);
    swap(&mut appender, "lasting", 0, None);
    swap(&mut appender, "passing", 1, Some(5));
    // Nothing but marks, and no event to tell the time by.
    (2..30).for_each(|at| swap(&mut appender, "other", at, None));
    let names = |reader: &LogReader| {
        let marks = reader.shared.state.read().marks(&TenantScope::All, "", Timestamp::from_micros(0));
        marks.into_iter().map(|mark| mark.name.as_str().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(&reader), ["lasting", "other"], "even to who thinks that it is early");
    let (lasting, passing) = (holding(&disk, "lasting"), holding(&disk, "passing"));
    assert!(lasting.len() > 20, "each segment takes it over: {lasting:?}");
    assert!((1..8).contains(&passing.len()), "until it has expired: {passing:?}");

    let reclaimed = scavenge(&reader, &|_| false, &|_| true);
    assert!(reclaimed.bytes_reclaimed > 0 && reclaimed.events == 0, "{reclaimed:?}");
    assert_eq!(holding(&disk, "passing"), [""; 0]);
    assert_eq!(holding(&disk, "lasting").len(), 1, "the newest has it");
    drop(appender);
    let (reader, appender) = opened(&disk);
    assert_eq!(names(&reader), ["lasting", "other"]);
    assert!(appender.retired() >= 2, "the version of a mark never comes back");
}

#[test]
fn a_scavenge_that_is_not_worth_it_writes_nothing() {
    let disk = SimulatedDisk::new(3);
    let (reader, mut appender) = opened(&disk);
    (0..40).for_each(|_| append(&reader, &mut appender));
    let how = Scavenge {
        is_removed: &|event| event.position().0 == 3,
        least_percent: 30,
        dry_run: false,
        go_on: &|_| true,
    };
    let reclaimed = reader.scavenge(&how).expect("scavenged");
    assert_eq!((reclaimed.rewritten, reclaimed.bytes_written, reclaimed.events), (0, 0, 0));
    assert!(reclaimed.bytes_read >= reclaimed.bytes, "{reclaimed:?}");
}

#[test]
fn two_scavenges_wait_for_each_other() {
    let disk = SimulatedDisk::new(4);
    let (reader, mut appender) = opened(&disk);
    (0..60).for_each(|_| append(&reader, &mut appender));
    let removed = |event: &RecordedEvent| !event.position().0.is_multiple_of(3);
    let done: Vec<Reclaimed> = std::thread::scope(|scope| {
        let one = || scavenge(&reader, &removed, &|_| true);
        let threads: Vec<_> = (0..3).map(|_| scope.spawn(one)).collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    });
    assert_eq!(done.iter().filter(|reclaimed| reclaimed.rewritten > 0).count(), 1, "{done:?}");
    assert!(stubs(&reader).iter().filter(|stub| **stub).count() > 20);
}
