//! The testing kit of ledgerstone: scenarios, fakes, faults and the public conformance suites.
//!
//! What an aggregate decides is told as a [`Scenario`]:
//!
//! ```
//! use ledgerstone_core::Aggregate;
//! use ledgerstone_testkit::Scenario;
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
//! pub struct Opened { pub owner: String }
//! #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
//! pub struct Withdrawn { pub amount: u64 }
//! #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
//! pub struct Deposited { pub amount: u64 }
//!
//! ledgerstone_core::domain_events! {
//!     /// What happens to an account.
//!     pub enum AccountEvent {
//!         /// It was opened.
//!         Opened = "AccountOpened" v1,
//!         /// Money came in.
//!         Deposited = "MoneyDeposited" v1,
//!         /// Money went out.
//!         Withdrawn = "MoneyWithdrawn" v1,
//!     }
//! }
//!
//! #[derive(Debug, thiserror::Error)]
//! #[error("{0} is missing")]
//! pub struct Missing(u64);
//!
//! #[derive(Debug, Clone, Default)]
//! pub struct Account { balance: u64 }
//!
//! pub struct Withdraw(u64);
//!
//! impl Aggregate for Account {
//!     type Event = AccountEvent;
//!     type Command = Withdraw;
//!     type Refusal = Missing;
//!     const CATEGORY: &'static str = "account";
//!
//!     fn decide(&self, Withdraw(amount): Withdraw) -> Result<Vec<AccountEvent>, Missing> {
//!         match amount.checked_sub(self.balance) {
//!             None | Some(0) => Ok(vec![Withdrawn { amount }.into()]),
//!             Some(missing) => Err(Missing(missing)),
//!         }
//!     }
//!
//!     fn evolve(&mut self, event: &AccountEvent) {
//!         match event {
//!             AccountEvent::Opened(_) => {}
//!             AccountEvent::Deposited(deposited) => self.balance += deposited.amount,
//!             AccountEvent::Withdrawn(withdrawn) => self.balance -= withdrawn.amount,
//!         }
//!     }
//! }
//!
//! Scenario::<Account>::given([Opened { owner: "Ada".into() }.into(), Deposited { amount: 50 }.into()])
//!     .when(Withdraw(30))
//!     .then([Withdrawn { amount: 30 }.into()])
//!     .when(Withdraw(30))
//!     .then_refused(|missing| missing.0 == 10);
//! ```
//!
//! Time and ids stand still in a [`FixedClock`] and [`SequentialIds`], a [`Faulty`] store fails as
//! planned, [`conformance`] holds a store of your own to every promise of its port, and [`servers`] are
//! started for one test alone.

pub mod conformance;
mod faults;
mod faulty;
mod fixed_clock;
pub mod history;
mod immediate_sleeper;
mod random;
mod scenario;
mod sequential_ids;
pub mod servers;

pub use faults::{Call, Fault, Faults};
pub use faulty::Faulty;
pub use fixed_clock::FixedClock;
pub use immediate_sleeper::ImmediateSleeper;
pub use scenario::{Decision, Scenario};
pub use sequential_ids::SequentialIds;
