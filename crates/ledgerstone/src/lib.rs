//! The infrastructure layer of event-sourced services, done once.
//!
//! This crate re-exports the others and defines nothing: [`core`] has the words and the ports,
//! [`engine`] what stands on them (repositories, units of work, projectors, read models), [`stores`] the
//! backends, [`http`] the client, the gateway and the server's middleware, [`resilience`] policies and rate
//! limits, [`cache`] caches that the log invalidates.
//!
//! ```no_run
//! use ledgerstone::core::{Append, Batch, EventData, EventType, ExpectedRevision, StreamId};
//! use ledgerstone::stores::{Resources, open};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let store = open(&"sqlite:app.db".parse()?, &Resources::default()).await?;
//! let opened = EventData::json(uuid::Uuid::now_v7(), EventType::new("AccountOpened")?, r#"{"owner":"Ada"}"#);
//! let stream = StreamId::new("account-42")?;
//! store.events.append(Batch::of(Append::to(stream, ExpectedRevision::NoStream, vec![opened]))).await?;
//! # Ok(())
//! # }
//! ```
//!
//! Features, on by default: `file` and `sqlite` (the log engine, and the bundled C library), `http` (a client of a
//! ledgerstone server). Off by default: `redis` (limits and caches that nodes share), `tls` (`https`).

pub use {
    ledgerstone_cache as cache, ledgerstone_core as core, ledgerstone_engine as engine,
    ledgerstone_http as http, ledgerstone_resilience as resilience, ledgerstone_stores as stores,
};

pub use ledgerstone_core::domain_events;
