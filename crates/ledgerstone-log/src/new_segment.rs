//! Making a new segment: its header and what it takes over from those before it, durable before it has its name.

use std::sync::Arc;

use crate::disk::DiskFile;
use crate::failure::LogError;
use crate::frame::{CHECKSUM_BYTES, FRAME_HEADER_BYTES, FrameHeader, FrameKind, put_at, seal, size32};
use crate::growing_segment::GrowingSegment;
use crate::places::Places;
use crate::segment_header::{HEADER_BYTES, PARTIAL, SegmentHeader, segment_name};
use crate::shared::Shared;
use crate::tail::Tail;

/// How many bytes of what a segment takes over stand in one frame, roughly.
const PART_BYTES: usize = 1024 * 1024;

/// Why a segment could not be made.
#[derive(Debug)]
pub(crate) struct NotCreated {
    pub(crate) error: LogError,
    /// Whether its name may be there after a crash.
    pub(crate) may_turn_up: bool,
}

/// Makes a segment: its header, and what it takes over, durable before it gets its name.
///
/// `before` is the tail of the segment before it: this one's will be about as large.
pub(crate) fn new_segment(
    shared: &Shared,
    mut header: SegmentHeader,
    before: Option<&Tail>,
) -> Result<GrowingSegment, NotCreated> {
    let mut bytes = vec![0; HEADER_BYTES];
    {
        let mut state = shared.state.write();
        state.sweep(header.recorded_at);
        for part in state.parts(PART_BYTES) {
            put_part(&mut bytes, &header, &part);
        }
    }
    header.batches_at = bytes.len() as u64;
    put_at(&mut bytes, 0, &header.encode());
    let tail = before.map_or_else(|| Tail::after(header.heads), |tail| Tail::sized_like(header.heads, tail));
    let name = segment_name(header.number);
    let file = write_segment(shared, &name, &bytes)?;
    let known = (Places::after(header.heads), tail);
    Ok(GrowingSegment::new(header, bytes.len() as u64, file, known))
}

fn write_segment(shared: &Shared, name: &str, bytes: &[u8]) -> Result<Arc<dyn DiskFile>, NotCreated> {
    let disk = &shared.disk;
    let partial = format!("{name}{PARTIAL}");
    let certain = |error| NotCreated { error, may_turn_up: false };
    // What an earlier attempt left does not matter.
    let _ = disk.remove(&partial);
    let file = disk.create(&partial).map_err(LogError::disk("creating", name)).map_err(certain)?;
    file.write_at(0, bytes).map_err(LogError::disk("writing", name)).map_err(certain)?;
    if shared.options.presized {
        // A file that has its size already is synced in fewer steps; the zeros take no room until they are written.
        file.set_size(shared.options.segment_bytes.max(bytes.len() as u64))
            .map_err(LogError::disk("sizing", name))
            .map_err(certain)?;
    }
    file.sync().map_err(LogError::disk("syncing", name)).map_err(certain)?;
    let named = disk.rename(&partial, name).and_then(|()| disk.sync_names());
    named.map_err(|source| {
        let gone = disk.remove(name).and_then(|()| disk.sync_names()).is_ok();
        NotCreated { error: LogError::disk("naming", name)(source), may_turn_up: !gone }
    })?;
    Ok(file)
}

fn put_part(bytes: &mut Vec<u8>, header: &SegmentHeader, part: &[u8]) {
    let frame = bytes.len();
    bytes.resize(frame + FRAME_HEADER_BYTES + CHECKSUM_BYTES, 0);
    bytes.extend_from_slice(part);
    seal(bytes, frame + FRAME_HEADER_BYTES, header.salt);
    let size = size32(part.len() + CHECKSUM_BYTES);
    let frame_header = FrameHeader {
        kind: FrameKind::TakenOver,
        body: size,
        events: 0,
        durable: HEADER_BYTES as u32,
        marks: size,
        heads: header.heads,
    };
    put_at(bytes, frame, &frame_header.encode(header.salt));
}

/// Returns what the checksums of a new segment begin with.
pub(crate) fn salt(shared: &Shared) -> u32 {
    let hash = xxhash_rust::xxh3::xxh3_64(shared.options.ids.next_id().as_bytes());
    (hash >> 32) as u32 ^ hash as u32
}
