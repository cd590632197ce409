//! `ledgerstone export`: events as NDJSON, to standard output or a file.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use flate2::Compression;
use flate2::write::GzEncoder;
use ledgerstone::core::{LogKind, Position, Selection};
use serde_json::json;

use super::Session;
use super::events_digest::whole;
use super::selection_arguments::SelectionArguments;
use crate::compose::{Access, Opened};
use crate::exit::Exit;
use crate::export::{ExportError, ExportFile, export};
use crate::failure::Failure;
use crate::output::grouped;
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
        let (selections, total) = self.selections(session, &opened).await?;
        match &self.to {
            Some(path) => self.to_file(session, &opened, selections, total, path).await?,
            None => self.to_stdout(session, &opened, selections).await?,
        }
        Ok(Exit::Done)
    }

    async fn selections(&self, session: &Session, opened: &Opened) -> Result<(Vec<Selection>, u64), Failure> {
        let events = &*opened.backend.events;
        let heads = events.head().await?.heads;
        let mut selections = Vec::new();
        let mut total = 0;
        for kind in self.log.kinds() {
            let mut selection = self.which.to_selection(whole(session, events), *kind)?;
            let head = heads.of(*kind);
            if head == Position::START {
                continue;
            }
            // Both counts end where they stood together.
            selection.up_to = Some(selection.up_to.unwrap_or(head).min(head));
            total += head.0;
            selections.push(selection);
        }
        Ok((selections, total))
    }

    async fn to_stdout(
        &self,
        session: &mut Session,
        opened: &Opened,
        selections: Vec<Selection>,
    ) -> Result<(), Failure> {
        let events = &*opened.backend.events;
        let writer = session.output.writer();
        let exported = if self.gzip {
            let mut packed = GzEncoder::new(writer, Compression::default());
            let exported = export(events, selections, &mut packed, &|_| {}).await;
            exported.and_then(|count| packed.finish().map(|_| count).map_err(Into::into))
        } else {
            export(events, selections, writer, &|_| {}).await
        };
        exported.map(drop).map_err(|error| failed(error, Path::new("standard output")))
    }

    async fn to_file(
        &self,
        session: &mut Session,
        opened: &Opened,
        selections: Vec<Selection>,
        total: u64,
        path: &Path,
    ) -> Result<(), Failure> {
        let packed = self.gzip || path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("gz"));
        let mut file = ExportFile::create(path, packed, self.force)?;
        let bar = ProgressBar::count(&session.output, "exporting", Some(total));
        let events = &*opened.backend.events;
        let stop = crate::serve::stop_signal();
        tokio::pin!(stop);
        let report = |count| bar.set(count);
        let exported = tokio::select! {
            exported = export(events, selections, &mut file, &report) => exported,
            () = &mut stop => return Err(interrupted()),
        };
        let count = exported.map_err(|error| failed(error, path))?;
        drop(bar);
        file.finish()?;
        if session.output.json {
            return session.output.document(&json!({ "events": count, "file": path }));
        }
        session.output.line(format!("{} events into {}", grouped(count), path.display()))
    }
}

fn interrupted() -> Failure {
    use ledgerstone::core::{Code, ErrorKind};
    Failure::new(ErrorKind::Internal, Code::Internal, "the export was interrupted; no file was written")
        .with_exit(Exit::Interrupted)
        .with_help("run it again")
}

fn failed(error: ExportError, path: &Path) -> Failure {
    match error {
        ExportError::Read(error) => error.into(),
        ExportError::Write(error) => {
            let failure = Failure::io(path.display(), &error);
            if error.kind() == std::io::ErrorKind::BrokenPipe {
                failure.with_exit(Exit::Done)
            } else {
                failure
            }
        }
    }
}
