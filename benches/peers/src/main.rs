//! Measures the `file:` store against a plain log and against its peers, in one run on one machine.

mod appending;
mod engine;
mod fact;
mod killed;
mod ledgerstone_store;
mod loading;
mod page_cache;
mod plain_log;
mod scattered;
mod settings;
mod tephra_store;
mod window;

use std::process::ExitCode;

use anyhow::Result;

use crate::settings::{Settings, USAGE};

fn main() -> Result<ExitCode> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.split_first() {
        Some((first, rest)) if first == killed::CHILD => {
            killed::child(rest)?;
            Ok(ExitCode::SUCCESS)
        }
        Some((first, _)) if first == "--help" => {
            say(USAGE.to_owned())?;
            Ok(ExitCode::SUCCESS)
        }
        _ => run(&Settings::parse(&words)?),
    }
}

fn run(settings: &Settings) -> Result<ExitCode> {
    let passing = tempfile::tempdir()?;
    let folder = settings.folder.as_deref().unwrap_or(passing.path());
    std::fs::create_dir_all(folder)?;
    let mut rows = Vec::new();
    window::print_head()?;
    appending::measure(settings, passing.path(), &mut rows)?;
    loading::measure(settings, passing.path(), &mut rows)?;
    scattered::measure(settings, folder, &mut rows)?;
    killed::measure(settings, folder, &mut rows)?;
    let missed: Vec<_> = rows.iter().filter(|row| row.is_missed()).map(|row| row.name.as_str()).collect();
    say(format!("{} rows, {} missed: {}", rows.len(), missed.len(), missed.join(", ")))?;
    Ok(if missed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn say(text: String) -> Result<()> {
    use std::io::Write as _;

    writeln!(std::io::stdout().lock(), "{text}")?;
    Ok(())
}
