//! Hostile bytes: whatever the files of a log hold, it opens or it does not, and nothing panics, hangs or takes
//! memory that no file has.
//!
//! Checksums keep such bytes out as long as nobody means it; here they are made right again after every change,
//! so that what lies behind them has to stand on its own.

use std::sync::{Arc, OnceLock};

use ledgerstone_core::{
    EncodedEvent, EventData, EventType, IdSource, LogKind, Mark, MarkName, Revision, Stamp, StreamId, Tag,
    Tenant, TenantScope, Timestamp,
};
use parking_lot::Mutex;
use uuid::Uuid;

use crate::appender::Appender;
use crate::disk::Disk as _;
use crate::failure::LogError;
use crate::group::NewEvent;
use crate::hostile::edits::Edits;
use crate::hostile::mending::mend;
use crate::log::{LogReader, Opened, open};
use crate::page::Page;
use crate::reader::Patience;
use crate::shared::Options;
use crate::simulated_disk::SimulatedDisk;
use crate::tail::Entry;
use crate::terms::id_key;
use crate::verify::verify;

mod edits;
mod mending;
#[cfg(test)]
mod tests;

/// A file: its name and its bytes.
type File = (String, Vec<u8>);

/// Edits the files of a sound log as `data` says, makes their checksums right again if it says so, and does with
/// the log whatever can be done with one.
pub fn try_edited_log(data: &[u8]) {
    let mut files = sound_files().clone();
    let mended = data.first().is_none_or(|first| first % 8 != 0);
    for edit in Edits::of(data.get(1..).unwrap_or_default()) {
        edit.apply(&mut files);
    }
    if mended {
        files.iter_mut().for_each(|(name, bytes)| mend(name, bytes));
    }
    // What went wrong was told; that is all that is asked of it.
    let _ = use_log(&files);
}

/// Puts bytes in the place of a segment, of a table of places or of an index, and does the same.
pub fn try_file(data: &[u8]) {
    let Some((kind, bytes)) = data.split_first() else { return };
    let mut files = sound_files().clone();
    let ending = [".log", ".places", ".index"][usize::from(*kind % 3)];
    if let Some((name, file)) = files.iter_mut().rev().find(|(name, _)| name.ends_with(ending)) {
        bytes.clone_into(file);
        if kind & 4 != 0 {
            mend(name, file);
        }
    }
    let _ = use_log(&files);
}

/// Opens a log with these files, and reads, looks up, appends and verifies.
fn use_log(files: &[File]) -> Result<(), LogError> {
    let disk = SimulatedDisk::new(1);
    let failed = |error| LogError::disk("writing", "a file")(error);
    for (name, bytes) in files {
        disk.create(name).and_then(|file| file.write_at(0, bytes)).map_err(failed)?;
    }
    let _ = verify(&disk, &mut |_| ());
    let Opened { reader, mut appender, .. } = open(Arc::new(disk.clone()), options())?;
    let read = read_everything(&reader);
    put(&mut appender, &reader, 3);
    let committed = appender.commit();
    appender.close();
    let _ = verify(&disk, &mut |_| ());
    drop((committed, read));
    open(Arc::new(disk), options()).map(drop)
}

fn read_everything(reader: &LogReader) -> Result<(), LogError> {
    let index = reader.index();
    let hasher = reader.hasher();
    reader.marks(&TenantScope::All, "", Timestamp::from_micros(0));
    for log in [LogKind::Application, LogKind::System] {
        let high = reader.heads().of(log).0;
        for forwards in [true, false] {
            let mut range = (high > 0).then_some((1, high));
            // Positions that were left out are passed in one step, but a hostile log may leave out all of them.
            for _ in 0..200 {
                let Some((low, high)) = range else { break };
                let mut page = Page::new(50, 4000);
                let next = reader.read_stretch(log, low..=high, forwards, &mut page, Patience::Wait)?;
                for event in page.finish() {
                    let _ = (event.to_data(), event.metadata(), event.stream(), event.has_tag("$category:s"));
                    let mut places = Vec::new();
                    index.ids(id_key(event.id()), Patience::Wait, &mut places)?;
                }
                range = next.map(|next| if forwards { (next, high) } else { (low, next) });
            }
        }
        let terms = (0..5).map(|number| hasher.stream(log, "", &format!("s-{number}")));
        for term in terms.chain([hasher.event_type(log, "", "Made"), hasher.tag(log, "", "red")]) {
            index.newest(term, Patience::Wait)?;
            index.position_of(term, 2, Patience::Wait)?;
            let mut found = Vec::new();
            index.positions((log, term), (0, u64::MAX), true, 9, Patience::Wait, &mut found)?;
            index.positions((log, term), (0, u64::MAX), false, 9, Patience::Wait, &mut found)?;
        }
        reader.recorded_at(log, high / 2, high)?;
    }
    Ok(())
}

/// Returns the files of a log of some segments, with tables, indexes, marks and both counts.
fn sound_files() -> &'static Vec<File> {
    static FILES: OnceLock<Vec<File>> = OnceLock::new();
    FILES.get_or_init(|| write_files().unwrap_or_default())
}

fn write_files() -> Option<Vec<File>> {
    let disk = SimulatedDisk::new(1);
    let Opened { reader, mut appender, .. } = open(Arc::new(disk.clone()), options()).ok()?;
    for round in 0..14 {
        put(&mut appender, &reader, round);
        appender.commit().ok()?;
    }
    appender.close();
    let names = disk.names().ok()?;
    let files = names.into_iter().map(|name| {
        let file = disk.open(&name).ok()?;
        let mut bytes = vec![0; usize::try_from(file.size().ok()?).ok()?];
        file.read_exact_at(0, &mut bytes).ok()?;
        Some((name, bytes))
    });
    files.collect()
}

/// Puts a batch of three events, the last one of the system, and a mark.
fn put(appender: &mut Appender, reader: &LogReader, round: u64) {
    let named = || {
        let stream = StreamId::new(format!("s-{}", round % 5)).ok()?;
        let (made, noted) = (EventType::new("Made").ok()?, EventType::new("$noted").ok()?);
        Some((stream, [made.clone(), made, noted], Tag::new("red").ok()?, MarkName::new("m").ok()?))
    };
    let Some((stream, types, tag, mark)) = named() else { return };
    let (tenant, hasher, ids) = (Tenant::default(), reader.hasher(), options().ids);
    appender.begin();
    let mut heads = appender.written();
    for (number, event_type) in (0..).zip(types) {
        let mut event = EventData::json(ids.next_id(), event_type, vec![b'x'; 20]);
        event.metadata.correlation = Some("c".to_owned());
        event.tags.push(tag.clone());
        let log = event.log();
        heads.set(log, heads.of(log).next());
        let mut encoded = EncodedEvent::new(&tenant, Some(&stream), &event, number != 1, number != 0);
        let revision = round / 5 * 2 + number % 2;
        let recorded_at = Timestamp::from_micros(round.cast_signed());
        encoded.stamp(Stamp { position: heads.of(log), revision: Revision(revision), recorded_at });
        let mut terms = Vec::new();
        hasher.of_event("", Some(&stream), &event, &mut terms);
        let stream = Some((hasher.stream(log, "", stream.as_str()), revision));
        let (position, id_key) = (heads.of(log), id_key(event.id));
        let entry = Entry { log, position, id_key, stream, terms: &terms };
        appender.event(NewEvent { entry, record: encoded.as_bytes() });
    }
    let after = Mark {
        tenant: tenant.clone(),
        name: mark.clone(),
        version: round + 1,
        number: round,
        value: vec![1; 9].into(),
        expires_at: None,
    };
    appender.end(&tenant, vec![(mark, Some(after))], Timestamp::from_micros(round.cast_signed()));
}

fn options() -> Options {
    let mut options = Options::new(Arc::new(Counting(Mutex::new(0))));
    options.segment_bytes = 1_500;
    options.background = false;
    options
}

/// Ids that count.
#[derive(Debug)]
struct Counting(Mutex<u128>);

impl IdSource for Counting {
    fn next_id(&self) -> Uuid {
        let mut last = self.0.lock();
        *last += 1;
        Uuid::from_u128(*last << 64 | *last)
    }
}
