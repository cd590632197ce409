//! `ledgerstone completions`: scripts by which a shell completes commands.

use clap::{Args, Command};
use clap_complete::{Shell, generate};

use super::Session;
use crate::exit::Exit;
use crate::failure::Failure;

/// Print a completion script for a shell.
#[derive(Debug, Args)]
pub(super) struct Completions {
    /// The shell
    shell: Shell,
}

impl Completions {
    pub(super) fn run(self, session: &mut Session, mut command: Command) -> Result<Exit, Failure> {
        let mut script = Vec::new();
        generate(self.shell, &mut command, "ledgerstone", &mut script);
        session.output.text(&String::from_utf8_lossy(&script))?;
        Ok(Exit::Done)
    }
}
