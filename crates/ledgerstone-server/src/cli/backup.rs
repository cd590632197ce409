//! `ledgerstone backup`: the store copied into a folder while it is written to, and such copies checked.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::Args;
use ledgerstone::core::{Code, ErrorKind};
use ledgerstone::stores::{BackupChecked, Watch};

use super::Session;
use crate::compose::{back_up, check_backup};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Output, grouped};
use crate::progress_bar::ProgressBar;

/// Copy the store into a folder, while it is written to, and check such copies.
#[derive(Debug, Args)]
pub(super) struct BackupCommand {
    /// The folder of backups: empty, not there yet, or with an earlier backup, which is brought up to date
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Read the backup that is there whole, and take none
    #[arg(long)]
    verify: bool,
}

impl BackupCommand {
    pub(super) async fn run(self, session: &mut Session) -> Result<Exit, Failure> {
        if self.verify {
            return verify(&mut session.output, self.folder).await;
        }
        let (store, folder) = (session.settings.store.clone(), self.folder.clone());
        let bar = ProgressBar::bytes(&session.output, "copying", None);
        let taken = watched(bar, "backup", move |watch| back_up(&store, &folder, watch)).await?;
        if session.output.json {
            session.output.document(&taken)?;
            return Ok(Exit::Done);
        }
        session.output.line(format!(
            "backed up {} into {}",
            session.settings.store,
            self.folder.display()
        ))?;
        session.output.facts(&[
            ("  application events", grouped(taken.heads.application.0)),
            ("  system events", grouped(taken.heads.system.0)),
            ("  log and epoch", taken.log.to_string()),
            ("  files", format!("{}, {} bytes", grouped(taken.files), grouped(taken.bytes))),
            ("  new", format!("{}, {} bytes", grouped(taken.copied_files), grouped(taken.copied_bytes))),
        ])?;
        Ok(Exit::Done)
    }
}

async fn verify(output: &mut Output, folder: PathBuf) -> Result<Exit, Failure> {
    let bar = ProgressBar::bytes(output, "reading", None);
    let from = folder.clone();
    let checked = watched(bar, "check", move |watch| check_backup(&from, watch)).await?;
    if output.json {
        output.document(&checked)?;
    } else {
        output.facts(&facts(&checked))?;
        checked.problems.iter().try_for_each(|problem| output.line(format!("PROBLEM  {problem}")))?;
        if checked.problems.is_empty() {
            output.line("all is well")?;
        }
    }
    output.flush()?;
    conclude(&folder, checked.problems.len())
}

fn conclude(folder: &Path, problems: usize) -> Result<Exit, Failure> {
    let problems = match problems {
        0 => return Ok(Exit::Done),
        1 => "1 problem".to_owned(),
        more => format!("{more} problems"),
    };
    let message = format!("the backup in {} cannot be used: {problems}", folder.display());
    Err(Failure::new(ErrorKind::Corrupt, Code::BackupUnusable, message))
}

fn facts(checked: &BackupChecked) -> [(&'static str, String); 6] {
    [
        ("store", format!("{}:", checked.store)),
        ("taken at", checked.taken_at.to_string()),
        ("log and epoch", checked.log.to_string()),
        ("application events", grouped(checked.heads.application.0)),
        ("system events", grouped(checked.heads.system.0)),
        ("files", format!("{}, {} bytes", grouped(checked.files), grouped(checked.bytes))),
    ]
}

/// Does blocking work under a bar until it ends or somebody interrupts it.
pub(super) async fn watched<T: Send + 'static>(
    bar: ProgressBar,
    what: &'static str,
    work: impl FnOnce(Watch<'_>) -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    let stop = Arc::new(AtomicBool::new(false));
    let raised = Arc::clone(&stop);
    let interrupted = tokio::spawn(async move {
        crate::serve::stop_signal().await;
        raised.store(true, Ordering::Relaxed);
    });
    let done = tokio::task::spawn_blocking(move || {
        let progress = |done: u64, total: u64| {
            bar.set_total(total.max(done));
            bar.set(done);
        };
        let done = work(Watch { progress: &progress, stop: &stop });
        done.map_err(|failure| if stop.load(Ordering::Relaxed) { ended(what) } else { failure })
    });
    let done = done.await.map_err(anyhow::Error::new);
    interrupted.abort();
    done?
}

fn ended(what: &str) -> Failure {
    let message = format!("the {what} was interrupted; nothing was changed");
    Failure::new(ErrorKind::Unavailable, Code::Interrupted, message)
        .with_exit(Exit::Interrupted)
        .with_help("run it again")
}
