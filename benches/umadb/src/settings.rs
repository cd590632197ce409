//! What the command line says.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use crate::server::Programs;

const USAGE: &str = "\
usage: ledgerstone-umadb check|measure --ledgerstone PROGRAM [--umadb PROGRAM] [OPTIONS]
  --events N     how many events the large log has (1000000)
  --seconds S    how long a window lasts (1)
  --rounds N     how many windows each figure is taken from, in turn (5)
  --folder DIR   where the data lies while it is measured (the system's folder for temporary files)
  --only WORDS   only the rows, or expectations, whose names contain the words; may be given again";

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// Hold the servers to expectations.
    Check,
    /// Time them.
    Measure,
}

/// How to do it.
#[derive(Debug)]
pub struct Settings {
    /// What.
    pub verb: Verb,
    /// With which servers.
    pub programs: Programs,
    /// How many events the large log has.
    pub events: u64,
    /// How long a window lasts.
    pub seconds: f64,
    /// How many windows each figure is taken from.
    pub rounds: usize,
    /// Where the data lies.
    pub folder: PathBuf,
    only: Vec<String>,
}

impl Settings {
    /// Reads the words of the command line.
    pub fn read(mut words: impl Iterator<Item = String>) -> Result<Self> {
        let verb = match words.next().as_deref() {
            Some("check") => Verb::Check,
            Some("measure") => Verb::Measure,
            _ => bail!("{USAGE}"),
        };
        let (mut ledgerstone, mut umadb) = (None, None);
        let programs = Programs { ledgerstone: PathBuf::new(), umadb: None };
        let (folder, only) = (std::env::temp_dir(), Vec::new());
        let mut settings = Self { verb, programs, events: 1_000_000, seconds: 1.0, rounds: 5, folder, only };
        while let Some(flag) = words.next() {
            let value = words.next().with_context(|| format!("{flag} needs a value\n{USAGE}"))?;
            match flag.as_str() {
                "--ledgerstone" => ledgerstone = Some(PathBuf::from(value)),
                "--umadb" => umadb = Some(PathBuf::from(value)),
                "--events" => settings.events = value.parse().context("--events")?,
                "--seconds" => settings.seconds = value.parse().context("--seconds")?,
                "--rounds" => settings.rounds = value.parse().context("--rounds")?,
                "--folder" => settings.folder = value.into(),
                "--only" => settings.only.push(value),
                unknown => bail!("{unknown} is not known\n{USAGE}"),
            }
        }
        let ledgerstone = ledgerstone.with_context(|| format!("--ledgerstone is missing\n{USAGE}"))?;
        settings.programs = Programs { ledgerstone, umadb };
        Ok(settings)
    }

    /// Tells whether a row is wanted.
    pub fn wants(&self, row: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|words| row.contains(words.as_str()))
    }
}
