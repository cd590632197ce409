//! `ledgerstone export`: events as NDJSON, to standard output or a file.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use flate2::Compression;
use flate2::write::GzEncoder;
use ledgerstone::core::{LogKind, Position, Selection, TenantScope};
use serde_json::json;

use super::Session;
use super::events_digest::whole;
use super::selection_arguments::SelectionArguments;
use crate::compose::{Access, Opened};
use crate::exit::Exit;
use crate::export::{ExportError, ExportFile, Exported, Exporting, Reach, export};
use crate::failure::Failure;
use crate::output::{grouped, stdout_failed};
use crate::progress_bar::ProgressBar;

/// Export events as NDJSON, every field of each.
#[derive(Debug, Args)]
pub(super) struct ExportCommand {
    /// Write to this file instead of standard output; .gz packs it
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
    /// Pack with gzip
    #[arg(long)]
    gzip: bool,
    /// Replace the file if it exists
    #[arg(long, requires = "to")]
    force: bool,
    /// Whose events: the application's, the system's, or both
    #[arg(long, value_enum, default_value_t = Which::Both)]
    log: Which,
    #[command(flatten)]
    which: SelectionArguments,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Which {
    Application,
    System,
    Both,
}

impl Which {
    fn kinds(self) -> &'static [LogKind] {
        match self {
            Self::Application => &[LogKind::Application],
            Self::System => &[LogKind::System],
            Self::Both => &[LogKind::Application, LogKind::System],
        }
    }
}

impl ExportCommand {
    pub(super) async fn run(self, session: &mut Session) -> Result<Exit, Failure> {
        let opened = session.open(Access::Read).await?;
        let exporting = self.exporting(session, &opened).await?;
        let reach = exporting.reach;
        let exported = match &self.to {
            Some(path) => self.to_file(session, &opened, exporting, path).await?,
            None => self.to_stdout(session, &opened, exporting).await?,
        };
        if reach == Reach::Tenant && !exported.is_whole {
            session.output.remark(
                "the export holds the events of one tenant and is not marked as a whole log; \
                 a restore takes it with --incomplete",
            );
        }
        Ok(Exit::Done)
    }

    async fn exporting(&self, session: &Session, opened: &Opened) -> Result<Exporting, Failure> {
        let events = &*opened.backend.events;
        let head = events.head().await?;
        let scope = whole(session, events);
        let mut reach = if scope == TenantScope::All { Reach::Whole } else { Reach::Tenant };
        if self.log != Which::Both {
            reach = Reach::Selected;
        }
        let mut selections = Vec::new();
        for kind in self.log.kinds() {
            let mut selection = self.which.to_selection(scope.clone(), *kind)?;
            if selection != Selection::all().of(scope.clone()).log(*kind) {
                reach = Reach::Selected;
            }
            let head = head.heads.of(*kind);
            if head == Position::START {
                continue;
            }
            // Both counts end where they stood together.
            selection.up_to = Some(selection.up_to.unwrap_or(head).min(head));
            selections.push(selection);
        }
        Ok(Exporting { selections, head, reach })
    }

    async fn to_stdout(
        &self,
        session: &mut Session,
        opened: &Opened,
        exporting: Exporting,
    ) -> Result<Exported, Failure> {
        let events = &*opened.backend.events;
        let writer = session.output.writer();
        let exported = if self.gzip {
            let mut packed = GzEncoder::new(writer, Compression::default());
            let exported = export(events, exporting, &mut packed, &|_| {}).await;
            exported.and_then(|exported| packed.finish().map(|_| exported).map_err(Into::into))
        } else {
            export(events, exporting, writer, &|_| {}).await
        };
        exported.map_err(|error| match error {
            ExportError::Read(error) => error.into(),
            ExportError::Write(error) => stdout_failed(&error),
        })
    }

    async fn to_file(
        &self,
        session: &mut Session,
        opened: &Opened,
        exporting: Exporting,
        path: &Path,
    ) -> Result<Exported, Failure> {
        let packed = self.gzip || path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("gz"));
        let mut file = ExportFile::create(path, packed, self.force, &opened.locator)?;
        let total =
            exporting.selections.iter().filter_map(|selection| selection.up_to).map(|last| last.0).sum();
        let bar = ProgressBar::count(&session.output, "exporting", Some(total));
        let events = &*opened.backend.events;
        let stop = crate::serve::stop_signal();
        tokio::pin!(stop);
        let report = |count| bar.set(count);
        let exported = tokio::select! {
            exported = export(events, exporting, &mut file, &report) => exported,
            () = &mut stop => return Err(interrupted()),
        };
        let exported = exported.map_err(|error| match error {
            ExportError::Read(error) => error.into(),
            ExportError::Write(error) => Failure::io(path.display(), &error),
        })?;
        drop(bar);
        file.finish()?;
        let Exported { events, is_whole } = exported;
        if session.output.json {
            session.output.document(&json!({ "events": events, "whole": is_whole, "file": path }))?;
        } else {
            session.output.line(format!("{} events into {}", grouped(events), path.display()))?;
        }
        Ok(exported)
    }
}

fn interrupted() -> Failure {
    use ledgerstone::core::{Code, ErrorKind};
    Failure::new(ErrorKind::Unavailable, Code::Interrupted, "the export was interrupted; no file was written")
        .with_exit(Exit::Interrupted)
        .with_help("run it again")
}
