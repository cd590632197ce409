//! The service behind the repository: users as events, over any store, with a small HTTP face.

mod account;
mod account_events;
mod failure;
mod fingerprints;
mod routes;
mod users_service;
mod wishes;

pub use account::{Account, AccountCommand, AccountRefusal};
pub use account_events::{AccountEvent, UserEmailChanged, UserRegistered, UserRemoved, UserRenamed};
pub use fingerprints::Fingerprints;
pub use routes::router;
pub use users_service::UsersService;
