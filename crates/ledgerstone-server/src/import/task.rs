//! The task of an import: its options, its run, and the account that it gives in the end.

use std::collections::HashSet;
use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use ledgerstone::core::{EventStore, Tenant};
use serde::Serialize;
use sha2::{Digest, Sha256};
use tokio::runtime::Handle;

use super::csv::CsvReader;
use super::ids::{Identified, Ids};
use super::known::KnownIds;
use super::mapping::MappingArguments;
use super::progress::{Progress, ProgressMark};
use super::rejects::{Rejects, check_rejects};
use super::row::{Identity, Record, Row, Rules};
use super::source::{Input, Source};
use super::writer::{Chunk, Writer, Written};
use super::{Format, ndjson};
use crate::failure::Failure;

/// An import as the command line asks for it.
#[derive(Debug, Clone)]
pub struct Import {
    /// Where the rows come from.
    pub input: Input,
    /// In which format they are.
    pub format: Format,
    /// The name of the source; it becomes the source of the events, and tells imports apart.
    pub source: String,
    /// Whose events.
    pub tenant: Tenant,
    /// What to put before each stream, with a `-` between.
    pub category: Option<String>,
    /// The zone of times without an offset.
    pub zone: Option<String>,
    /// What separates the cells of CSV.
    pub delimiter: u8,
    /// What the columns of CSV mean.
    pub mapping: MappingArguments,
    /// The rejects file.
    pub rejects: PathBuf,
    /// Whether to stop at the first bad row.
    pub strict: bool,
    /// How many rows go into one batch.
    pub batch_rows: usize,
}

/// What an import did: `read` is the sum of `accepted`, `already_there` and `rejected`, unless it ended early.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Summary {
    /// The name of the source.
    pub source: String,
    /// Rows that were read.
    pub read: u64,
    /// Events that were recorded.
    pub accepted: u64,
    /// Rows whose events had been recorded before.
    pub already_there: u64,
    /// Rows that were not valid.
    pub rejected: u64,
    /// Streams that the valid rows belong to.
    pub streams: u64,
    /// How long it took.
    pub seconds: f64,
    /// How many events were recorded in a second.
    pub events_per_second: u64,
    /// The rejects file, if rows were rejected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rejects_file: Option<PathBuf>,
    /// Whether it was interrupted before the end.
    pub interrupted: bool,
    /// Whether an earlier import of the source was made by other rules.
    pub rules_changed: bool,
}

/// How far an import is, for a progress bar.
#[derive(Debug, Clone, Copy)]
pub struct ImportProgress {
    /// Bytes that were read, as they are stored.
    pub bytes: u64,
    /// Rows that were read.
    pub rows: u64,
}

/// Rows between two looks at the clock, the progress bar and the interrupt.
const STEP: u64 = 256;
/// The bytes of events after which a chunk is full.
const CHUNK_BYTES: usize = 8 * 1024 * 1024;

impl Import {
    /// Imports; blocks, so it must not be called on the runtime's own threads.
    ///
    /// Whatever stops it, what was recorded is consistent, and the same call again goes on. A failure beside the
    /// account is what ended the run early; the account then tells of what came before.
    pub fn run(
        &self,
        events: &Arc<dyn EventStore>,
        handle: &Handle,
        stop: &AtomicBool,
        progress: &dyn Fn(ImportProgress),
    ) -> Result<(Summary, Result<(), Failure>), Failure> {
        let started = Instant::now();
        check_rejects(&self.rejects, &self.input)?;
        let mut run = Run::begin(self, Arc::clone(events), handle.clone())?;
        let mut outcome = Ok(());
        if run.has_something_new() {
            outcome = run.read_all(stop, progress);
            let settled = run.finish(outcome.is_ok());
            outcome = outcome.and(settled);
        }
        let mut summary = run.summary;
        if outcome.is_ok() {
            summary.rejects_file = run.rejects.finish(&self.input)?;
        }
        summary.seconds = started.elapsed().max(Duration::from_millis(1)).as_secs_f64();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rate for people")]
        #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
        let rate = (summary.accepted as f64 / summary.seconds) as u64;
        summary.events_per_second = rate;
        Ok((summary, outcome))
    }

    /// Looks whether the input and the columns that are mapped are there, and whether rejects may be written
    /// where they should, before a store is opened.
    pub fn check(&self) -> Result<(), Failure> {
        check_rejects(&self.rejects, &self.input)?;
        if !self.input.can_be_read_again() {
            return Ok(());
        }
        let mut source = self.input.open()?;
        if self.format == Format::Csv {
            CsvReader::new(&mut source, self.delimiter, &self.mapping)?;
        }
        Ok(())
    }

    /// Returns the size of the input as it is stored, if it is known.
    pub fn size(&self) -> Option<u64> {
        self.input.size()
    }

    /// Digests what decides how a row becomes an event.
    fn rules_digest(&self) -> String {
        let mut map = self.mapping.map.clone();
        map.sort();
        let mut types = self.mapping.types.clone();
        types.sort();
        let rules = format!(
            "{} {:?} {:?} {:?} {map:?} {types:?} {:?}",
            env!("CARGO_PKG_VERSION"),
            self.format,
            self.category,
            self.zone,
            self.delimiter
        );
        Sha256::digest(rules).iter().take(16).map(|byte| format!("{byte:02x}")).collect()
    }
}

enum Reader {
    Ndjson,
    Csv(Box<CsvReader>),
}

/// One run of an import.
struct Run<'a> {
    import: &'a Import,
    events: Arc<dyn EventStore>,
    handle: Handle,
    rules: Rules,
    source: Source,
    reader: Reader,
    ids: Ids,
    known: KnownIds,
    /// What the mark accounts for.
    done: Done,
    /// The progress without a place: rules and exactness.
    base: Progress,
    writer: Writer,
    chunk: Chunk,
    rejects: Rejects,
    streams: HashSet<u64>,
    summary: Summary,
}

impl<'a> Run<'a> {
    fn begin(import: &'a Import, events: Arc<dyn EventStore>, handle: Handle) -> Result<Self, Failure> {
        let rules = Rules {
            source: import.source.clone(),
            tenant: import.tenant.clone(),
            category: import.category.clone(),
            zone: import.zone.clone(),
            limits: events.capabilities().limits,
        };
        let mut source = import.input.open()?;
        let reader = match import.format {
            Format::Ndjson => {
                source.skip_byte_order_mark()?;
                Reader::Ndjson
            }
            Format::Csv => {
                Reader::Csv(Box::new(CsvReader::new(&mut source, import.delimiter, &import.mapping)?))
            }
        };
        let mark = handle.block_on(ProgressMark::read(&*events, rules.scope(), &import.source))?;
        let digest = import.rules_digest();
        let rules_changed = mark.progress.as_ref().is_some_and(|stored| stored.rules != digest);
        let done = Done::find(import, mark.progress.as_ref(), &digest)?;
        let mut known = KnownIds::default();
        if done == Done::Unknown {
            handle.block_on(known.read(&*events, rules.scope(), &import.source))?;
        }
        let exact = done != Done::Unknown || known.is_empty();
        let fresh = exact && done == Done::Unknown;
        let mark = if fresh { ProgressMark { progress: None, ..mark } } else { mark };
        Ok(Self {
            ids: Ids::of_source(&import.source),
            base: Progress { rules: digest, exact, ..Progress::default() },
            writer: Writer::new(Arc::clone(&events), import.tenant.clone(), handle.clone(), mark),
            rejects: Rejects::new(&import.rejects),
            summary: Summary { source: import.source.clone(), rules_changed, ..Summary::default() },
            done,
            chunk: Chunk::default(),
            streams: HashSet::new(),
            import,
            events,
            handle,
            rules,
            source,
            reader,
            known,
        })
    }

    /// Tells whether anything may be new; if nothing can be, the account of the mark is that of this run.
    fn has_something_new(&mut self) -> bool {
        let Done::All { rows, streams } = self.done else { return true };
        self.summary.read = rows;
        self.summary.already_there = rows;
        self.summary.streams = streams;
        false
    }

    fn read_all(&mut self, stop: &AtomicBool, progress: &dyn Fn(ImportProgress)) -> Result<(), Failure> {
        let limits = self.rules.limits;
        let full_bytes = CHUNK_BYTES.min(limits.batch_bytes.saturating_sub(limits.event_bytes)).max(1);
        let full_rows = self.import.batch_rows.clamp(1, limits.batch_events);
        let bytes = self.source.counter();
        while let Some(record) = self.next_record()? {
            self.summary.read += 1;
            self.take(record)?;
            if self.chunk.len() >= full_rows || self.chunk.bytes() >= full_bytes {
                self.submit()?;
            }
            if self.summary.read.is_multiple_of(STEP) {
                let read = bytes.load(Ordering::Relaxed);
                progress(ImportProgress { bytes: read, rows: self.summary.read });
                if stop.load(Ordering::Relaxed) {
                    self.summary.interrupted = true;
                    break;
                }
            }
        }
        Ok(())
    }

    fn next_record(&mut self) -> Result<Option<Record>, Failure> {
        match &mut self.reader {
            Reader::Ndjson => ndjson::next(&mut self.source, &self.rules),
            Reader::Csv(csv) => csv.next(&mut self.source, &self.rules),
        }
    }

    fn take(&mut self, mut record: Record) -> Result<(), Failure> {
        let identified = self.ids.identify(&mut record);
        let Record { line, raw, row } = record;
        let row = match row {
            Ok(row) => row,
            Err(reason) => return self.reject(line, &raw, &reason),
        };
        if identified == Identified::Conflicting {
            let reason = format!("id {} belongs to another row of the same input", row.event.id);
            return self.reject(line, &raw, &reason);
        }
        let hasher = BuildHasherDefault::<DefaultHasher>::default();
        self.streams.insert(hasher.hash_one(row.stream.as_str()));
        if identified == Identified::Repeated || self.is_there(&row)? {
            self.summary.already_there += 1;
        } else {
            self.chunk.push(line, raw, row);
        }
        Ok(())
    }

    fn is_there(&mut self, row: &Row) -> Result<bool, Failure> {
        if self.summary.read <= self.done.rows() {
            return Ok(true);
        }
        let source = row.event.metadata.source.as_deref().unwrap_or_default();
        // Rows with ids of their own are looked for by those; derived ids only if the mark is no help.
        if !self.known.covers(source) && (row.identity == Identity::Own || !self.base.exact) {
            let read = self.known.read(&*self.events, self.rules.scope(), source);
            self.handle.block_on(read)?;
        }
        Ok(self.known.contains(row.event.id))
    }

    fn reject(&mut self, line: u64, raw: &[u8], reason: &str) -> Result<(), Failure> {
        self.summary.rejected += 1;
        if self.import.strict {
            let message = format!("line {line}: {reason}");
            return Err(Failure::new(
                ledgerstone::core::ErrorKind::Invalid,
                ledgerstone::core::Code::RowsRejected,
                message,
            )
            .with("line", line)
            .with_help("mend the row and run the same import again, or leave --strict out"));
        }
        self.rejects.add(line, raw, reason)
    }

    /// Hands the chunk over, with the place up to which everything was read.
    fn submit(&mut self) -> Result<(), Failure> {
        let chunk = std::mem::take(&mut self.chunk);
        let written = self.writer.submit(chunk, self.place())?;
        self.account(written)
    }

    fn place(&self) -> Progress {
        Progress {
            rows: self.summary.read,
            bytes: self.source.taken(),
            digest: self.source.digest(),
            // Whoever grows the file may finish its last line first: then ids tell what is there.
            exact: self.base.exact && !self.ends_open(),
            ..self.base.clone()
        }
    }

    fn ends_open(&self) -> bool {
        match &self.reader {
            Reader::Ndjson => self.source.ends_open(),
            Reader::Csv(csv) => csv.ends_open(&self.source),
        }
    }

    fn account(&mut self, written: Written) -> Result<(), Failure> {
        self.summary.accepted += written.accepted;
        self.summary.already_there += written.already_there;
        for (line, raw, reason) in written.refused {
            self.reject(line, &raw, &reason)?;
        }
        Ok(())
    }

    /// Writes what is left, unless the run failed, and waits for what is under way.
    fn finish(&mut self, sound: bool) -> Result<(), Failure> {
        if sound && self.chunk.len() > 0 {
            self.submit()?;
        }
        let written = self.writer.settle()?;
        self.account(written)?;
        self.summary.streams = self.streams.len() as u64;
        let whole = !self.summary.interrupted && self.summary.rejected == 0;
        let place = Progress { finished_streams: whole.then_some(self.summary.streams), ..self.place() };
        let same = |stored: &Progress| {
            (stored.rows, &stored.digest, &stored.rules) == (place.rows, &place.digest, &place.rules)
                && stored.finished_streams == place.finished_streams
        };
        let moved = !self.writer.stored().is_some_and(same);
        if sound && moved && place.rows >= self.done.rows().max(1) {
            self.writer.submit(Chunk::default(), place)?;
            self.writer.settle()?;
        }
        Ok(())
    }
}

/// How much of an input a mark accounts for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Done {
    /// Nothing that can be told without the ids.
    Unknown,
    /// So many rows at its beginning.
    First(u64),
    /// Every row of it.
    All { rows: u64, streams: u64 },
}

impl Done {
    /// Compares an input with what was imported by the same rules, by its digest.
    fn find(import: &Import, stored: Option<&Progress>, rules: &str) -> Result<Self, Failure> {
        let Some(stored) = stored.filter(|stored| stored.rules == rules) else { return Ok(Self::Unknown) };
        if !import.input.can_be_read_again() || !(stored.exact || stored.finished_streams.is_some()) {
            return Ok(Self::Unknown);
        }
        let found = import.input.open()?.digest_of_first(stored.bytes)?;
        let Some((_, has_more)) = found.filter(|(digest, _)| *digest == stored.digest) else {
            return Ok(Self::Unknown);
        };
        Ok(match stored.finished_streams {
            Some(streams) if !has_more => Self::All { rows: stored.rows, streams },
            _ if stored.exact => Self::First(stored.rows),
            _ => Self::Unknown,
        })
    }

    fn rows(self) -> u64 {
        match self {
            Self::Unknown => 0,
            Self::First(rows) | Self::All { rows, .. } => rows,
        }
    }
}

/// Returns the rejects file that stands beside an input.
pub fn default_rejects(input: &Input, source: &str) -> PathBuf {
    let path = match input {
        Input::File(path) => path.as_path(),
        Input::Stdin => Path::new(source),
    };
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!("{name}.rejects.ndjson"))
}
