//! The domain: what a client is and what can happen to it, free of any infrastructure.

mod client;
mod events;

pub use client::{Client, ClientCommand, ClientRefusal};
pub use events::{
    ClientCreated, ClientDeleted, ClientEvent, ClientFields, ClientRestored, ClientUpdated, FeedPlace,
    Priority, Status,
};
