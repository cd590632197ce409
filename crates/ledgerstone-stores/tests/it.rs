//! Every store of this build, every case, one executable.

mod document_mutants;
mod histories;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use ledgerstone_core::EventStore;
use ledgerstone_stores::{ADAPTERS, Backend, Resources};
use ledgerstone_testkit::FixedClock;
use ledgerstone_testkit::conformance::{CaseError, Fresh, Trials, document_store, event_store};

fn main() -> ExitCode {
    let mut trials = Trials::from_env();
    // A client of a server runs the suites where a server can be started.
    let here = ADAPTERS.iter().filter(|adapter| !adapter.scheme.starts_with("http"));
    for scheme in here.map(|adapter| adapter.scheme) {
        trials.run(scheme, event_store::suite(), move |clock| new(scheme, "", clock, events));
        trials.run(scheme, document_store::suite(), move |clock| new(scheme, "", clock, documents));
    }
    // So small that every case writes several segments, their indexes, and merges them.
    let small = "?segment_bytes=4096";
    trials
        .run("file_of_small_segments", event_store::suite(), move |clock| new("file", small, clock, events));
    document_mutants::add(&mut trials);
    histories::add(&mut trials);
    trials.conclude()
}

fn events(backend: &Backend) -> Arc<dyn EventStore> {
    Arc::clone(&backend.events)
}

fn documents(backend: &Backend) -> document_store::Documents {
    Arc::clone(&backend.documents).into()
}

/// Opens a store in a folder of its own.
async fn new<S: Send + 'static>(
    scheme: &'static str,
    parameters: &'static str,
    clock: Arc<FixedClock>,
    part: fn(&Backend) -> S,
) -> Result<Fresh<S>, CaseError> {
    let folder = tempfile::tempdir()?;
    let fresh = open((scheme, parameters), folder.path().join("store"), clock, part).await?;
    Ok(fresh.holding(folder))
}

/// Opens a store at a place, where it may have been before.
fn open<S: Send + 'static>(
    (scheme, parameters): (&'static str, &'static str),
    place: PathBuf,
    clock: Arc<FixedClock>,
    part: fn(&Backend) -> S,
) -> BoxFuture<'static, Result<Fresh<S>, CaseError>> {
    async move {
        let locator = match scheme {
            "memory" => "memory:".parse()?,
            scheme => format!("{scheme}:{}{parameters}", place.display()).parse()?,
        };
        let resources = Resources { clock: Arc::clone(&clock) as _, ..Resources::default() };
        let backend = ledgerstone_stores::open(&locator, &resources).await?;
        let fresh = Fresh::new(part(&backend), Arc::clone(&clock));
        Ok(fresh.reopened_by(move || async move {
            backend.close().await;
            open((scheme, parameters), place, clock, part).await
        }))
    }
    .boxed()
}
