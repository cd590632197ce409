//! Life stories of a log on a disk that tears, fails and loses power: whatever happens, what was acknowledged
//! is there, what was refused is not, and nothing is there in part.
//!
//! `LEDGERSTONE_STORIES` says how many seeds are told, `LEDGERSTONE_FIRST_STORY` the first of them.

mod scavenging;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ledgerstone_core::{
    EncodedEvent, EventData, EventType, Heads, IdSource, LogKind, Mark, MarkName, Position, RecordedEvent,
    Revision, Stamp, StreamId, Tenant, TenantScope, Timestamp,
};
use parking_lot::Mutex;
use uuid::Uuid;

use crate::appender::{Appender, CommitError};
use crate::disk::Disk;
use crate::extent::extent;
use crate::failure::LogError;
use crate::group::NewEvent;
use crate::indexing::Indexing;
use crate::log::{LogReader, Opened, open};
use crate::page::Page;
use crate::reader::Patience;
use crate::shared::Options;
use crate::simulated_disk::{Cause, Fault, Operation, SimulatedDisk};
use crate::tail::Entry;
use crate::terms::{TermHasher, id_key};
use crate::tiered_disk::TieredDisk;
use crate::watermark::Watermark;

/// Numbers that look random and come back for the same seed (SplitMix64, Steele et al. 2014).
#[derive(Debug)]
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, most: u64) -> u64 {
        self.next() % most
    }

    fn one_in(&mut self, odds: u64) -> bool {
        self.below(odds) == 0
    }
}

#[derive(Debug)]
struct DiceIds(Mutex<Dice>);

impl IdSource for DiceIds {
    fn next_id(&self) -> Uuid {
        let mut dice = self.0.lock();
        Uuid::from_u64_pair(dice.next(), dice.next())
    }
}

/// What must be there.
#[derive(Debug, Default, Clone)]
struct Known {
    events: [Vec<RecordedEvent>; 2],
    marks: BTreeMap<String, u64>,
}

/// A batch as it was put.
#[derive(Debug, Clone)]
struct Put {
    events: Vec<RecordedEvent>,
    marks: Vec<(String, Option<u64>)>,
}

impl Known {
    fn take(&mut self, put: &Put) {
        for event in &put.events {
            self.events[event.log() as usize].push(event.clone());
        }
        for (name, version) in &put.marks {
            match version {
                Some(version) => self.marks.insert(name.clone(), *version),
                None => self.marks.remove(name),
            };
        }
    }

    fn heads(&self) -> Heads {
        let head = |log: LogKind| Position(self.events[log as usize].len() as u64);
        Heads { application: head(LogKind::Application), system: head(LogKind::System) }
    }
}

/// A story in progress.
pub(crate) struct Story {
    seed: u64,
    dice: Dice,
    disk: SimulatedDisk,
    /// Where closed segments may be moved.
    archive: SimulatedDisk,
    log: Option<(LogReader, Appender)>,
    known: Known,
    /// The batches of the newest group if nobody was told what became of it.
    uncertain: Vec<Put>,
    /// Below which revision streams have lost their events.
    removed: Removed,
    trace: Vec<String>,
    ids: Arc<DiceIds>,
    stats: Stats,
}

/// Below which revision streams have lost their events.
#[derive(Debug, Default, Clone)]
struct Removed(BTreeMap<String, u64>);

impl Removed {
    fn covers(&self, event: &RecordedEvent) -> bool {
        let before = event.stream().and_then(|stream| self.0.get(stream));
        event.log() == LogKind::Application
            && before.zip(event.revision()).is_some_and(|(before, revision)| revision.0 < *before)
    }

    /// Returns what may be found of events: where one was removed, it or its stub.
    fn expect(&self, events: &[RecordedEvent], found: &[RecordedEvent]) -> Vec<RecordedEvent> {
        let stubs = found.iter().map(RecordedEvent::is_stub).chain(std::iter::repeat(false));
        let expected = events
            .iter()
            .zip(stubs)
            .map(|(event, is_stub)| if is_stub && self.covers(event) { event.stub() } else { event.clone() });
        expected.collect()
    }
}

#[derive(Debug, Default, Clone, Copy)]
struct Stats {
    moved: u64,
    scavenged: u64,
    stubs: u64,
    broken_scavenges: u64,
    commits: u64,
    crashes: u64,
    refused: u64,
    indeterminate: u64,
    cuts: u64,
    frozen: u64,
    /// How often reads began to return less than was asked for.
    shortened: u64,
}

impl Story {
    pub(crate) fn begin(seed: u64) -> Self {
        let ids = Arc::new(DiceIds(Mutex::new(Dice(seed ^ 0xABCD))));
        Self {
            seed,
            dice: Dice(seed),
            disk: SimulatedDisk::new(seed),
            archive: SimulatedDisk::new(seed ^ 0x77),
            log: None,
            known: Known::default(),
            uncertain: Vec::new(),
            removed: Removed::default(),
            trace: Vec::new(),
            ids,
            stats: Stats::default(),
        }
    }

    fn tiers(&self) -> Arc<dyn Disk> {
        Arc::new(TieredDisk::new(Arc::new(self.disk.clone()), Arc::new(self.archive.clone())))
    }

    fn lift_faults(&self) {
        self.disk.lift_faults();
        self.archive.lift_faults();
    }

    pub(crate) fn options(&self) -> Options {
        let mut options = Options::new(Arc::clone(&self.ids) as Arc<dyn IdSource>);
        options.segment_bytes = 700 + self.seed % 5 * 900;
        options.places_bytes = 200;
        options.background = false;
        options
    }

    fn fail(&self, what: impl std::fmt::Display) -> ! {
        panic!("story {}: {what}\n{}", self.seed, self.trace.join("\n"));
    }

    /// Compares everything that can be read with what must be there.
    fn check(&self) {
        match self.compare() {
            Ok(()) => {}
            Err(Wrong::Differs(what)) => self.fail(what),
            Err(Wrong::Unread(error)) => self.fail(error),
        }
    }

    /// Opens the log; faults that were planned may make it fail, and then it is tried without.
    pub(crate) fn open(&mut self) {
        self.log = None;
        for attempt in 0..3 {
            match open(self.tiers(), self.options()) {
                Ok(Opened { reader, appender, report }) => {
                    self.stats.cuts += u64::from(report.cut.is_some());
                    self.trace.push(format!("opened: {report:?}"));
                    self.log = Some((reader, appender));
                    break;
                }
                Err(error) => {
                    self.trace.push(format!("opening failed ({attempt}): {error}"));
                    self.lift_faults();
                }
            }
        }
        if self.log.is_none() {
            self.fail("the log does not open");
        }
        self.settle_uncertain();
        self.check();
    }

    /// Finds out what became of the batches that nobody was told about: the first few of them are there.
    fn settle_uncertain(&mut self) {
        let Some((reader, _)) = &self.log else { return };
        let heads = reader.heads();
        let mut known = self.known.clone();
        let mut uncertain = std::mem::take(&mut self.uncertain).into_iter();
        while known.heads() != heads {
            match uncertain.next() {
                Some(put) => known.take(&put),
                None => self.fail(format!("heads {heads:?}, and {:?} was acknowledged", self.known.heads())),
            }
        }
        // Batches of marks alone move no head: as many of them as the marks show.
        for put in uncertain {
            if !put.events.is_empty() || self.marks_now() == known.marks {
                break;
            }
            known.take(&put);
        }
        self.known = known;
    }

    fn marks_now(&self) -> BTreeMap<String, u64> {
        let Some((reader, _)) = &self.log else { return BTreeMap::new() };
        marks_of(reader)
    }

    /// Returns the disk, which others may read too.
    pub(crate) fn disk(&self) -> Arc<dyn Disk> {
        self.tiers()
    }

    /// Tells others how far the log is durable.
    pub(crate) fn publish(&mut self) {
        if let Some((_, appender)) = &mut self.log {
            appender.publish();
        }
    }

    /// Compares what another reader of the disk sees with what must be there.
    pub(crate) fn check_read(&self, reader: &LogReader) {
        match self.compare_with(reader) {
            Ok(()) => {}
            Err(Wrong::Differs(what)) => self.fail(what),
            Err(Wrong::Unread(error)) => self.fail(error),
        }
    }

    fn compare(&self) -> Result<(), Wrong> {
        self.log.as_ref().map_or(Ok(()), |(reader, _)| self.compare_with(reader))
    }

    fn compare_with(&self, reader: &LogReader) -> Result<(), Wrong> {
        differ("heads", &reader.heads(), &self.known.heads())?;
        differ("marks", &marks_of(reader), &self.known.marks)?;
        for log in [LogKind::Application, LogKind::System] {
            let known = &self.known.events[log as usize];
            let found = read_all(reader, log, true)?;
            let expected = self.removed.expect(known, &found);
            differ("events", &found, &expected)?;
            let mut backwards = read_all(reader, log, false)?;
            backwards.reverse();
            differ("events backwards", &backwards, &expected)?;
            compare_index(reader, known, &self.removed)?;
        }
        Ok(())
    }

    /// Puts a group of batches and commits it.
    pub(crate) fn commit(&mut self) {
        let Some((reader, mut appender)) = self.log.take() else { return };
        if let Err(error) = appender.ready() {
            self.trace.push(format!("not ready: {error}"));
            self.stats.refused += 1;
            self.log = Some((reader, appender));
            return;
        }
        let mut known = self.known.clone();
        let mut group = Vec::new();
        for _ in 0..=self.dice.below(4) {
            let put = self.put(&mut appender, &known, reader.hasher());
            known.take(&put);
            group.push(put);
        }
        let committed = appender.commit();
        if !self.seed.is_multiple_of(4) {
            appender.publish();
        }
        self.check_watermark(&reader);
        self.log = Some((reader, appender));
        match committed {
            Ok(()) => {
                self.stats.commits += 1;
                self.known = known;
                self.uncertain.clear();
                self.trace.push(format!("committed up to {:?}", self.known.heads()));
            }
            Err(CommitError::Refused(error)) => {
                self.stats.refused += 1;
                self.trace.push(format!("refused: {error}"));
            }
            Err(CommitError::Indeterminate(error)) => {
                self.stats.indeterminate += 1;
                self.trace.push(format!("indeterminate: {error}"));
                self.uncertain = group;
                if self.dice.one_in(3) {
                    self.lose_power();
                }
            }
        }
    }

    /// Holds what others are told to what is durable, and what they find to it.
    fn check_watermark(&self, reader: &LogReader) {
        let disk = self.disk();
        let told = Watermark::read(&*disk).unwrap_or_else(|error| self.fail(error));
        let Some(told) = told else { return };
        if crate::segment::later(told.heads, reader.heads()) != reader.heads() {
            self.fail(format!("{told:?}, and {:?} is durable", reader.heads()));
        }
        match extent(&*disk, true) {
            Ok(Some(extent)) if extent.heads == told.heads && extent.log == told.log => {}
            other => self.fail(format!("{told:?}, and there is {other:?}")),
        }
    }

    fn put(&mut self, appender: &mut Appender, known: &Known, hasher: TermHasher) -> Put {
        let tenant = Tenant::new(["", "t"][self.dice.below(2) as usize]).expect("a tenant");
        let count = self.dice.below(5);
        let events: Vec<_> = (0..count).map(|_| self.event()).collect();
        let mut put = Put { events: Vec::new(), marks: Vec::new() };
        appender.begin();
        let mut next = known.heads();
        let mut indexing = Indexing { hasher, terms: Vec::new() };
        for (stream, event) in events {
            let log = event.log();
            next.set(log, next.of(log).next());
            let before = known.events[log as usize].iter().chain(&put.events);
            let revision = before
                .filter(|held| {
                    held.log() == log
                        && held.tenant() == tenant.as_str()
                        && held.stream() == Some(stream.as_str())
                })
                .count() as u64;
            let mut encoded = EncodedEvent::new(&tenant, Some(&stream), &event, true, true);
            let recorded_at = Timestamp::from_micros(next.of(log).0.cast_signed());
            encoded.stamp(Stamp { position: next.of(log), revision: Revision(revision), recorded_at });
            let recorded = encoded.clone().into_recorded();
            indexing.terms.clear();
            indexing.hasher.of_recorded(&recorded, &mut indexing.terms);
            let term = indexing.hasher.stream(log, tenant.as_str(), stream.as_str());
            let entry = Entry {
                log,
                position: recorded.position(),
                id_key: id_key(recorded.id()),
                stream: Some((term, revision)),
                terms: &indexing.terms,
            };
            appender.event(NewEvent { entry, record: encoded.as_bytes() });
            put.events.push(recorded);
        }
        let mut marks = Vec::new();
        if self.dice.one_in(3) {
            let name = format!("m{}", self.dice.below(6));
            let version = (!self.dice.one_in(4)).then(|| 1 + self.dice.below(1000));
            let name_of = MarkName::new(name.clone()).expect("a name");
            let mark = version.map(|version| Mark {
                tenant: tenant.clone(),
                name: name_of.clone(),
                version,
                number: 0,
                value: bytes::Bytes::from(vec![7; self.dice.below(40) as usize]),
                expires_at: None,
            });
            // One tenant's marks are enough for the model.
            if tenant.as_str().is_empty() {
                marks.push((name_of, mark));
                put.marks.push((name, version));
            }
        }
        appender.end(
            &tenant,
            marks,
            Timestamp::from_micros(next.application.max(next.system).0.cast_signed()),
        );
        put
    }

    fn event(&mut self) -> (StreamId, EventData) {
        let stream = StreamId::new(format!("s-{}", self.dice.below(7))).expect("a stream");
        let kind = ["Made", "Moved", "$noted"][self.dice.below(3) as usize];
        let payload = vec![b'x'; self.dice.below(90) as usize];
        (stream, EventData::json(self.ids.next_id(), EventType::new(kind).expect("a type"), payload))
    }

    fn step(&mut self) {
        match self.dice.below(22) {
            0 => self.lose_power(),
            1 => {
                self.trace.push("the process is killed".to_owned());
                self.log = None;
                self.disk = self.disk.kill();
                self.archive = self.archive.kill();
                self.open();
            }
            2 => self.reopen(),
            3 | 4 => self.plan_fault(),
            5 => self.lift_faults(),
            6 => self.check(),
            7 => self.remove(),
            8 | 9 => self.scavenge(),
            10 => self.move_away(),
            _ => self.commit(),
        }
    }

    fn lose_power(&mut self) {
        self.trace.push("the power fails".to_owned());
        self.stats.crashes += 1;
        self.log = None;
        self.disk = self.disk.crash();
        self.archive = self.archive.crash();
        self.open();
    }

    fn reopen(&mut self) {
        if let Some((_, mut appender)) = self.log.take() {
            appender.close();
        }
        self.trace.push("closed".to_owned());
        self.open();
    }

    fn plan_fault(&mut self) {
        use Operation::{Create, Read, Rename, SetSize, Sync, SyncNames, Write};
        if self.dice.one_in(6) {
            self.trace.push("the disk turns read-only".to_owned());
            self.stats.frozen += 1;
            self.disk.set_read_only(true);
            return;
        }
        if self.dice.one_in(6) {
            self.trace.push("reads fall short".to_owned());
            self.stats.shortened += 1;
            self.disk.fail_often(Read, 3, Fault::Short);
            self.archive.fail_often(Read, 3, Fault::Short);
            return;
        }
        let operation = [Write, Sync, Create, Rename, SetSize, SyncNames][self.dice.below(6) as usize];
        let cause = [Cause::Io, Cause::Full][self.dice.below(2) as usize];
        let fault =
            [Fault::Fails(cause), Fault::Prefix(cause), Fault::Torn(cause)][self.dice.below(3) as usize];
        let skip = self.dice.below(4);
        self.trace.push(format!("after {skip} more, {operation:?} {fault:?}"));
        let disk = if self.dice.one_in(6) { &self.archive } else { &self.disk };
        disk.fail_next(operation, skip, fault);
    }

    /// Flips a bit somewhere: it may be noticed, or not matter, and nothing else.
    fn rot(&mut self) {
        self.lift_faults();
        self.reopen();
        if let Some((_, mut appender)) = self.log.take() {
            appender.close();
        }
        let archived = !self.archive.names().expect("names").is_empty() && self.dice.one_in(2);
        let disk = if archived { self.archive.clone() } else { self.disk.clone() };
        let names = disk.names().expect("names");
        let name = &names[self.dice.below(names.len() as u64) as usize];
        let size = disk.open(name).and_then(|file| file.size()).expect("a size");
        if size == 0 {
            return;
        }
        let (at, bit) = (self.dice.below(size), self.dice.below(8) as u32);
        self.trace.push(format!("bit {bit} of byte {at} of {size} of {name} flips"));
        disk.flip(name, at, bit).expect("a byte");
        if let Ok(Opened { reader, appender, .. }) = open(self.tiers(), self.options()) {
            self.log = Some((reader, appender));
            if let Err(Wrong::Differs(what)) = self.compare() {
                self.check_healed(&what);
            }
        }
    }

    /// Holds what differs to a damaged index, which leaves nothing out, and is exact once it was made again.
    fn check_healed(&mut self, what: &str) {
        self.commit();
        let healed = self.log.as_ref().map(|(reader, _)| reader.condition());
        if healed.is_none_or(|condition| condition.indexes_made_again == 0) {
            self.fail(what);
        }
        if let Err(Wrong::Differs(what)) = self.compare() {
            self.fail(what);
        }
    }
}

fn marks_of(reader: &LogReader) -> BTreeMap<String, u64> {
    let marks = reader.marks(&TenantScope::All, "", Timestamp::from_micros(0));
    marks.into_iter().map(|mark| (mark.name.as_str().to_owned(), mark.version)).collect()
}

/// What a comparison found.
enum Wrong {
    Differs(String),
    Unread(LogError),
}

impl From<LogError> for Wrong {
    fn from(error: LogError) -> Self {
        Self::Unread(error)
    }
}

fn differ<T: PartialEq + std::fmt::Debug>(what: &str, found: &T, expected: &T) -> Result<(), Wrong> {
    if found == expected {
        return Ok(());
    }
    Err(Wrong::Differs(format!("{what}: found {found:?}\nand should find {expected:?}")))
}

fn read_all(reader: &LogReader, log: LogKind, forwards: bool) -> Result<Vec<RecordedEvent>, LogError> {
    let mut found = Vec::new();
    let high = reader.heads().of(log).0;
    let mut range = (high > 0).then_some((1, high));
    while let Some((low, high)) = range {
        let mut page = Page::new(3, 400);
        let next = reader.read_stretch(log, low..=high, forwards, &mut page, Patience::Wait)?;
        found.extend(page.finish());
        range = next.map(|next| if forwards { (next, high) } else { (low, next) });
    }
    Ok(found)
}

/// Compares what the index says with the events; of removed ones it may know more or less, but for their streams.
fn compare_index(reader: &LogReader, expected: &[RecordedEvent], removed: &Removed) -> Result<(), Wrong> {
    let (hasher, index) = (reader.hasher(), reader.index());
    let mut lists: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
    let mut of_streams = BTreeSet::new();
    let gone: BTreeSet<u64> =
        expected.iter().filter(|event| removed.covers(event)).map(|event| event.position().0).collect();
    let mut terms = Vec::new();
    for event in expected {
        terms.clear();
        hasher.of_recorded(event, &mut terms);
        terms.extend(event.stream().map(|stream| hasher.stream(event.log(), event.tenant(), stream)));
        of_streams.extend(terms.last().copied());
        for term in &terms {
            lists.entry(*term).or_default().push(event.position().0);
        }
        let mut places = Vec::new();
        index.ids(id_key(event.id()), Patience::Wait, &mut places)?;
        differ("an id", &places.contains(&(event.log(), event.position().0)), &true)?;
        if let Some((stream, revision)) = event.stream().zip(event.revision()) {
            let term = hasher.stream(event.log(), event.tenant(), stream);
            let place = index.position_of(term, revision.0, Patience::Wait)?;
            differ("a revision", &place, &Some(event.position().0))?;
        }
    }
    let Some(log) = expected.first().map(RecordedEvent::log) else { return Ok(()) };
    let high = reader.heads().of(log).0;
    for (term, positions) in lists {
        let (mut found, mut low) = (Vec::new(), 1);
        while index.positions((log, term), (low, high), true, 2, Patience::Wait, &mut found)? {
            low = found.last().map_or(high, |last| last + 1);
        }
        if !of_streams.contains(&term) {
            let there = |list: &[u64]| -> Vec<u64> {
                list.iter().filter(|position| !gone.contains(position)).copied().collect()
            };
            differ("a term", &there(&found), &there(&positions))?;
            continue;
        }
        differ("a stream", &found, &positions)?;
        let newest = index.newest(term, Patience::Wait)?.map(|(position, _)| position);
        differ("the newest of a term", &newest, &positions.last().copied())?;
    }
    Ok(())
}

mod damage;

fn number(variable: &str, otherwise: u64) -> u64 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

#[test]
fn whatever_the_disk_does_the_log_holds_what_it_acknowledged_and_nothing_in_part() {
    let first = number("LEDGERSTONE_FIRST_STORY", 1);
    let stories = number("LEDGERSTONE_STORIES", 300);
    let mut all = Stats::default();
    for seed in first..first + stories {
        let mut story = Story::begin(seed);
        story.open();
        for _ in 0..24 + seed % 48 {
            story.step();
        }
        story.lift_faults();
        story.check();
        story.rot();
        all.commits += story.stats.commits;
        all.crashes += story.stats.crashes;
        all.refused += story.stats.refused;
        all.indeterminate += story.stats.indeterminate;
        all.cuts += story.stats.cuts;
        all.frozen += story.stats.frozen;
        all.shortened += story.stats.shortened;
        all.moved += story.stats.moved;
        all.scavenged += story.stats.scavenged;
        all.stubs += story.stats.stubs;
        all.broken_scavenges += story.stats.broken_scavenges;
    }
    println!("{stories} stories from {first}: {all:?}");
    if stories >= 300 {
        assert!(all.indeterminate > 0 && all.refused > 0 && all.cuts > 0 && all.frozen > 0, "{all:?}");
        assert!(all.scavenged > 0 && all.stubs > 0 && all.broken_scavenges > 0, "{all:?}");
        assert!(all.moved > 0 && all.shortened > 0, "{all:?}");
    }
}
