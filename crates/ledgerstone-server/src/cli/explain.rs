//! `ledgerstone explain`: the page of an error code, or the list of all.

use clap::Args;
use ledgerstone::core::Code;
use serde_json::json;

use super::Session;
use crate::error_pages;
use crate::exit::Exit;
use crate::failure::Failure;

/// Explain an error code, or list them all.
#[derive(Debug, Args)]
pub(super) struct Explain {
    /// The code, such as LS0001
    code: Option<String>,
}

impl Explain {
    pub(super) fn run(self, session: &mut Session) -> Result<Exit, Failure> {
        let output = &mut session.output;
        let Some(text) = self.code else {
            if output.json {
                for code in Code::ALL {
                    output.document(&json!({ "code": code, "title": code.title() }))?;
                }
            } else {
                let rows: Vec<_> = Code::ALL
                    .iter()
                    .map(|code| vec![code.as_str().to_owned(), code.title().to_owned()])
                    .collect();
                output.table(&["CODE", "MEANING"], &rows)?;
            }
            return Ok(Exit::Done);
        };
        let Some(code) = error_pages::find(&text) else {
            return Err(Failure::not_found(format!("there is no error code {text:?}"))
                .with_help("ledgerstone explain lists them all"));
        };
        let page = error_pages::page(code);
        if output.json {
            output.document(&json!({ "code": code, "title": code.title(), "page": page }))?;
        } else {
            output.text(page)?;
        }
        Ok(Exit::Done)
    }
}
