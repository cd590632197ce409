//! Makes one run of several that follow each other, block by block.

use std::sync::Arc;

use crate::disk::DiskFile;
use crate::index::block::BLOCK_BYTES;
use crate::index::builder::RunBuilder;
use crate::index::cursor::{IdCursor, ListCursor};
use crate::index::failure::IndexError;
use crate::index::run::Run;

/// Merges runs that follow each other, the oldest first, into an empty file, and stamps it.
///
/// The bytes are those that building from everything at once would make. Revisions of a list that do not
/// follow from run to run are not known in the merged one. It holds one block of each run in memory, and the
/// fences and filters of the merged one; whenever it reads a block it asks whether to go on, and if not fails
/// with [`IndexError::Stopped`].
pub fn merge(
    runs: &[Arc<Run>],
    file: Arc<dyn DiskFile>,
    stamp: u64,
    go_on: &dyn Fn() -> bool,
) -> Result<Run, IndexError> {
    merge_with(runs, (file, stamp), go_on, BLOCK_BYTES)
}

pub(super) fn merge_with(
    runs: &[Arc<Run>],
    (file, stamp): (Arc<dyn DiskFile>, u64),
    go_on: &dyn Fn() -> bool,
    block_bytes: usize,
) -> Result<Run, IndexError> {
    let mut covers = runs.iter().map(|run| Some(run.covers()));
    let first = covers.next().flatten();
    let joined = covers.fold(first, |joined, next| joined?.join(next?));
    let covers = joined.ok_or(IndexError::Disordered("the runs to be merged are no neighbours"))?;
    let mut builder = RunBuilder::with_block_bytes(file, covers, block_bytes).stamped(stamp);
    merge_lists(runs, &mut builder, go_on)?;
    merge_ids(runs, &mut builder, go_on)?;
    builder.finish()
}

fn merge_lists(runs: &[Arc<Run>], into: &mut RunBuilder, go_on: &dyn Fn() -> bool) -> Result<(), IndexError> {
    let cursors: Result<Vec<_>, _> = runs.iter().map(|run| ListCursor::first(run)).collect();
    let mut cursors = cursors?;
    let mut positions = Vec::new();
    while let Some(term) = cursors.iter().filter_map(ListCursor::term).min() {
        let has_term = |cursor: &&mut ListCursor<'_>| cursor.term() == Some(term);
        let of_term: Vec<_> = cursors.iter_mut().filter(has_term).collect();
        into.begin_list(term, joined_revisions(&of_term)?)?;
        for cursor in of_term {
            while cursor.term() == Some(term) {
                positions.clear();
                cursor.positions(&mut positions)?;
                for position in &positions {
                    into.push(*position)?;
                }
                if cursor.advance()? && !go_on() {
                    return Err(IndexError::Stopped);
                }
            }
        }
    }
    Ok(())
}

/// Returns the first revision of a list if its revisions follow from run to run.
fn joined_revisions(cursors: &[&mut ListCursor<'_>]) -> Result<Option<u64>, IndexError> {
    let mut first = None;
    let mut expected = None;
    for cursor in cursors {
        match cursor.revisions()? {
            Some((revision, behind)) if expected.is_none_or(|expected| expected == revision) => {
                first = first.or(Some(revision));
                expected = Some(behind);
            }
            _ => return Ok(None),
        }
    }
    Ok(first)
}

fn merge_ids(runs: &[Arc<Run>], into: &mut RunBuilder, go_on: &dyn Fn() -> bool) -> Result<(), IndexError> {
    let cursors: Result<Vec<_>, _> = runs.iter().map(|run| IdCursor::first(run)).collect();
    let mut cursors = cursors?;
    let entry_of = |cursor: &IdCursor<'_>| cursor.entry();
    while let Some((at, id)) = cursors
        .iter()
        .map(entry_of)
        .enumerate()
        .filter_map(|(at, id)| Some((at, id?)))
        .min_by_key(|(_, id)| *id)
    {
        into.id(id.key, id.log, id.position)?;
        if let Some(cursor) = cursors.get_mut(at)
            && cursor.advance()?
            && !go_on()
        {
            return Err(IndexError::Stopped);
        }
    }
    Ok(())
}
