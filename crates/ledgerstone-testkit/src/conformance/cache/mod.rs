//! What every cache store must do. An adapter runs the suite whole; it does not pick.

mod arrange;
mod bounds;
mod faithful;
mod invalidating;
mod leases;
mod positions;
mod stamps;

use std::sync::Arc;

use ledgerstone_core::CacheStore;

use super::case::Suite;

/// The suite: one case or more for each promise of the port.
///
/// Where a store is shared, its time is that of its server, and cases about time wait for milliseconds; others
/// are expected to read the clock that comes with the store.
pub fn suite() -> Suite<Arc<dyn CacheStore>> {
    let cases = [
        faithful::cases(),
        invalidating::cases(),
        stamps::cases(),
        positions::cases(),
        leases::cases(),
        bounds::cases(),
    ];
    Suite::new("cache", cases.into_iter().flatten().collect())
}
