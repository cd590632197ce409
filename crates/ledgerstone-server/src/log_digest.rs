//! Digests of logs: whether two logs hold the same records at the same positions.

use futures_util::StreamExt as _;
use ledgerstone::core::{
    CountEnd, EventStore, Frame, Heads, LogEnd, LogIdentity, LogKind, Position, RecordedEvent, Selection,
    TenantScope,
};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::failure::Failure;

/// The digest of a log, of both its counts; its identity is left out, so that a restored log has the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LogDigest {
    /// SHA-256 over the head of each count and the SHA-256 of its records, the application's first.
    pub digest: String,
    /// How many application events were read.
    pub application: u64,
    /// How many system events were read.
    pub system: u64,
    /// The newest position of each count; removed events make it larger than the number of events.
    pub heads: Heads,
}

impl LogDigest {
    /// Reads a log up to its heads.
    pub async fn of(
        events: &dyn EventStore,
        tenant: &TenantScope,
        progress: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<Self, Failure> {
        Self::visiting(events, tenant, progress, &mut |_, _| {}).await
    }

    /// Reads a log up to its heads and shows every frame to `visit`.
    pub async fn visiting(
        events: &dyn EventStore,
        tenant: &TenantScope,
        progress: &(dyn Fn(u64) + Send + Sync),
        visit: &mut (dyn FnMut(LogKind, &Frame) + Send),
    ) -> Result<Self, Failure> {
        let heads = events.head().await?.heads;
        let mut tally = LogTally::default();
        for kind in [LogKind::Application, LogKind::System] {
            let head = heads.of(kind);
            if head == Position::START {
                continue;
            }
            let selection = Selection::all().of(tenant.clone()).log(kind).up_to(head);
            let mut frames = events.read(selection);
            while let Some(frame) = frames.next().await {
                let frame = frame?;
                frame.events.iter().for_each(|event| tally.take(event));
                visit(kind, &frame);
                progress(tally.events());
            }
        }
        Ok(tally.finish(heads))
    }

    /// Describes the end of the log that has this digest.
    pub fn to_end(&self, log: LogIdentity) -> LogEnd {
        LogEnd {
            log: log.id,
            epoch: log.epoch,
            application: CountEnd { events: self.application, head: self.heads.application },
            system: CountEnd { events: self.system, head: self.heads.system },
            digest: self.digest.clone(),
        }
    }
}

/// A digest in the making: events of a count come in the order of their positions, the counts mixed at will.
#[derive(Debug, Default)]
pub struct LogTally {
    application: Tally,
    system: Tally,
}

#[derive(Debug, Default)]
struct Tally {
    records: Sha256,
    events: u64,
}

impl LogTally {
    /// Adds the next event of its count.
    pub fn take(&mut self, event: &RecordedEvent) {
        let tally = match event.log() {
            LogKind::Application => &mut self.application,
            LogKind::System => &mut self.system,
        };
        tally.records.update(event.to_long());
        tally.events += 1;
    }

    /// Returns how many events of both counts it has taken.
    pub fn events(&self) -> u64 {
        self.application.events + self.system.events
    }

    /// Tells whether an event stood at every position up to the heads.
    pub fn is_gapless(&self, heads: Heads) -> bool {
        (self.application.events, self.system.events) == (heads.application.0, heads.system.0)
    }

    /// Returns the digest of a log with these heads.
    pub fn finish(self, heads: Heads) -> LogDigest {
        let (application, system) = (self.application.events, self.system.events);
        let mut both = Sha256::new();
        for (tally, head) in [(self.application, heads.application), (self.system, heads.system)] {
            both.update(head.0.to_le_bytes());
            both.update(tally.records.finalize());
        }
        let digest = both.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        LogDigest { digest, application, system, heads }
    }
}
