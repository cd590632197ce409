//! Tracking: how far another log has been followed, as a rising mark and as what an event says of itself.

use ledgerstone::core::{
    EventStore as _, MarkChange, MarkName, Metadata, Problem, RecordedEvent, TenantScope,
};
use ledgerstone::engine::Scoped;
use tonic::Status;

use super::failure::{invalid, status_of};
use super::wire::TrackingInfo;

/// What the marks of sources begin with.
const PREFIX: &str = "umadb/";
/// The metadata entry beside the source of an event that was appended with tracking.
const POSITION: &str = "tracking_position";

/// Returns the change by which a source has been followed further, and never back.
pub(super) fn rises(tracking: &TrackingInfo) -> Result<MarkChange, Status> {
    Ok(MarkChange::Rises { name: mark(&tracking.source)?, to: tracking.position })
}

/// Looks up how far a source has been followed.
pub(super) async fn position_of(events: &Scoped, source: &str) -> Result<Option<u64>, Status> {
    let name = mark(source)?;
    let marks = events.marks(TenantScope::One(events.tenant().clone()), name.as_str()).await;
    let marks = marks.map_err(|error| status_of(&Problem::from(&error)))?;
    Ok(marks.iter().find(|mark| mark.name == name).map(|mark| mark.number))
}

/// Writes into an event's metadata with what it was tracked.
pub(super) fn note(metadata: &mut Metadata, tracking: &TrackingInfo) {
    metadata.source = Some(tracking.source.clone());
    metadata.entries.push((POSITION.to_owned(), tracking.position.to_string()));
}

/// What an event says about its tracking.
pub(super) struct Tracked<'a> {
    /// The source.
    pub(super) source: &'a str,
    /// The position there.
    pub(super) position: u64,
    /// Which of the event's metadata texts this is: of the source, and of the position.
    pub(super) texts: [usize; 2],
}

impl<'a> Tracked<'a> {
    /// Reads it; nothing if the event was appended without.
    pub(super) fn of(event: &'a RecordedEvent) -> Option<Self> {
        let source = event.source()?;
        let texts = || event.metadata_texts().enumerate();
        let (source_at, _) = texts().find(|(_, (name, _))| *name == "source")?;
        let (position_at, (_, position)) = texts().filter(|(_, (name, _))| *name == POSITION).last()?;
        Some(Self { source, position: position.parse().ok()?, texts: [source_at, position_at] })
    }
}

fn mark(source: &str) -> Result<MarkName, Status> {
    if source.is_empty() {
        return Err(invalid("the source of tracking info is empty; name it"));
    }
    let most = MarkName::MAX_BYTES - PREFIX.len();
    if source.len() > most {
        let size = source.len();
        return Err(invalid(format!("the source of tracking info has {size} bytes and the limit is {most}")));
    }
    MarkName::new(format!("{PREFIX}{source}")).map_err(invalid)
}
