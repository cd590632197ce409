//! Histories of many callers over stores of this machine, from seed to seed: `LEDGERSTONE_HISTORIES` says how many
//! seeds are tried, `LEDGERSTONE_FIRST_HISTORY` the first of them.

use std::path::Path;
use std::sync::Arc;

use futures_util::TryStreamExt as _;
use ledgerstone_core::{EventStore, Selection, TenantScope};
use ledgerstone_stores::{Backend, Resources};
use ledgerstone_testkit::conformance::{CaseError, CaseResult, Trials};
use ledgerstone_testkit::history::{History, Workload};

/// What is tried: a name, a scheme, and parameters.
const STORES: [(&str, &str, &str); 4] = [
    ("memory", "memory", ""),
    ("sqlite", "sqlite", ""),
    ("file", "file", ""),
    ("file_of_small_segments", "file", "?segment_bytes=4096"),
];

pub(crate) fn add(trials: &mut Trials) {
    for (name, scheme, parameters) in STORES {
        let name = format!("histories::{name}::whatever_many_callers_do_could_have_been_done_one_by_one");
        trials.add(&name, move || tell(scheme, parameters));
    }
}

fn number(variable: &str, otherwise: u64) -> u64 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

async fn tell(scheme: &'static str, parameters: &'static str) -> CaseResult {
    let first = number("LEDGERSTONE_FIRST_HISTORY", 1);
    let histories = number("LEDGERSTONE_HISTORIES", 2);
    let mut answers = (0, 0, 0);
    for seed in first..first + histories {
        let folder = tempfile::tempdir()?;
        let place = folder.path().join("store");
        let backend = open(scheme, parameters, &place).await?;
        let workload = Workload { rounds: 10 + seed % 40, writers: 2 + seed % 15, ..Workload::new(seed) };
        let history = workload.run(Arc::clone(&backend.events)).await?;
        history.check().map_err(|violation| format!("seed {seed}: {violation}"))?;
        let (appended, refused, unknown) = history.answers();
        answers = (answers.0 + appended, answers.1 + refused, answers.2 + unknown);
        backend.close().await;
        if scheme != "memory" {
            let again = open(scheme, parameters, &place).await?;
            is_kept(&*again.events, &history).await.map_err(|error| format!("seed {seed}: {error}"))?;
            again.close().await;
        }
    }
    println!(
        "{histories} histories of {scheme}{parameters} from seed {first}: {answers:?} appended, refused, unknown"
    );
    Ok(())
}

/// Compares what a store holds after it was opened again with what it held before.
async fn is_kept(store: &dyn EventStore, history: &History) -> CaseResult {
    let all = Selection::all().of(TenantScope::All);
    let frames: Vec<_> = store.read(all).try_collect().await?;
    let events: Vec<_> = frames.into_iter().flat_map(|frame| frame.events).collect();
    let kept = events == history.log[0]
        && store.head().await?.heads == history.heads
        && store.marks(TenantScope::All, "").await? == history.marks;
    if kept { Ok(()) } else { Err("the store holds something else after it was opened again".into()) }
}

async fn open(scheme: &str, parameters: &str, place: &Path) -> Result<Backend, CaseError> {
    let locator = match scheme {
        "memory" => "memory:".parse()?,
        scheme => format!("{scheme}:{}{parameters}", place.display()).parse()?,
    };
    Ok(ledgerstone_stores::open(&locator, &Resources::default()).await?)
}
