//! Scavenging from time to time, as long as a server runs.

use ledgerstone::stores::{Upkeep, Work};
use tokio_util::sync::CancellationToken;

use crate::settings::ScavengeSettings;

/// Scavenges whenever so much time has passed and something may have been removed, until told to stop.
pub(crate) async fn run(upkeep: Option<Upkeep>, settings: ScavengeSettings, stopping: CancellationToken) {
    let (Some(upkeep), Some(every)) = (upkeep, settings.every) else { return };
    loop {
        tokio::select! {
            () = stopping.cancelled() => return,
            () = tokio::time::sleep(every) => {}
        }
        if !upkeep.may_scavenge() {
            continue;
        }
        let work = Work::Scavenge { least_percent: settings.least_percent, dry_run: false };
        match upkeep.start(work, settings.bytes_per_second) {
            Ok(true) => {}
            Ok(false) => continue,
            Err(error) => {
                tracing::warn!(%error, "no scavenge was begun; it is tried again later");
                continue;
            }
        }
        let status = tokio::select! {
            () = stopping.cancelled() => return,
            status = upkeep.finished(&|_| {}) => status,
        };
        tracing::info!(
            segments = status.segments,
            rewritten = status.rewritten,
            events = status.events,
            bytes_reclaimed = status.bytes_reclaimed,
            "scavenged"
        );
    }
}
