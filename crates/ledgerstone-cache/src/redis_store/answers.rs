//! What the scripts answer, read back.

use std::time::Duration;

use bytes::Bytes;
use ledgerstone_core::{
    BackendError, CacheEntry, CacheHit, CacheStamp, ErrorKind, LogIdentity, LogPoint, Position, Tag,
};

use super::scripts::millis;

/// The store's life, its count of invalidations, its log and how far that was told.
pub(super) type Meta = (String, String, String, String);
/// The fields of each entry that was found, in the order in which `read.lua` asks for them.
pub(super) type Hits = Vec<Option<Vec<Vec<u8>>>>;

pub(super) fn stamp((incarnation, generation, log, position): &Meta) -> Result<CacheStamp, BackendError> {
    let read = || {
        let log = match log.as_str() {
            "" => None,
            text => {
                let log: LogIdentity = text.parse().ok()?;
                Some(LogPoint { log, position: Position(position.parse().ok()?) })
            }
        };
        Some(CacheStamp { incarnation: incarnation.parse().ok()?, generation: generation.parse().ok()?, log })
    };
    read().ok_or_else(damaged)
}

pub(super) fn hits(found: Hits) -> Result<Vec<Option<CacheHit>>, BackendError> {
    let read =
        |fields: Option<Vec<Vec<u8>>>| fields.map(|fields| hit(fields).ok_or_else(damaged)).transpose();
    let hits: Result<Vec<_>, _> = found.into_iter().map(read).collect();
    // Less than a millisecond may be left of an entry whose time is over.
    Ok(hits?.into_iter().map(|hit| hit.filter(|hit: &CacheHit| hit.age < hit.entry.expires_after)).collect())
}

fn hit(mut fields: Vec<Vec<u8>>) -> Option<CacheHit> {
    let text = |index: usize| std::str::from_utf8(fields.get(index)?).ok();
    let span = |index: usize| Some(Duration::from_nanos(text(index)?.parse().ok()?));
    let (fresh_for, expires_after) = (span(2)?, span(3)?);
    let meta = (text(4)?.to_owned(), text(5)?.to_owned(), text(6)?.to_owned(), text(7)?.to_owned());
    let fence = text(8)?.parse().ok();
    let left: u64 = text(9)?.parse().ok()?;
    let tags: Option<Vec<Tag>> =
        text(1)?.split('\n').filter(|tag| !tag.is_empty()).map(|tag| Tag::new(tag).ok()).collect();
    let age = Duration::from_millis(millis(expires_after).saturating_sub(left));
    let stamp = Some(stamp(&meta).ok()?);
    let value = Bytes::from(std::mem::take(fields.get_mut(0)?));
    Some(CacheHit { entry: CacheEntry { value, tags: tags?, fresh_for, expires_after, stamp, fence }, age })
}

fn damaged() -> BackendError {
    let message = "an answer does not read back; something else writes under this prefix: choose another";
    BackendError::new(ErrorKind::Corrupt, "redis", "read", message)
}
