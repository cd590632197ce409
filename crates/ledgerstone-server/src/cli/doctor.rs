//! `ledgerstone doctor`: whether all is well; it changes nothing.

use clap::Args;
use serde_json::json;

use crate::doctor::{Finding, Health, examine, failed};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;
use crate::progress_bar::ProgressBar;
use crate::settings::{Overrides, Settings};

/// Look whether all is well, without changing anything.
#[derive(Debug, Args)]
pub(super) struct Doctor {
    /// Read the whole store and check it, as events verify does
    #[arg(long)]
    deep: bool,
}

impl Doctor {
    pub(super) async fn run(&self, overrides: &Overrides, mut output: Output) -> Result<Exit, Failure> {
        let findings = match Settings::load(overrides) {
            Ok(settings) => {
                let rebuild = ProgressBar::of_indexes(&output);
                Box::pin(examine(&settings, self.deep, rebuild)).await
            }
            Err(error) => vec![failed("configuration", &Failure::from(error))],
        };
        let problems = findings.iter().filter(|finding| finding.health == Health::Problem).count();
        if output.json {
            output.document(&json!({ "problems": problems, "findings": findings }))?;
        } else {
            output.table(&["", "WHAT", "SEEN"], &findings.iter().map(row).collect::<Vec<_>>())?;
            output.line(match problems {
                0 => "all is well".to_owned(),
                1 => "1 problem".to_owned(),
                more => format!("{more} problems"),
            })?;
        }
        output.flush()?;
        Ok(if problems > 0 { Exit::Partly } else { Exit::Done })
    }
}

fn row(finding: &Finding) -> Vec<String> {
    let mark = match finding.health {
        Health::Well => "ok",
        Health::Note => "note",
        Health::Problem => "PROBLEM",
    };
    vec![mark.to_owned(), finding.about.clone(), finding.detail.clone()]
}
