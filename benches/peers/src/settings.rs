//! What is measured, how long and with how much data: read from the words of the command line.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};

/// How the flags are used.
pub(crate) const USAGE: &str = "\
Usage: cargo xtask bench peers [FLAGS]

  --events N     events in the log before appends are measured (1000000); the log with scattered tags has
                 eight times as many, the one that is killed ten times
  --windows N    rounds, in each of which everything runs once (5)
  --seconds S    length of a window (1)
  --only ROW     measures only the rows whose name contains ROW; may be given again
  --store NAME   lets only the stores run whose name contains NAME, for a profiler; nothing is judged then
  --folder DIR   keeps the data in DIR, and uses what is there already

Rows: singles-64 singles-256 batches-1000 batches-64 batches-512 guarded-64
      tag-warm-1 tag-warm-16 tag-cold-1 tag-cold-16 read-all open-clean
      stream-load open-killed disk-use";

/// What is measured, how long and with how much data.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// How many events a log holds before appends are measured.
    pub(crate) events: u64,
    /// How many rounds there are.
    pub(crate) windows: usize,
    /// How long a window is.
    pub(crate) length: Duration,
    /// Which rows; all if there are none.
    only: Vec<String>,
    /// Who runs alone.
    pub(crate) store: Option<String>,
    /// Where the data is kept; a passing folder if nowhere.
    pub(crate) folder: Option<PathBuf>,
}

impl Settings {
    /// Reads the flags.
    pub(crate) fn parse(words: &[String]) -> Result<Self> {
        let length = Duration::from_secs(1);
        let only = Vec::new();
        let mut settings = Self { events: 1_000_000, windows: 5, length, only, store: None, folder: None };
        let mut words = words.iter();
        while let Some(flag) = words.next() {
            let value = words.next().with_context(|| format!("{flag} needs a value\n\n{USAGE}"))?;
            let wrong = || format!("{flag} cannot be {value:?}");
            match flag.as_str() {
                "--events" => settings.events = value.parse().with_context(wrong)?,
                "--windows" => settings.windows = value.parse().with_context(wrong)?,
                "--seconds" => {
                    let seconds = value.parse().with_context(wrong)?;
                    settings.length = Duration::try_from_secs_f64(seconds).with_context(wrong)?;
                }
                "--only" => settings.only.push(value.clone()),
                "--store" => settings.store = Some(value.clone()),
                "--folder" => settings.folder = Some(value.into()),
                unknown => bail!("{unknown} is no flag\n\n{USAGE}"),
            }
        }
        anyhow::ensure!(settings.events >= 1_000, "--events below 1000 measures nothing");
        anyhow::ensure!(settings.windows > 0, "--windows 0 measures nothing");
        Ok(settings)
    }

    /// Tells whether a row is wanted.
    pub(crate) fn wants(&self, row: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| row.contains(only.as_str()))
    }

    /// Tells whether a store takes part.
    pub(crate) fn runs(&self, store: &str) -> bool {
        self.store.as_ref().is_none_or(|only| store.contains(only.as_str()))
    }

    /// Tells whether any of these rows is wanted.
    pub(crate) fn wants_any(&self, rows: &[&str]) -> bool {
        rows.iter().any(|row| self.wants(row))
    }
}

#[cfg(test)]
mod tests {
    use super::Settings;

    fn parse(words: &str) -> anyhow::Result<Settings> {
        Settings::parse(&words.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn flags_are_read_and_unknown_ones_refused() {
        let settings = parse("--events 5000 --seconds 0.5 --only singles --only open").unwrap();
        assert_eq!((settings.events, settings.length.as_millis()), (5000, 500));
        assert!(settings.wants("singles-64") && settings.wants("open-clean") && !settings.wants("read-all"));
        for wrong in ["--event 5", "--events", "--events many", "--windows 0", "--seconds -1"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
