//! Opening a log: which segments there are, where the newest one ends, and what memory has to know.

use std::sync::Arc;

use ledgerstone_core::{Heads, LogIdentity, Timestamp};

use crate::chain::{check_growing, check_near, read_chain, segments_before_newest};
use crate::disk::Disk;
use crate::failure::LogError;
use crate::growing_segment::GrowingSegment;
use crate::indexer::parse_run_name;
use crate::newest::Newest;
use crate::segment::{Segment, later, places_number};
use crate::segment_header::{PARTIAL, segment_name, segment_number};
use crate::state::State;
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
    pub(crate) growing: GrowingSegment,
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
    let (chain, orphans) = read_chain(disk, &numbers)?;
    for orphan in orphans {
        let name = segment_name(orphan);
        disk.remove(&name).map_err(LogError::disk("removing", &name))?;
        report.removed.push(name);
    }
    let Some(header) = chain.last().copied() else { return Ok(None) };
    check_growing(&header)?;
    let mut segments = segments_before_newest(disk, &chain)?;
    let mut newest = Newest::read(disk, header, None)?;
    check_reach(disk, &newest)?;
    newest.settle(disk, &mut report)?;
    let Newest { growing, state, heads, recorded_at, .. } = newest;
    segments.push(Arc::clone(&growing.segment));
    let (identity, seed) = (header.log, header.seed);
    Ok(Some(Recovered {
        identity,
        seed,
        segments,
        growing,
        state,
        heads,
        recorded_at,
        newest_number,
        report,
    }))
}

/// Refuses a log that ends before what its owner told to be durable: acknowledged events are gone.
fn check_reach(disk: &dyn Disk, newest: &Newest) -> Result<(), LogError> {
    // It is told without a sync, so it may be older than the log, and never newer.
    let Ok(Some(told)) = Watermark::read(disk) else { return Ok(()) };
    let (found, header) = (newest.heads, newest.growing.segment.header);
    if told.log != header.log || later(found, told.heads) == found {
        return Ok(());
    }
    let Heads { application, system } = told.heads;
    Err(LogError::damaged(
        &newest.growing.segment.name,
        newest.growing.segment.end(),
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
