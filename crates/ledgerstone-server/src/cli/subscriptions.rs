//! `ledgerstone subscriptions`: what follows the log; for now these are the read models.

use clap::{Args, Subcommand};
use ledgerstone::core::CollectionName;

use super::Session;
use super::read_models_report::{outcome, status};
use super::streams::cell;
use crate::compose::Access;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::read_model_desk::{ReadModelDesk, Steer};

/// See and steer what follows the log.
#[derive(Debug, Subcommand)]
pub(super) enum Subscriptions {
    /// List subscriptions with their checkpoints and lags
    List,
    /// Show one
    Show(Named),
    /// Stop one; it stays stopped until it is resumed
    Pause(Named),
    /// Let a paused one go on, and one that stopped try again
    Resume(Named),
    /// Begin again from the start of the log
    Reset(Reset),
}

/// A subscription by its name.
#[derive(Debug, Args)]
pub(super) struct Named {
    /// The subscription: the name of a read model
    name: CollectionName,
}

/// Begin again from the start of the log.
#[derive(Debug, Args)]
pub(super) struct Reset {
    /// The subscription: the name of a read model
    name: CollectionName,
    /// Really: the read model is empty until it is filled again; rebuild does it without a gap
    #[arg(long)]
    yes: bool,
}

impl Subscriptions {
    pub(super) async fn run(self, session: &mut Session) -> Result<Exit, Failure> {
        if let Self::Reset(Reset { name, yes: false }) = &self {
            return Err(Failure::usage(format!("{name} was not reset")).with_help(format!(
                "add --yes to empty it, or use ledgerstone read-models rebuild {name}, which answers meanwhile"
            )));
        }
        let opened = session.open(Access::Read).await?;
        let desk = ReadModelDesk::of(&opened, session.tenant()).await?;
        match &self {
            Self::List => list(&desk, session).await,
            Self::Show(Named { name }) => match desk.status(name).await {
                Ok(found) => status(session, &found),
                Err(failure) => Err(failure),
            },
            Self::Pause(Named { name }) => steer(&desk, session, name, Steer::Pause).await,
            Self::Resume(Named { name }) => steer(&desk, session, name, Steer::Resume).await,
            Self::Reset(Reset { name, .. }) => steer(&desk, session, name, Steer::Reset).await,
        }?;
        Ok(Exit::Done)
    }
}

async fn steer(
    desk: &ReadModelDesk,
    session: &mut Session,
    name: &CollectionName,
    verb: Steer,
) -> Result<(), Failure> {
    let done = desk.steer(name, verb).await?;
    outcome(session, &done)
}

async fn list(desk: &ReadModelDesk, session: &mut Session) -> Result<(), Failure> {
    let models = desk.list().await?;
    if session.output.json {
        return models.iter().try_for_each(|model| session.output.document(model));
    }
    let row = |model: &serde_json::Value| {
        let text = |name: &str| cell(model.get(name));
        let checkpoint = text("checkpoint");
        let position = checkpoint.rsplit('.').next().unwrap_or("-").to_owned();
        vec![text("name"), text("state"), position, text("head"), text("lag"), text("parked")]
    };
    let rows: Vec<_> = models.iter().map(row).collect();
    session.output.table(&["NAME", "STATE", "POSITION", "HEAD", "LAG", "PARKED"], &rows)
}
