//! What every document store must do. An adapter runs the suite whole; it does not pick.

mod arrange;
mod atomic;
mod bodies;
mod bounds;
mod counting;
mod cursors;
mod durability;
mod filters;
mod generations;
mod guards;
mod indexes;
mod ordering;
mod random;
mod tenants;
mod typed;

use std::sync::Arc;

use ledgerstone_core::DocumentStore;

use super::case::{Case, Suite};

/// The store that a case writes to and the one that it reads from: one and the same, or a client of it.
#[derive(Debug, Clone)]
pub struct Documents {
    /// Takes alterations and commits.
    pub writer: Arc<dyn DocumentStore>,
    /// Answers queries.
    pub reader: Arc<dyn DocumentStore>,
}

impl From<Arc<dyn DocumentStore>> for Documents {
    fn from(store: Arc<dyn DocumentStore>) -> Self {
        Self { writer: Arc::clone(&store), reader: store }
    }
}

/// The suite: one case or more for each promise of the port.
pub fn suite() -> Suite<Documents> {
    let writing = [
        atomic::cases(),
        guards::cases(),
        indexes::cases(),
        generations::cases(),
        typed::writing_cases(),
        bounds::writing_cases(),
        durability::cases(),
    ];
    let cases = writing.into_iter().flatten().chain(reading_cases()).collect();
    Suite::new("document_store", cases)
}

/// The part of the suite that looks at what the reader answers: for clients that do not write.
pub fn reading_suite() -> Suite<Documents> {
    Suite::new("document_store", reading_cases().collect())
}

fn reading_cases() -> impl Iterator<Item = Case<Documents>> {
    let reading = [
        bodies::cases(),
        filters::cases(),
        ordering::cases(),
        cursors::cases(),
        counting::cases(),
        typed::reading_cases(),
        bounds::reading_cases(),
        tenants::cases(),
    ];
    reading.into_iter().flatten()
}
