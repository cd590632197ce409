//! `ledgerstone stores`: look after the files of a store.

use std::time::Duration;

use clap::{Args, Subcommand};
use ledgerstone::stores::{UpkeepStatus, Work};

use super::Session;
use crate::api::upkeep::{UpkeepBegun, UpkeepRequest, unsupported};
use crate::compose::{Access, Opened, clock};
use crate::duration_text::parse_duration;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Output, grouped};
use crate::progress_bar::ProgressBar;
use crate::remote::Remote;

/// Look after the files of a store.
#[derive(Debug, Subcommand)]
pub(super) enum Stores {
    /// Reclaim the room of what truncation, deletion and retention have removed, while the store is used
    Scavenge(Scavenge),
    /// Move older closed segments to the archive that the locator names, while the store is used
    Archive(Archive),
}

/// Reclaim the room of what truncation, deletion and retention have removed, while the store is used.
#[derive(Debug, Args)]
pub(super) struct Scavenge {
    /// Say what would be reclaimed, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Rewrite a segment only if it shrinks by so much of a hundred
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(0..=100))]
    least_percent: Option<u8>,
    /// Read and write so many bytes a second at most; without it as fast as the disk
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u64).range(1..))]
    bytes_per_second: Option<u64>,
}

/// Move older closed segments to the archive that the locator names, while the store is used.
#[derive(Debug, Args)]
pub(super) struct Archive {
    /// Move what was recorded longer ago, such as 90d or 12h
    #[arg(long, value_name = "AGE", value_parser = age)]
    older_than: Duration,
    /// Read and write so many bytes a second at most; without it as fast as the disk
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u64).range(1..))]
    bytes_per_second: Option<u64>,
}

fn age(text: &str) -> Result<Duration, &'static str> {
    parse_duration(text).ok_or("write a number with s, m, h or d, such as 90d")
}

impl Stores {
    pub(super) async fn run(self, session: &mut Session) -> Result<Exit, Failure> {
        let (request, what) = match self {
            Self::Scavenge(Scavenge { dry_run, least_percent, bytes_per_second }) => {
                let least_percent = least_percent.unwrap_or(session.settings.scavenge.least_percent);
                (
                    UpkeepRequest { work: Work::Scavenge { least_percent, dry_run }, bytes_per_second },
                    "scavenging",
                )
            }
            Self::Archive(Archive { older_than, bytes_per_second }) => {
                let age = i64::try_from(older_than.as_micros()).unwrap_or(i64::MAX);
                let now = clock().now().as_micros();
                let before = ledgerstone::core::Timestamp::from_micros(now.saturating_sub(age));
                (UpkeepRequest { work: Work::Archive { before }, bytes_per_second }, "archiving")
            }
        };
        let opened = session.open(Access::Read).await?;
        let bar = ProgressBar::bytes(&session.output, what, None);
        let tell = |status: &UpkeepStatus| tell(&bar, status);
        let status = match &opened.remote {
            Some(remote) => through(remote, &request, &tell).await?,
            None => here(&opened, &request, &tell).await?,
        };
        drop(bar);
        conclude(&mut session.output, &status)
    }
}

fn tell(bar: &ProgressBar, status: &UpkeepStatus) {
    bar.set(status.bytes_read + status.bytes_written);
    let (done, all) = (status.looked_at.max(status.moved), status.segments);
    bar.say(format!("segment {} of {}", grouped(done), grouped(all)));
}

/// Works in this process, which has the store open.
async fn here(
    opened: &Opened,
    request: &UpkeepRequest,
    tell: &(dyn Fn(&UpkeepStatus) + Send + Sync),
) -> Result<UpkeepStatus, Failure> {
    let backend = opened.backend.events.capabilities().backend;
    let upkeep = opened.backend.upkeep.as_ref().ok_or_else(|| unsupported(backend))?;
    while !upkeep.start(request.work, request.bytes_per_second)? {
        upkeep.finished(tell).await;
    }
    Ok(upkeep.finished(tell).await)
}

/// Lets the server work that owns the store, behind what it does already.
async fn through(
    remote: &Remote,
    request: &UpkeepRequest,
    tell: &(dyn Fn(&UpkeepStatus) + Send + Sync),
) -> Result<UpkeepStatus, Failure> {
    let body = serde_json::to_value(request).map_err(anyhow::Error::new)?;
    loop {
        let begun = remote.post("/v1/upkeep", &body).await?;
        let begun: UpkeepBegun = serde_json::from_value(begun).map_err(anyhow::Error::new)?;
        let mut status = begun.status;
        while status.running {
            tell(&status);
            status =
                serde_json::from_value(remote.get("/v1/upkeep?wait=1").await?).map_err(anyhow::Error::new)?;
        }
        if begun.started {
            return Ok(status);
        }
    }
}

/// Prints what came of it.
fn conclude(output: &mut Output, status: &UpkeepStatus) -> Result<Exit, Failure> {
    if let Some(problem) = &status.problem {
        return Err(problem.clone().into());
    }
    if output.json {
        output.document(status)?;
    } else {
        output.facts(&facts(status))?;
    }
    if status.stopped {
        output.remark("it was stopped before it was done, and can be begun again");
        return Ok(Exit::Interrupted);
    }
    Ok(Exit::Done)
}

fn facts(status: &UpkeepStatus) -> Vec<(&'static str, String)> {
    let mut facts = vec![("closed segments", grouped(status.segments))];
    match status.work {
        Some(Work::Archive { .. }) => {
            facts.push(("moved now", grouped(status.moved)));
            facts.push(("in the archive", grouped(status.archived)));
            facts.push(("bytes moved", grouped(status.bytes_written)));
        }
        Some(Work::Scavenge { dry_run, .. }) => {
            let tense = |done, would| if dry_run { would } else { done };
            facts.push((tense("rewritten", "would be rewritten"), grouped(status.rewritten)));
            facts.push((tense("events reclaimed", "events to be reclaimed"), grouped(status.events)));
            facts.push((tense("bytes reclaimed", "bytes to be reclaimed"), grouped(status.bytes_reclaimed)));
            facts.push(("bytes before", grouped(status.bytes)));
        }
        None => {}
    }
    facts
}
