//! Transactions: a unit of work that is done again from the beginning when others were faster.

use std::future::Future;

use ledgerstone_core::{Appended, EventStoreError, Refusal};

use crate::ledger::Ledger;
use crate::unit_of_work::UnitOfWork;

/// What a transaction answered, and where it was recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed<T> {
    /// What the work returned.
    pub value: T,
    /// Where it was recorded; nothing if nothing was staged.
    pub appended: Option<Appended>,
    /// How often the work was done, conflicts with others included.
    pub attempts: u32,
}

impl Ledger {
    /// Runs `work` on a fresh unit of work and commits what it staged, once.
    ///
    /// If the work fails, nothing is committed. If the commit is refused because a stream or a
    /// condition was overtaken, the work is done again from the beginning, a bounded number of
    /// times; so it must have no effect beside its stage.
    pub async fn transaction<T, E, F>(&self, mut work: impl FnMut(UnitOfWork) -> F) -> Result<Committed<T>, E>
    where
        E: From<EventStoreError>,
        F: Future<Output = Result<T, E>>,
    {
        let mut attempts = 1;
        loop {
            let unit = self.begin();
            let value = work(unit.clone()).await?;
            let error = match unit.commit().await {
                Ok(appended) => return Ok(Committed { value, appended, attempts }),
                Err(error) => error,
            };
            if !is_overtaken(&error) || !self.waits_after_conflict(attempts).await {
                return Err(error.into());
            }
            attempts += 1;
        }
    }
}

fn is_overtaken(error: &EventStoreError) -> bool {
    matches!(error, EventStoreError::Refused(Refusal::WrongRevision { .. } | Refusal::ConditionFailed { .. }))
}
