//! Digests of logs: whether two logs hold the same records at the same positions.

use futures_util::StreamExt as _;
use ledgerstone::core::{EventStore, Frame, Heads, LogKind, Position, Selection, TenantScope};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::failure::Failure;

/// The digest of a log, of both its counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LogDigest {
    /// SHA-256 over every record, the application's by position and then the system's.
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
        let mut hasher = Sha256::new();
        let mut counts = [0, 0];
        for (kind, count) in [LogKind::Application, LogKind::System].into_iter().zip(&mut counts) {
            let head = heads.of(kind);
            if head == Position::START {
                continue;
            }
            let selection = Selection::all().of(tenant.clone()).log(kind).up_to(head);
            let mut frames = events.read(selection);
            while let Some(frame) = frames.next().await {
                let frame = frame?;
                for event in &frame.events {
                    hasher.update(event.as_bytes());
                }
                visit(kind, &frame);
                *count += frame.events.len() as u64;
                progress(*count);
            }
        }
        let digest = hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        let [application, system] = counts;
        Ok(Self { digest, application, system, heads })
    }
}
