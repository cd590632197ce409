//! The scripts of the Redis store, and how what they take is written.

use std::sync::LazyLock;
use std::time::Duration;

use ledgerstone_core::{CacheEntry, LogPoint, Tag};
use redis::{Script, ScriptInvocation};

macro_rules! script {
    ($name:ident, $file:literal) => {
        pub(super) static $name: LazyLock<Script> =
            LazyLock::new(|| Script::new(concat!(include_str!("prelude.lua"), include_str!($file))));
    };
}

script!(READ, "read.lua");
script!(PUT, "put.lua");
script!(INVALIDATE, "invalidate.lua");
script!(LEASE, "lease.lua");
script!(RELEASE, "release.lua");

/// Writes a number so that text order is its order.
fn padded(number: u64) -> String {
    format!("{number:020}")
}

/// Returns a span in whole milliseconds, and never nothing.
pub(super) fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX).max(1)
}

fn nanos(span: Duration) -> String {
    span.as_nanos().to_string()
}

/// Adds what `put.lua` takes of an entry.
pub(super) fn add_entry(call: &mut ScriptInvocation<'_>, key: &str, entry: &CacheEntry) {
    let tags: Vec<_> = entry.tags.iter().map(Tag::as_str).collect();
    call.arg(key).arg(&entry.value[..]).arg(tags.join("\n"));
    call.arg(nanos(entry.fresh_for)).arg(nanos(entry.expires_after)).arg(millis(entry.expires_after));
    match entry.stamp {
        None => call.arg("").arg("").arg("").arg(""),
        Some(stamp) => {
            call.arg(stamp.incarnation).arg(padded(stamp.generation));
            match stamp.log {
                Some(point) => call.arg(point.log.to_string()).arg(padded(point.position.0)),
                None => call.arg("").arg(""),
            }
        }
    };
    call.arg(entry.fence.map(|fence| fence.to_string()).unwrap_or_default());
}

/// Adds what `invalidate.lua` takes of a point of the log.
pub(super) fn add_point(call: &mut ScriptInvocation<'_>, at: Option<LogPoint>) {
    match at {
        Some(LogPoint { log, position }) => {
            call.arg(log.id.simple().to_string()).arg(log.epoch).arg(padded(position.0))
        }
        None => call.arg("").arg("").arg(""),
    };
}
