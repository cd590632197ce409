//! Cold reads of few events: what they read from the disk, and that no damaged table misleads them.

use std::collections::BTreeMap;
use std::io;
use std::ops::RangeInclusive;
use std::sync::Arc;

use ledgerstone_core::{LogKind, Position, RecordedEvent};
use parking_lot::Mutex;

use crate::disk::{Disk, DiskFile};
use crate::failure::LogError;
use crate::log::{LogReader, Opened, open};
use crate::one_stream::{append, append_sized, options};
use crate::page::Page;
use crate::reader::Patience;
use crate::shared::Options;
use crate::simulated_disk::SimulatedDisk;

const APPLICATION: LogKind = LogKind::Application;

/// A disk that notes how many bytes are read of each file.
#[derive(Debug, Clone)]
struct Metered {
    disk: SimulatedDisk,
    read: Arc<Mutex<BTreeMap<String, usize>>>,
}

impl Metered {
    /// Returns how many bytes of tables were read since somebody asked.
    fn of_tables(&self) -> usize {
        let read = std::mem::take(&mut *self.read.lock());
        read.iter().filter(|(name, _)| name.ends_with(".places")).map(|(_, bytes)| bytes).sum()
    }

    fn file(&self, name: &str, file: Arc<dyn DiskFile>) -> Arc<dyn DiskFile> {
        Arc::new(MeteredFile { name: name.to_owned(), file, read: Arc::clone(&self.read) })
    }
}

impl Disk for Metered {
    fn names(&self) -> io::Result<Vec<String>> {
        self.disk.names()
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        Ok(self.file(name, self.disk.open(name)?))
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        Ok(self.file(name, self.disk.create(name)?))
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

#[derive(Debug)]
struct MeteredFile {
    name: String,
    file: Arc<dyn DiskFile>,
    read: Arc<Mutex<BTreeMap<String, usize>>>,
}

impl DiskFile for MeteredFile {
    fn size(&self) -> io::Result<u64> {
        self.file.size()
    }

    fn read_at(&self, at: u64, buffer: &mut [u8]) -> io::Result<usize> {
        *self.read.lock().entry(self.name.clone()).or_default() += buffer.len();
        self.file.read_at(at, buffer)
    }

    fn read_cached_at(&self, at: u64, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        *self.read.lock().entry(self.name.clone()).or_default() += buffer.len();
        self.file.read_cached_at(at, buffer)
    }

    fn will_read(&self, at: u64, bytes: u64) {
        self.file.will_read(at, bytes);
    }

    fn write_at(&self, at: u64, bytes: &[u8]) -> io::Result<()> {
        self.file.write_at(at, bytes)
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync()
    }

    fn set_size(&self, bytes: u64) -> io::Result<()> {
        self.file.set_size(bytes)
    }
}

/// How many events each closed segment has, about.
const EVENTS: u64 = 100;

fn wide(places_bytes: usize) -> Options {
    Options { segment_bytes: EVENTS * 250, places_bytes, ..options() }
}

/// Makes a log of some closed segments and opens it again, so that nothing is in memory.
fn cold(places_bytes: usize) -> (Metered, LogReader) {
    let metered = Metered { disk: SimulatedDisk::new(1), read: Arc::default() };
    metered.disk.set_cold_reads(0);
    let Opened { reader, mut appender, .. } =
        open(Arc::new(metered.clone()), wide(places_bytes)).expect("a log");
    (0..5 * EVENTS).for_each(|_| append(&reader, &mut appender));
    appender.close();
    drop(reader);
    (metered.clone(), reopened(&metered, places_bytes))
}

fn reopened(metered: &Metered, places_bytes: usize) -> LogReader {
    let reader = open(Arc::new(metered.clone()), wide(places_bytes)).expect("a log").reader;
    metered.read.lock().clear();
    assert!(reader.shared.segments.read().len() > 3);
    reader
}

fn one(reader: &LogReader, position: u64, patience: Patience) -> Result<Option<RecordedEvent>, LogError> {
    let mut page = Page::new(1, 1);
    let is_there = reader.read(APPLICATION, Position(position), &mut page, patience)?;
    let event = page.finish().pop();
    assert_eq!(is_there, event.is_some());
    Ok(event)
}

fn position_of_one(reader: &LogReader, position: u64) -> Option<u64> {
    one(reader, position, Patience::Wait).expect("read").map(|event| event.position().0)
}

fn stretch(reader: &LogReader, range: RangeInclusive<u64>, forwards: bool, most: usize) -> Vec<u64> {
    let mut page = Page::new(most, usize::MAX);
    let next =
        reader.read_stretch(APPLICATION, range.clone(), forwards, &mut page, Patience::Wait).expect("read");
    let found: Vec<u64> = page.finish().iter().map(|event| event.position().0).collect();
    let last = found.last().copied().expect("some");
    let next_one = if forwards { last + 1 } else { last - 1 };
    assert_eq!(next, Some(next_one).filter(|next| range.contains(next)));
    found
}

#[test]
fn a_cold_read_of_few_events_reads_their_places_and_no_table() {
    let (metered, reader) = cold(1);
    let front = 48;
    assert_eq!(position_of_one(&reader, 7), Some(7));
    assert_eq!(metered.of_tables(), front + 2 * 4, "the front once, the place and the next one");
    assert_eq!(position_of_one(&reader, 50), Some(50));
    assert_eq!(metered.of_tables(), 2 * 4);
    assert_eq!(stretch(&reader, 3..=90, true, 5), [3, 4, 5, 6, 7]);
    assert_eq!(metered.of_tables(), 7 * 4, "one more to know where to go on, and the next one");
    assert_eq!(stretch(&reader, 3..=90, false, 3), [90, 89, 88]);
    assert_eq!(metered.of_tables(), 5 * 4);
    assert_eq!(
        reader.recorded_at(APPLICATION, 20, 400).expect("read").map(|time| time.as_micros()),
        Some(20)
    );
    reader.will_read(APPLICATION, [30, 31].into_iter(), Patience::Wait).expect("announced");
    assert!(metered.of_tables() <= 7 * 4);
}

#[test]
fn the_last_place_of_a_table_and_what_is_in_no_table_are_read_rightly() {
    let (_, reader) = cold(1);
    let segments = reader.shared.segments.read().clone();
    let last = segments[1].header.heads.application.0;
    assert_eq!(position_of_one(&reader, last), Some(last));
    assert_eq!(stretch(&reader, last - 1..=last + 5, true, 9), [last - 1, last]);
    assert_eq!(stretch(&reader, 1..=last + 2, false, 9), [last + 2, last + 1]);
    assert_eq!(position_of_one(&reader, 5 * EVENTS), Some(5 * EVENTS));
    assert_eq!(position_of_one(&reader, 5 * EVENTS + 1), None);
    assert_eq!(one(&reader, 0, Patience::Wait).expect("read"), None);
}

#[test]
fn a_table_that_is_asked_often_is_loaded_if_there_is_room_and_only_then() {
    for (places_bytes, is_loaded) in [(10_000, true), (1, false)] {
        let (metered, reader) = cold(places_bytes);
        for position in 1..40 {
            assert_eq!(position_of_one(&reader, position), Some(position));
        }
        let segment = Arc::clone(&reader.shared.segments.read()[0]);
        assert_eq!(segment.opened().is_some(), is_loaded);
        assert!(segment.ajar().is_none() || !is_loaded, "the file of the table is closed again");
        let read = metered.of_tables();
        assert!(if is_loaded { read > 4 * 90 } else { read <= 48 + 39 * 8 }, "{read} bytes");
    }
}

#[test]
fn files_are_closed_when_too_many_are_open() {
    let (metered, _) = cold(1);
    let options = Options { open_segments: 2, ..wide(1) };
    let reader = open(Arc::new(metered), options).expect("a log").reader;
    let firsts: Vec<u64> =
        reader.shared.segments.read().iter().map(|segment| segment.header.heads.application.0 + 1).collect();
    for first in &firsts {
        assert_eq!(position_of_one(&reader, *first), Some(*first));
    }
    let segments = reader.shared.segments.read();
    let ajar: Vec<bool> = segments.iter().map(|segment| segment.ajar().is_some()).collect();
    assert_eq!(ajar.iter().filter(|ajar| **ajar).count(), 1, "{ajar:?}");
    assert!(ajar[ajar.len() - 2], "the one that was opened last: {ajar:?}");
}

#[test]
fn who_does_not_wait_is_answered_from_memory_or_told_to_wait() {
    let (metered, reader) = cold(1);
    assert!(matches!(one(&reader, 7, Patience::OnlyCached), Err(LogError::WouldWait)), "it is not open");
    assert_eq!(position_of_one(&reader, 7), Some(7));
    assert!(one(&reader, 8, Patience::OnlyCached).expect("in memory").is_some());
    metered.disk.set_cold_reads(1);
    assert!(matches!(one(&reader, 8, Patience::OnlyCached), Err(LogError::WouldWait)));
    reader.will_read(APPLICATION, [8].into_iter(), Patience::OnlyCached).expect("announced");
    assert_eq!(position_of_one(&reader, 8), Some(8));
}

#[test]
fn no_damaged_table_hides_an_event_or_makes_damage_of_the_log() {
    let (metered, _) = cold(1);
    let name = "000000000001.places";
    let size = metered.disk.open(name).and_then(|file| file.size()).expect("a size");
    let sound = bytes(&metered.disk, name);
    for at in (0..size).filter(|at| *at < 60 || at % 7 == 0) {
        for damage in [Damage::Flip, Damage::Zero, Damage::Large] {
            // A table that was found damaged is made again.
            let damaged = || {
                metered.disk.open(name).and_then(|file| file.write_at(0, &sound)).expect("mended");
                damage.apply(&metered.disk, name, at);
                reopened(&metered, 1)
            };
            let reader = damaged();
            let entry = at.saturating_sub(48) / 4 + 1;
            for position in [1, entry.max(2) - 1, entry, 20] {
                assert_eq!(position_of_one(&reader, position), Some(position), "{damage:?} at {at}");
            }
            let from = entry.saturating_sub(2).clamp(1, 80);
            let mut expected: Vec<u64> = (from..from + 6).collect();
            let reader = damaged();
            assert_eq!(stretch(&reader, from..=90, true, 6), expected, "{damage:?} at {at}");
            expected.reverse();
            let reader = damaged();
            assert_eq!(stretch(&reader, 0..=from + 5, false, 6), expected, "{damage:?} at {at}");
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Damage {
    Flip,
    Zero,
    Large,
}

impl Damage {
    /// Damages the four bytes around a place.
    fn apply(self, disk: &SimulatedDisk, name: &str, at: u64) {
        let write = |bytes: &[u8]| {
            disk.open(name).and_then(|file| file.write_at(at / 4 * 4, bytes)).expect("written");
        };
        match self {
            Self::Flip => disk.flip(name, at, (at % 8) as u32).expect("a byte"),
            Self::Zero => write(&[0; 4]),
            Self::Large => write(&[0xFF; 4]),
        }
    }
}

fn bytes(disk: &SimulatedDisk, name: &str) -> Vec<u8> {
    let file = disk.open(name).expect("a file");
    let mut bytes = vec![0; file.size().expect("a size") as usize];
    file.read_exact_at(0, &mut bytes).expect("bytes");
    bytes
}

#[test]
fn a_table_whose_counts_were_shifted_hides_nothing() {
    let (metered, _) = cold(1);
    let file = metered.disk.open("000000000001.places").expect("a table");
    // As many entries as before, and half of them said to be those of system events.
    let mut counts = [0; 8];
    file.read_exact_at(40, &mut counts).expect("counts");
    let count = u32::from_le_bytes([counts[0], counts[1], counts[2], counts[3]]);
    file.write_at(40, &(count / 2).to_le_bytes()).expect("written");
    file.write_at(44, &(count - count / 2).to_le_bytes()).expect("written");
    let reader = reopened(&metered, 1);
    let middle = u64::from(count) / 2;
    assert_eq!(stretch(&reader, middle - 2..=middle + 9, true, 6).len(), 6);
    assert_eq!(position_of_one(&reader, middle + 3), Some(middle + 3));
}

#[test]
fn damage_in_the_log_itself_is_told_where_it_is() {
    let (metered, reader) = cold(1);
    let place = {
        let segment = Arc::clone(&reader.shared.segments.read()[0]);
        let open = segment.open(&*reader.shared.disk).expect("open");
        open.places.read().find(APPLICATION, 9).expect("a place")
    };
    metered.disk.flip("000000000001.log", u64::from(place) + 60, 2).expect("a byte");
    let reader = reopened(&metered, 1);
    for _ in 0..2 {
        match one(&reader, 9, Patience::Wait) {
            Err(LogError::Damaged { file, at, .. }) => {
                assert_eq!((file.as_str(), at), ("000000000001.log", u64::from(place)));
            }
            other => panic!("damage, and there is {other:?}"),
        }
    }
    assert_eq!(position_of_one(&reader, 8), Some(8));
}

#[test]
fn a_read_that_would_have_waited_in_its_middle_leaves_nothing_on_the_page() {
    let disk = SimulatedDisk::new(5);
    disk.set_cold_reads(2);
    let Opened { reader, mut appender, .. } = open(Arc::new(disk), options()).expect("a log");
    // The large one is not read at once with the small one before it.
    for bytes in [90, 400_000, 90] {
        append_sized(&reader, &mut appender, bytes);
    }
    for forwards in [true, false] {
        for _ in 0..40 {
            let mut page = Page::new(9, usize::MAX);
            let read = reader.read_stretch(APPLICATION, 1..=3, forwards, &mut page, Patience::OnlyCached);
            if read.is_err() {
                assert!(page.is_empty() && page.bytes.is_empty(), "{read:?}");
            }
        }
    }
}
