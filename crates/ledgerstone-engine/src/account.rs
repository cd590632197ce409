//! A bank account: the aggregate that the engine's own tests work with.

use std::sync::Arc;

use futures_util::TryStreamExt;
use serde::{Deserialize, Serialize};

use ledgerstone_core::{Aggregate, DocumentStore, EventStore, RecordedEvent, Selection};

use crate::snapshots::Snapshot;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Opened {
    pub(crate) owner: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Deposited {
    pub(crate) amount: i64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Withdrawn {
    pub(crate) amount: i64,
}

/// Closes the books: the whole state in one event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Balanced {
    pub(crate) owner: String,
    pub(crate) balance: i64,
}

ledgerstone_core::domain_events! {
    /// What happens to an account.
    pub(crate) enum AccountEvent {
        /// It was opened.
        Opened = "AccountOpened" v1,
        /// Money came in.
        Deposited = "MoneyDeposited" v1,
        /// Money went out.
        Withdrawn = "MoneyWithdrawn" v1,
        /// The books were closed.
        Balanced = "AccountBalanced" v1,
    }
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Command {
    Open(&'static str),
    Deposit(i64),
    Withdraw(i64),
    Balance,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    #[error("the account is not open")]
    NotOpen,
    #[error("the account is open already")]
    Open,
    #[error("{0} is all there is")]
    Overdrawn(i64),
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Account {
    pub(crate) owner: Option<String>,
    pub(crate) balance: i64,
}

impl Aggregate for Account {
    type Event = AccountEvent;
    type Command = Command;
    type Refusal = Refused;

    const CATEGORY: &'static str = "account";

    fn decide(&self, command: Command) -> Result<Vec<AccountEvent>, Refused> {
        let owner = match (&command, &self.owner) {
            (Command::Open(owner), None) => {
                return Ok(vec![Opened { owner: (*owner).to_owned() }.into()]);
            }
            (Command::Open(_), Some(_)) => return Err(Refused::Open),
            (_, None) => return Err(Refused::NotOpen),
            (_, Some(owner)) => owner.clone(),
        };
        match command {
            Command::Deposit(0) | Command::Open(_) => Ok(Vec::new()),
            Command::Deposit(amount) => Ok(vec![Deposited { amount }.into()]),
            Command::Withdraw(amount) if amount > self.balance => Err(Refused::Overdrawn(self.balance)),
            Command::Withdraw(amount) => Ok(vec![Withdrawn { amount }.into()]),
            Command::Balance => Ok(vec![Balanced { owner, balance: self.balance }.into()]),
        }
    }

    fn evolve(&mut self, event: &AccountEvent) {
        match event {
            AccountEvent::Opened(opened) => self.owner = Some(opened.owner.clone()),
            AccountEvent::Deposited(deposited) => self.balance += deposited.amount,
            AccountEvent::Withdrawn(withdrawn) => self.balance -= withdrawn.amount,
            AccountEvent::Balanced(balanced) => {
                *self = Self { owner: Some(balanced.owner.clone()), balance: balanced.balance };
            }
        }
    }
}

impl Snapshot for Account {
    const SCHEMA: u32 = 1;
}

/// Opens a fresh store in memory.
pub(crate) async fn stores() -> (Arc<dyn EventStore>, Arc<dyn DocumentStore>) {
    let locator = "memory:".parse().expect("a locator");
    let resources = ledgerstone_stores::Resources::default();
    let backend = ledgerstone_stores::open(&locator, &resources).await.expect("memory opens");
    (backend.events, backend.documents)
}

/// Opens a fresh event store in memory.
pub(crate) async fn events() -> Arc<dyn EventStore> {
    stores().await.0
}

/// Reads a selection to its end.
pub(crate) async fn read(store: &Arc<dyn EventStore>, selection: Selection) -> Vec<RecordedEvent> {
    let frames: Vec<_> = store.read(selection).try_collect().await.expect("reads");
    frames.into_iter().flat_map(|frame| frame.events).collect()
}
