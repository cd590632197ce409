//! `ledgerstone demo`: everything in small, in a temporary folder unless one is named.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use clap::Args;
use ledgerstone::core::Locator;
use ledgerstone::stores::RebuildWatch;

use super::Session;
use crate::compose::open_own;
use crate::demo::{Stage, run};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::progress_bar::ProgressBar;

/// Show everything in small: a client directory, from feed to search.
#[derive(Debug, Args)]
pub(super) struct Demo {
    /// Keep the data in this folder
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
}

impl Demo {
    pub(super) async fn run(self, session: &mut Session) -> Result<Exit, Failure> {
        let folder = match self.folder {
            Some(folder) => folder,
            // It is kept: the demo ends with commands to look at what it left.
            None => {
                let temporary = tempfile::Builder::new().prefix("ledgerstone-demo-").tempdir();
                temporary.map_err(|error| Failure::io("a temporary folder", &error))?.keep()
            }
        };
        let locator: Locator = format!("file:{}", folder.display()).parse()?;
        let opened = open_own(&session.settings.with_store(locator.clone()), RebuildWatch::default()).await?;
        let bar = ProgressBar::count(&session.output, "recording", None);
        let recorded = AtomicU64::new(0);
        let progress =
            |more: usize| bar.set(recorded.fetch_add(more as u64, Ordering::Relaxed) + more as u64);
        let mut silent = std::io::sink();
        let json = session.output.json;
        let out: &mut dyn std::io::Write = if json { &mut silent } else { session.output.writer() };
        let mut stage = Stage { out, store: locator.to_string(), progress: &progress };
        let shown = Box::pin(run(&opened.backend, &mut stage)).await;
        drop(bar);
        opened.backend.close().await;
        let seen = shown?;
        if json {
            session.output.document(&seen)?;
        }
        Ok(Exit::Done)
    }
}
