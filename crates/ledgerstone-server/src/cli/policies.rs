//! `ledgerstone policies`: what a call passes on its way to a dependency, as configured.

use clap::{Args, Subcommand};
use serde_json::json;

use super::Session;
use crate::compose;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::outward::{missing, policies_of};

/// See the policies of calls: their slots, in order.
#[derive(Debug, Subcommand)]
pub(super) enum Policies {
    /// List the policies of the configuration
    List,
    /// Show one with all its slots, the outermost first
    Explain(Named),
}

/// A policy by its name.
#[derive(Debug, Args)]
pub(super) struct Named {
    /// The policy
    name: String,
}

impl Policies {
    /// Reads the configuration of this process; no server is asked.
    pub(super) async fn run(self, session: &mut Session) -> Result<Exit, Failure> {
        let adapters = compose::adapters(&session.settings)?;
        let policies = policies_of(&session.settings.sections, &adapters)?;
        match self {
            Self::List => {
                for name in policies.names() {
                    match session.output.json {
                        true => session.output.document(&json!({ "policy": name }))?,
                        false => session.output.line(&name)?,
                    }
                }
            }
            Self::Explain(Named { name }) => {
                let names = policies.names();
                let policy = policies.get(&name);
                let policy =
                    policy.ok_or_else(|| missing("policy", &name, names.iter().map(String::as_str)))?;
                match session.output.json {
                    true => {
                        session.output.document(&json!({ "policy": name, "explained": policy.explain() }))?
                    }
                    false => session.output.text(&format!("{}\n", policy.explain().trim_end()))?,
                }
            }
        }
        Ok(Exit::Done)
    }
}
