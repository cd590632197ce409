//! Every cache store of this build, every case; the mutants that prove the cases; and caches over a real Redis.

mod mutants;
#[cfg(feature = "redis")]
mod redis;

use std::process::ExitCode;
use std::sync::Arc;

use ledgerstone_cache::MemoryCacheStore;
use ledgerstone_core::CacheStore;
use ledgerstone_testkit::conformance::{Fresh, Trials, cache};

fn main() -> ExitCode {
    let mut trials = Trials::from_env();
    trials.run("memory", cache::suite(), |clock| async move {
        let store: Arc<dyn CacheStore> = Arc::new(MemoryCacheStore::new(Arc::clone(&clock) as _, 1 << 26));
        Ok(Fresh::new(store, clock))
    });
    mutants::add(&mut trials);
    #[cfg(feature = "redis")]
    redis::add(&mut trials);
    trials.conclude()
}
