//! The suites of both ports, over the wire: a client of a server that stands on memory, and of one on SQLite.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use ledgerstone::core::{EventStore, Locator};
use ledgerstone::stores::{Backend, Resources, open};
use ledgerstone_server::serve::ServeOptions;
use ledgerstone_testkit::FixedClock;
use ledgerstone_testkit::conformance::document_store::{self, Documents};
use ledgerstone_testkit::conformance::{CaseError, Fresh, Trials, event_store};

use crate::running::Running;

pub(crate) fn add(trials: &mut Trials) {
    trials.run("http", event_store::suite(), |clock| served("memory", clock, events));
    trials.run("http", document_store::reading_suite(), |clock| served("memory", clock, documents));
    trials.run("http_sqlite", event_store::suite(), |clock| served("sqlite", clock, events));
    trials.run("http_sqlite", document_store::reading_suite(), |clock| served("sqlite", clock, documents));
}

fn events(_: &Running, client: Backend) -> Arc<dyn EventStore> {
    client.events
}

fn documents(running: &Running, client: Backend) -> Documents {
    Documents { writer: Arc::clone(&running.backend.documents), reader: client.documents }
}

/// Takes what a suite works on from a server and its client.
type Part<S> = fn(&Running, Backend) -> S;

/// Serves a store in a folder of its own.
async fn served<S: Send + 'static>(
    scheme: &'static str,
    clock: Arc<FixedClock>,
    part: Part<S>,
) -> Result<Fresh<S>, CaseError> {
    let folder = tempfile::tempdir()?;
    let fresh = serve(scheme, folder.path().join("app.db"), clock, part).await?;
    Ok(fresh.holding(folder))
}

/// Serves a store at a place, where it may have been before.
fn serve<S: Send + 'static>(
    scheme: &'static str,
    place: PathBuf,
    clock: Arc<FixedClock>,
    part: Part<S>,
) -> BoxFuture<'static, Result<Fresh<S>, CaseError>> {
    async move {
        // The suites count collections and positions, so nothing but the cases may write.
        let options = ServeOptions {
            project: false,
            system_appends: true,
            drain_delay: Duration::ZERO,
            ..ServeOptions::default()
        };
        let locator = match scheme {
            "memory" => "memory:".to_owned(),
            scheme => format!("{scheme}:{}", place.display()),
        };
        let mut running = Running::start(&locator, Arc::clone(&clock) as _, options).await?;
        let locator: Locator = format!("http://{}", running.address).parse()?;
        let resources = Resources { http: Some(Arc::new(running.client.clone())), ..Resources::default() };
        let client = open(&locator, &resources).await?;
        let fresh = Fresh::new(part(&running, client), Arc::clone(&clock));
        Ok(fresh.reopened_by(move || async move {
            running.stop();
            running.ended().await;
            running.backend.clone().close().await;
            serve(scheme, place, clock, part).await
        }))
    }
    .boxed()
}
