//! The suites of both ports, over the wire: a client of a server that stands on memory.

use std::sync::Arc;

use ledgerstone::core::{EventStore, Locator};
use ledgerstone::stores::{Backend, Resources, open};
use ledgerstone_server::serve::ServeOptions;
use ledgerstone_testkit::FixedClock;
use ledgerstone_testkit::conformance::document_store::{self, Documents};
use ledgerstone_testkit::conformance::{CaseError, Fresh, Trials, event_store};

use crate::running::Running;

pub(crate) fn add(trials: &mut Trials) {
    trials.run("http", event_store::suite(), |clock| async move {
        let (running, client) = served(Arc::clone(&clock)).await?;
        let store: Arc<dyn EventStore> = client.events;
        Ok(Fresh::new(store, clock).holding(running))
    });
    trials.run("http", document_store::reading_suite(), |clock| async move {
        let (running, client) = served(Arc::clone(&clock)).await?;
        let writer = Arc::clone(&running.backend.documents);
        Ok(Fresh::new(Documents { writer, reader: client.documents }, clock).holding(running))
    });
}

async fn served(clock: Arc<FixedClock>) -> Result<(Running, Backend), CaseError> {
    // The suites count collections and positions, so nothing but the cases may write.
    let options = ServeOptions { project: false, ..ServeOptions::default() };
    let running = Running::start("memory:", clock, options).await?;
    let locator: Locator = format!("http://{}", running.address).parse()?;
    let resources = Resources { http: Some(Arc::new(running.client.clone())), ..Resources::default() };
    let client = open(&locator, &resources).await?;
    Ok((running, client))
}
