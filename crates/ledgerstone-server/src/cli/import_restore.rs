//! `ledgerstone import --restore`: an export comes back as it was.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ledgerstone::core::{Locator, LogHead};
use tokio::runtime::Handle;

use super::Session;
use crate::compose::{Access, can_restore, is_missing, only_local, open_restore, owner};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::import::{Checked, ImportProgress, Input, Restored, check, restore, validate};
use crate::output::grouped;
use crate::progress_bar::ProgressBar;

/// Restores a file into the configured store.
pub(super) async fn run(session: &mut Session, file: &Path, incomplete: bool) -> Result<Exit, Failure> {
    let input = Input::new(file);
    if input == Input::Stdin {
        return Err(Failure::usage("standard input cannot be restored: the file is read more than once")
            .with_help("put it into a file first"));
    }
    let (looked_at, bar) = (input.clone(), ProgressBar::bytes(&session.output, "checking", None));
    let checked = blocking(move || validate(&looked_at, incomplete)).await?;
    drop(bar);

    undo_unfinished(&session.settings.store).await?;
    let opened = session.open(Access::Write).await?;
    only_local(&opened, "a restore")?;
    let (looked_at, found) = (input.clone(), checked.clone());
    let (events, handle) = (Arc::clone(&opened.backend.events), Handle::current());
    let stands = blocking(move || check(&looked_at, &found, &events, &handle)).await;
    opened.backend.close().await;
    let stands = stands?;

    let stop = Arc::new(AtomicBool::new(false));
    let raised = Arc::clone(&stop);
    let interrupted = tokio::spawn(async move {
        crate::serve::stop_signal().await;
        raised.store(true, Ordering::Relaxed);
    });
    let bar =
        ProgressBar::bytes(&session.output, "restoring", std::fs::metadata(file).ok().map(|file| file.len()));
    let locator = opened.locator.clone();
    let restored = blocking(move || write(&input, checked, stands, &locator, &stop, &bar)).await;
    interrupted.abort();
    tell(session, &opened.locator, restored?)
}

/// Takes out what a killed restore left: else the store could not even be looked at.
async fn undo_unfinished(store: &Locator) -> Result<(), Failure> {
    if !can_restore(store)? || is_missing(store) || owner(store).await?.is_some() {
        return Ok(());
    }
    let store = store.clone();
    blocking(move || {
        open_restore(&store)?.finish();
        Ok(())
    })
    .await
}

fn write(
    input: &Input,
    checked: Checked,
    stands: LogHead,
    locator: &Locator,
    stop: &AtomicBool,
    bar: &ProgressBar,
) -> Result<Restored, Failure> {
    let mut restorer = open_restore(locator)?;
    let progress = |progress: ImportProgress| bar.set(progress.bytes);
    let restored = restore(input, checked, stands, &mut *restorer, stop, &progress);
    restorer.finish();
    restored
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    tokio::task::spawn_blocking(work).await.map_err(anyhow::Error::new)?
}

fn tell(session: &mut Session, locator: &Locator, restored: Restored) -> Result<Exit, Failure> {
    if session.output.json {
        session.output.document(&restored)?;
    } else {
        session.output.line(format!("restored into {locator}"))?;
        session.output.facts(&[
            ("  application events", grouped(restored.application)),
            ("  system events", grouped(restored.system)),
            ("  already there", grouped(restored.already_there)),
            ("  log and epoch", restored.log.to_string()),
        ])?;
        if let Some(missing) = restored.missing {
            session.output.line(format!("what was there is restored, and it is no whole log: {missing}"))?;
        }
    }
    Ok(Exit::Done)
}
