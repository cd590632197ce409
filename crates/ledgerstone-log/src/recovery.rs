//! Opening a log: which segments there are, where the newest one ends, and what memory has to know.

use std::collections::BTreeMap;
use std::sync::Arc;

use ledgerstone_core::{Heads, LogIdentity, RecordedEvent, Tenant, Timestamp};
use parking_lot::RwLock;

use crate::appender::{Active, PARTIAL};
use crate::disk::{Disk, DiskFile};
use crate::failure::LogError;
use crate::frame::{Frame, FrameKind};
use crate::indexer::parse_run_name;
use crate::places::Places;
use crate::scanner::{Ending, Scanner};
use crate::segment::{OpenSegment, Segment, TOO_FAR, checksum_place, later, place_of, places_number};
use crate::segment_header::{HEADER_BYTES, SegmentHeader, segment_name, segment_number};
use crate::state::State;
use crate::tail::{Entry, Tail};
use crate::terms::{TermHasher, id_key};
use crate::watermark::{WATERMARK, Watermark};

/// What opening a log found and did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// What was cut from the end of the newest segment: a write that nobody was told about.
    pub cut: Option<Cut>,
    /// Files that were taken away because they were not finished or belong to nothing.
    pub removed: Vec<String>,
    /// How many closed segments were read whole, because their index was missing or damaged.
    pub indexed: usize,
}

/// A torn end that was cut away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    /// Of which file.
    pub file: String,
    /// From which byte on.
    pub at: u64,
    /// How many bytes.
    pub bytes: u64,
}

/// What the files of a folder say.
pub(crate) struct Recovered {
    pub(crate) identity: LogIdentity,
    pub(crate) seed: u64,
    /// In order; the last one grows.
    pub(crate) segments: Vec<Arc<Segment>>,
    pub(crate) active: Active,
    pub(crate) state: State,
    pub(crate) heads: Heads,
    pub(crate) recorded_at: Timestamp,
    /// The highest number that any file has.
    pub(crate) newest_number: u64,
    pub(crate) report: Report,
}

/// Reads what a folder holds; nothing if it holds no segment.
pub(crate) fn recover(disk: &dyn Disk) -> Result<Option<Recovered>, LogError> {
    let names = disk.names().map_err(LogError::disk("listing", "the folder"))?;
    let mut report = Report::default();
    for name in names.iter().filter(|name| name.ends_with(PARTIAL)) {
        disk.remove(name).map_err(LogError::disk("removing", name))?;
        report.removed.push(name.clone());
    }
    let numbers: Vec<u64> = names.iter().filter_map(|name| segment_number(name)).collect();
    let Some(newest_number) = numbers.iter().max().copied() else {
        let is_left =
            |name: &&String| name.ends_with(".places") || name.ends_with(".index") || *name == WATERMARK;
        let left = names.iter().find(is_left);
        return match left {
            Some(left) => Err(LogError::Mixed(format!(
                "{left} is there, but no segment is; bring the segments (*.log) back, or empty the folder"
            ))),
            None => Ok(None),
        };
    };
    check_newest(&names, newest_number)?;
    check_near(disk, newest_number)?;
    let chain = chain(disk, &numbers, &mut report)?;
    let Some(newest) = chain.last().copied() else { return Ok(None) };
    check_growing(&newest)?;
    let mut segments = closed(disk, &chain)?;
    let mut last = Newest::read(disk, newest, None)?;
    check_reach(disk, &last)?;
    last.settle(disk, &mut report)?;
    let Newest { segment, open, tail, state, heads, recorded_at, .. } = last;
    segments.push(Arc::clone(&segment));
    let active = Active { segment, open, tail: Arc::new(RwLock::new(tail)) };
    let (identity, seed) = (newest.log, newest.seed);
    Ok(Some(Recovered { identity, seed, segments, active, state, heads, recorded_at, newest_number, report }))
}

/// Refuses a log that ends before what its owner told to be durable: acknowledged events are gone.
fn check_reach(disk: &dyn Disk, newest: &Newest) -> Result<(), LogError> {
    // It is told without a sync, so it may be older than the log, and never newer.
    let Ok(Some(told)) = Watermark::read(disk) else { return Ok(()) };
    let (found, header) = (newest.heads, newest.segment.header);
    if told.log != header.log || later(found, told.heads) == found {
        return Ok(());
    }
    let Heads { application, system } = told.heads;
    Err(LogError::damaged(
        &newest.segment.name,
        newest.segment.end(),
        format!(
            "the log ends at {} application and {} system events, and {application} and {system} were durable \
             once; bring the missing bytes back, or delete the file {WATERMARK} to go on without them",
            found.application, found.system
        ),
    ))
}

/// Refuses a folder whose newest segment was closed once: what came after it is gone.
fn check_newest(names: &[String], newest: u64) -> Result<(), LogError> {
    let indexed = |name: &String| {
        let last = parse_run_name(name).map(|(_, last, _)| last);
        places_number(name).or(last).is_some_and(|number| number >= newest)
    };
    match names.iter().find(|name| indexed(name)) {
        Some(name) => Err(LogError::Mixed(format!(
            "{name} shows that a segment came after {}, and it is missing; bring it back",
            segment_name(newest)
        ))),
        None => Ok(()),
    }
}

/// Refuses a newest segment that stands in the archive alone: only what another one follows is moved there, and
/// the folder that had that one is gone, or is another log's.
pub(crate) fn check_near(disk: &dyn Disk, newest: u64) -> Result<(), LogError> {
    let Some(tiers) = disk.tiers() else { return Ok(()) };
    let name = segment_name(newest);
    let archived = tiers.archived().map_err(LogError::disk("listing", "the archive"))?;
    if !archived.contains(&name) {
        return Ok(());
    }
    Err(LogError::Mixed(format!(
        "{name} stands in the archive, so a segment came after it, and it is missing; bring the folder of the log \
         back, or name the archive that belongs to this folder"
    )))
}

/// Refuses a newest segment that was scavenged: only what another one follows is.
pub(crate) fn check_growing(newest: &SegmentHeader) -> Result<(), LogError> {
    match newest.scavenged {
        None => Ok(()),
        Some(_) => Err(LogError::Mixed(format!(
            "{} was scavenged, so a segment came after it, and it is missing; bring it back",
            segment_name(newest.number)
        ))),
    }
}

/// Follows the segments from the newest one back, and takes away those that no other follows.
fn chain(disk: &dyn Disk, numbers: &[u64], report: &mut Report) -> Result<Vec<SegmentHeader>, LogError> {
    let (chain, orphans) = follow(disk, numbers)?;
    for orphan in orphans {
        let name = segment_name(orphan);
        disk.remove(&name).map_err(LogError::disk("removing", &name))?;
        report.removed.push(name);
    }
    Ok(chain)
}

/// Follows the segments from the newest one back; returns them in order, and the numbers of those that are left.
pub(crate) fn follow(disk: &dyn Disk, numbers: &[u64]) -> Result<(Vec<SegmentHeader>, Vec<u64>), LogError> {
    let mut headers = BTreeMap::new();
    for number in numbers {
        headers.insert(*number, read_header(disk, *number)?);
    }
    let mut chain = Vec::with_capacity(headers.len());
    let mut next = headers.pop_last().map(|(_, header)| header);
    while let Some(header) = next {
        chain.push(header);
        next = match header.previous {
            0 => None,
            previous => {
                let found = headers.remove(&previous);
                Some(found.ok_or_else(|| missing(previous))?)
            }
        };
    }
    chain.reverse();
    check_chain(&chain)?;
    Ok((chain, headers.into_keys().collect()))
}

fn missing(number: u64) -> LogError {
    LogError::Mixed(format!(
        "{} is missing; bring it back, or name the archive that it was moved to, like file:./data?archive=FOLDER",
        segment_name(number)
    ))
}

fn check_chain(chain: &[SegmentHeader]) -> Result<(), LogError> {
    for (one, next) in chain.iter().zip(chain.iter().skip(1)) {
        let name = segment_name(next.number);
        // A restored log goes on as the one that it was exported from; the seed stays.
        let back = one.log.id == next.log.id && one.log.epoch > next.log.epoch;
        if one.seed != next.seed || back {
            return Err(LogError::Mixed(format!("{name} belongs to another log")));
        }
        let falls = next.heads.application < one.heads.application
            || next.heads.system < one.heads.system
            || next.recorded_at < one.recorded_at;
        if falls || next.number <= one.number {
            return Err(LogError::Mixed(format!("{name} begins before its predecessor")));
        }
    }
    Ok(())
}

pub(crate) fn read_header(disk: &dyn Disk, number: u64) -> Result<SegmentHeader, LogError> {
    let name = segment_name(number);
    let file = disk.open(&name).map_err(LogError::disk("opening", &name))?;
    header_of(&*file, number)
}

/// Reads the header of the file that holds a segment.
pub(crate) fn header_of(file: &dyn DiskFile, number: u64) -> Result<SegmentHeader, LogError> {
    let name = segment_name(number);
    let mut bytes = [0; HEADER_BYTES];
    let size = file.size().map_err(LogError::disk("measuring", &name))?;
    if size < HEADER_BYTES as u64 {
        return Err(LogError::damaged(name, size, "it is shorter than a header"));
    }
    file.read_exact_at(0, &mut bytes).map_err(LogError::disk("reading", &name))?;
    let header = SegmentHeader::decode(&name, &bytes)?;
    if header.number != number {
        return Err(LogError::Mixed(format!("{name} holds segment {}; it was renamed", header.number)));
    }
    Ok(header)
}

/// Takes the segments that another one follows, which says where they end.
fn closed(disk: &dyn Disk, chain: &[SegmentHeader]) -> Result<Vec<Arc<Segment>>, LogError> {
    let pairs = chain.iter().zip(chain.iter().skip(1));
    let segments = pairs.map(|(header, next)| {
        let end = header.end_before(next)?;
        let segment = Segment::closed(*header, end);
        let file = disk.open(&segment.name).map_err(LogError::disk("opening", &segment.name))?;
        let size = file.size().map_err(LogError::disk("measuring", &segment.name))?;
        if size < end {
            return Err(LogError::damaged(&segment.name, size, "it was cut short"));
        }
        Ok(Arc::new(segment))
    });
    segments.collect()
}

/// The newest segment, read from front to back.
pub(crate) struct Newest {
    pub(crate) segment: Arc<Segment>,
    pub(crate) open: Arc<OpenSegment>,
    pub(crate) tail: Tail,
    pub(crate) state: State,
    pub(crate) heads: Heads,
    recorded_at: Timestamp,
    /// Up to where a later frame says that everything was durable.
    vouched: u64,
    /// How large the file is.
    size: u64,
    /// Whether its end is torn.
    is_torn: bool,
}

impl Newest {
    /// Reads a segment to its end, or to where somebody says that it is durable.
    pub(crate) fn read(
        disk: &dyn Disk,
        header: SegmentHeader,
        durable: Option<u64>,
    ) -> Result<Self, LogError> {
        let name = segment_name(header.number);
        let file = disk.open(&name).map_err(LogError::disk("opening", &name))?;
        let size = file.size().map_err(LogError::disk("measuring", &name))?;
        let size = durable.unwrap_or(size);
        let mut tail = Tail::after(header.heads);
        let mut places = Places::after(header.heads);
        let mut state = State::default();
        let (mut heads, mut recorded_at) = (header.heads, header.recorded_at);
        let mut vouched = header.batches_at;
        let mut scanner = Scanner::new(&*file, &name, header.salt, size);
        let hasher = TermHasher::new(header.seed);
        let mut take = |at, frame: &Frame<'_>| {
            let mut filling = Filling {
                tail: &mut tail,
                places: &mut places,
                state: &mut state,
                heads: &mut heads,
                recorded_at: &mut recorded_at,
            };
            filling.take(hasher, (&name, at), frame)?;
            vouched = vouched.max(u64::from(frame.header.durable));
            Ok(())
        };
        let Ending { at: end, is_torn } = if let Some(durable) = durable {
            while let Some((at, frame)) = scanner.next_whole()? {
                take(at, &frame)?;
            }
            Ending { at: durable, is_torn: false }
        } else {
            scanner.read_growing(header.batches_at, take)?
        };
        let open = Arc::new(OpenSegment { file, places: RwLock::new(places) });
        let segment = Arc::new(Segment::growing(header, end, Arc::clone(&open)));
        Ok(Self { segment, open, tail, state, heads, recorded_at, vouched, size, is_torn })
    }

    /// Cuts a torn end away, and makes durable what nobody vouches for.
    fn settle(&mut self, disk: &dyn Disk, report: &mut Report) -> Result<(), LogError> {
        let (file, name, end) = (&self.open.file, &self.segment.name, self.segment.end());
        if self.is_torn {
            file.set_size(end).map_err(LogError::disk("cutting", name))?;
            report.cut = Some(Cut { file: name.clone(), at: end, bytes: self.size - end });
        }
        // A sync that failed before leaves pages that look written and are not: they are written again.
        let from = self.vouched.min(end);
        let mut bytes = vec![0; usize::try_from(end - from).unwrap_or_default()];
        file.read_exact_at(from, &mut bytes).map_err(LogError::disk("reading", name))?;
        file.write_at(from, &bytes).map_err(LogError::disk("writing", name))?;
        file.sync().map_err(LogError::disk("syncing", name))?;
        disk.sync_names().map_err(LogError::disk("syncing", "the folder"))
    }
}

/// What the frames of a segment that grows are read into.
pub(crate) struct Filling<'a> {
    pub(crate) tail: &'a mut Tail,
    pub(crate) places: &'a mut Places,
    pub(crate) state: &'a mut State,
    pub(crate) heads: &'a mut Heads,
    pub(crate) recorded_at: &'a mut Timestamp,
}

impl Filling<'_> {
    /// Takes the next frame, which begins at a place of a file.
    pub(crate) fn take(
        &mut self,
        hasher: TermHasher,
        (name, at): (&str, u64),
        frame: &Frame<'_>,
    ) -> Result<(), LogError> {
        let wrong = |why: &str| LogError::damaged(name, at, why);
        take_state(self.state, frame).ok_or_else(|| wrong("its marks are unsound"))?;
        let (mut indexing, mut tenant) = (Indexing { hasher, terms: Vec::new() }, None);
        for (at, record) in frame.records() {
            let (log, position) = place_of(record);
            if position <= self.heads.of(log) {
                return Err(wrong("a position does not rise"));
            }
            self.heads.set(log, position);
            if !self.places.push(log, position, checksum_place(at)) {
                return Err(wrong(TOO_FAR));
            }
            let event = RecordedEvent::trusted(bytes::Bytes::copy_from_slice(record));
            take_tenant(self.state, &mut tenant, &event).ok_or_else(|| wrong("an event is nobody's"))?;
            *self.recorded_at = event.recorded_at().max(*self.recorded_at);
            indexing.add(&event, self.tail);
        }
        *self.heads = later(*self.heads, frame.header.heads);
        Ok(())
    }
}

fn take_state(state: &mut State, frame: &Frame<'_>) -> Option<()> {
    match frame.header.kind {
        FrameKind::TakenOver => state.take_part(frame.marks()),
        FrameKind::Batch => state.take_changes(frame.marks()),
    }
}

/// Notes whose an event is; nothing if that cannot be anybody.
fn take_tenant(state: &mut State, last: &mut Option<Tenant>, event: &RecordedEvent) -> Option<()> {
    if last.as_ref().map(Tenant::as_str) != Some(event.tenant()) {
        let tenant = Tenant::new(event.tenant()).ok()?;
        state.add_tenant(&tenant);
        *last = Some(tenant);
    }
    Some(())
}

/// Finds out what events are found by.
pub(crate) struct Indexing {
    pub(crate) hasher: TermHasher,
    pub(crate) terms: Vec<u64>,
}

impl Indexing {
    /// Adds an event to an index.
    pub(crate) fn add(&mut self, event: &RecordedEvent, tail: &mut Tail) {
        self.terms.clear();
        self.hasher.of_recorded(event, &mut self.terms);
        let stream = event.stream().zip(event.revision());
        let stream = stream
            .map(|(stream, revision)| (self.hasher.stream(event.log(), event.tenant(), stream), revision.0));
        tail.add(Entry {
            log: event.log(),
            position: event.position(),
            id_key: id_key(event.id()),
            stream,
            terms: &self.terms,
        });
    }
}

/// Reads a closed segment into an index.
pub(crate) fn index_segment(
    segment: &Segment,
    hasher: TermHasher,
    file: &dyn DiskFile,
) -> Result<Tail, LogError> {
    let mut tail = Tail::after(segment.header.heads);
    let mut indexing = Indexing { hasher, terms: Vec::new() };
    let mut scanner = Scanner::new(file, &segment.name, segment.header.salt, segment.end());
    while let Some((_, frame)) = scanner.next_whole()? {
        for (_, record) in frame.records() {
            let event = RecordedEvent::trusted(bytes::Bytes::copy_from_slice(record));
            indexing.add(&event, &mut tail);
        }
    }
    Ok(tail)
}
