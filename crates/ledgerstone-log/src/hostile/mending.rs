//! Checksums made right again, as somebody would who means it.

use crate::frame::{CHECKSUM_BYTES, FRAME_HEADER_BYTES, checksum, record_size};
use crate::segment_header::{HEADER_BYTES, u32_at, u64_at};

/// How many bytes the footer of an index has.
const FOOTER: usize = 112;

/// Makes every checksum right that can be found.
pub(super) fn mend(name: &str, bytes: &mut [u8]) {
    match name.rsplit_once('.') {
        Some((_, "log")) => mend_segment(bytes),
        Some((_, "places")) => {
            let sum = crc32c::crc32c(bytes.get(12..).unwrap_or_default());
            put(bytes, 8, sum);
        }
        Some((_, "index")) => mend_index(bytes),
        _ => {}
    }
}

fn mend_segment(bytes: &mut [u8]) {
    let Some(header) = bytes.get(..HEADER_BYTES) else { return };
    let sum = crc32c::crc32c_append(crc32c::crc32c(&header[..12]), &header[16..]);
    let salt = u32_at(header, 60);
    put(bytes, 12, sum);
    let mut at = HEADER_BYTES;
    while let Some(frame) = bytes.get(at..at + FRAME_HEADER_BYTES) {
        if frame.iter().all(|byte| *byte == 0) {
            return;
        }
        let (body, events) = (u32_at(frame, 4) as usize, u32_at(frame, 12));
        let sum = checksum(salt, &frame[4..]);
        put(bytes, at, sum);
        let end = (at + FRAME_HEADER_BYTES).saturating_add(body).min(bytes.len());
        let mut place = at + FRAME_HEADER_BYTES;
        for _ in 0..events {
            let begin = place + CHECKSUM_BYTES;
            let size = bytes.get(begin..end).and_then(record_size).filter(|size| begin + size <= end);
            let Some(size) = size else { break };
            let sum = checksum(salt, &bytes[begin..begin + size]);
            put(bytes, place, sum);
            place = begin + size;
        }
        if let Some(marks) = bytes.get(place + CHECKSUM_BYTES..end).filter(|marks| !marks.is_empty()) {
            let sum = checksum(salt, marks);
            put(bytes, place, sum);
        }
        at = end;
    }
}

fn mend_index(bytes: &mut [u8]) {
    let Some(footer_at) = bytes.len().checked_sub(FOOTER) else { return };
    let footer = bytes.get(footer_at..).unwrap_or_default();
    let covers = footer.get(..32).unwrap_or_default().to_vec();
    let blocks = u64_at(footer, 32).saturating_add(u64_at(footer, 40)).min(bytes.len() as u64 / 64);
    let size = u32_at(footer, 88) as usize;
    let mut at = 0_usize;
    for number in 0..blocks {
        let Some(block) = bytes.get(at..at.saturating_add(size).min(footer_at)) else { break };
        let salt = crc32c::crc32c_append(crc32c::crc32c(&covers), &number.to_le_bytes());
        let sum = crc32c::crc32c_append(salt, block.get(4..).unwrap_or_default());
        put(bytes, at, sum);
        at = at.saturating_add(size);
    }
    let fences = bytes.get(at.min(footer_at)..footer_at).unwrap_or_default();
    let sum = crc32c::crc32c(fences);
    put(bytes, footer_at + 92, sum);
    let footer = bytes.get(footer_at..).unwrap_or_default();
    let sum = crc32c::crc32c_append(crc32c::crc32c(&footer[..96]), &footer[100..]);
    put(bytes, footer_at + 96, sum);
}

fn put(bytes: &mut [u8], at: usize, sum: u32) {
    if let Some(place) = bytes.get_mut(at..at + 4) {
        place.copy_from_slice(&sum.to_le_bytes());
    }
}
