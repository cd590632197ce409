//! `ledgerstone events verify`: whether a whole store is sound.

use clap::Args;
use ledgerstone::core::{Code, ErrorKind};

use super::Session;
use super::events_digest::whole;
use crate::compose::inspect_files;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::log_check::{LogCheck, check_log};
use crate::output::{Output, grouped};
use crate::progress_bar::ProgressBar;

/// Read the whole store and check it: every record, number, time and batch, and the index of a `sqlite:` store.
#[derive(Debug, Args)]
pub(super) struct Verify {}

impl Verify {
    pub(super) async fn run(self, session: &mut Session) -> Result<Exit, Failure> {
        let bar = ProgressBar::count(&session.output, "looking at the file", None);
        let files = inspect_files(&session.settings.store).await?;
        drop(bar);
        let damaged = files.as_ref().is_some_and(|files| !files.problems.is_empty());
        let opened = match session.open_to_check().await {
            // What keeps the store from opening is among what was found.
            Err(failure) if damaged && failure.code() == Code::Corrupt => {
                return conclude(&mut session.output, &LogCheck::default().with_files(files));
            }
            opened => opened?,
        };
        let events = &*opened.backend.events;
        let bar = ProgressBar::count(&session.output, "reading", None);
        let check = check_log(events, &whole(session, events), &|count| bar.set(count)).await?;
        drop(bar);
        conclude(&mut session.output, &check.with_files(files))
    }
}

/// Prints what was found, and fails if anything was.
fn conclude(output: &mut Output, check: &LogCheck) -> Result<Exit, Failure> {
    if output.json {
        output.document(check)?;
    } else {
        output.facts(&facts(check))?;
        check.problems.iter().try_for_each(|problem| output.line(format!("PROBLEM  {problem}")))?;
        if check.problem_count() == 0 {
            output.line("all is well")?;
        }
    }
    output.flush()?;
    match check.problem_count() {
        0 => Ok(Exit::Done),
        problems => {
            let message = match problems {
                1 => "the store is damaged: 1 problem".to_owned(),
                more => format!("the store is damaged: {} problems", grouped(more)),
            };
            Err(Failure::new(ErrorKind::Corrupt, Code::Corrupt, message))
        }
    }
}

fn facts(check: &LogCheck) -> Vec<(&'static str, String)> {
    let mut facts = Vec::new();
    if let Some(digest) = &check.digest {
        facts.push(("digest", digest.digest.clone()));
        facts.push(("application events", grouped(digest.application)));
        facts.push(("system events", grouped(digest.system)));
        facts.push(("streams", grouped(check.streams)));
        facts.push(("removed events", grouped(check.removed)));
    }
    match &check.files {
        Some(files) => {
            facts.push(("records looked at", grouped(files.application + files.system)));
            facts.extend(files.index_entries.map(|entries| ("index entries", grouped(entries))));
        }
        None => facts.push(("files", "not looked at: the store has none here".to_owned())),
    }
    facts
}
