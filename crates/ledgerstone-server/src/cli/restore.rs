//! `ledgerstone restore`: a store made of a backup.

use std::path::PathBuf;

use clap::Args;

use super::Session;
use super::backup::watched;
use crate::compose::restore_backup;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::grouped;
use crate::progress_bar::ProgressBar;

/// Make a store of a backup.
#[derive(Debug, Args)]
pub(super) struct RestoreCommand {
    /// The folder of the backup; it goes where --store says, which must be empty or not there yet
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

impl RestoreCommand {
    pub(super) async fn run(self, session: &mut Session) -> Result<Exit, Failure> {
        let (store, folder) = (session.settings.store.clone(), self.folder);
        let bar = ProgressBar::bytes(&session.output, "restoring", None);
        let restored = watched(bar, "restore", move |watch| restore_backup(&folder, &store, watch)).await?;
        if session.output.json {
            session.output.document(&restored)?;
            return Ok(Exit::Done);
        }
        session.output.line(format!("restored into {}", session.settings.store))?;
        session.output.facts(&[
            ("  application events", grouped(restored.heads.application.0)),
            ("  system events", grouped(restored.heads.system.0)),
            ("  as of", restored.taken_at.to_string()),
            ("  log and epoch", restored.log.to_string()),
            ("  forked from", restored.forked_from.to_string()),
            ("  read models that go on", grouped(restored.read_models)),
        ])?;
        Ok(Exit::Done)
    }
}
