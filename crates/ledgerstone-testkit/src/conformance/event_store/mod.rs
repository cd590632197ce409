//! What every event store must do. An adapter runs the suite whole; it does not pick.

mod arrange;
mod atomic;
mod awake;
mod bounds;
mod conditions;
mod durability;
mod fidelity;
mod guards;
mod histories;
mod limits;
mod marks;
mod numbering;
mod random_history;
mod removal;
mod repetition;
mod retention;
mod selecting;
mod settled;
mod tenants;
mod times;

use std::sync::Arc;

use ledgerstone_core::EventStore;

use super::case::Suite;

/// The suite: one case or more for each promise of the port.
pub fn suite() -> Suite<Arc<dyn EventStore>> {
    let cases = [
        atomic::cases(),
        guards::cases(),
        conditions::cases(),
        repetition::cases(),
        numbering::cases(),
        settled::cases(),
        fidelity::cases(),
        selecting::cases(),
        bounds::cases(),
        random_history::cases(),
        histories::cases(),
        awake::cases(),
        removal::cases(),
        retention::cases(),
        marks::cases(),
        tenants::cases(),
        limits::cases(),
        times::cases(),
        durability::cases(),
    ];
    Suite::new("event_store", cases.into_iter().flatten().collect())
}
