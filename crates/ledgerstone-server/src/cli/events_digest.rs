//! `ledgerstone events digest`: by which two logs can be compared.

use clap::Args;
use ledgerstone::core::{EventStore, TenantScope};

use super::Session;
use crate::compose::Access;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::log_digest::LogDigest;
use crate::output::grouped;
use crate::progress_bar::ProgressBar;

/// Print a digest of every record, by which two logs can be compared.
#[derive(Debug, Args)]
pub(super) struct Digest {}

impl Digest {
    pub(super) async fn run(self, session: &mut Session) -> Result<Exit, Failure> {
        let opened = session.open(Access::Read).await?;
        let events = &*opened.backend.events;
        let bar = ProgressBar::count(&session.output, "reading", None);
        let digest = LogDigest::of(events, &whole(session, events), &|count| bar.set(count)).await?;
        drop(bar);
        if session.output.json {
            session.output.document(&digest)?;
        } else {
            session.output.facts(&[
                ("digest", digest.digest),
                ("application events", grouped(digest.application)),
                ("system events", grouped(digest.system)),
            ])?;
        }
        Ok(Exit::Done)
    }
}

/// Returns the scope of commands about a whole log: every tenant, unless one is named or the store shows one only.
pub(super) fn whole(session: &Session, events: &dyn EventStore) -> TenantScope {
    let named = !session.settings.tenant.as_str().is_empty();
    if named || !events.capabilities().all_tenants { session.scope() } else { TenantScope::All }
}
