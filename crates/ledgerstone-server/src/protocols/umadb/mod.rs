//! The protocol of UmaDB, version 1: its messages are re-declared here from its published facts, and its
//! clients work unchanged. What is mapped to what is told in `docs/guide/umadb-clients.md`.

mod append;
mod cut;
mod events_codec;
mod failure;
mod mapping;
mod read;
pub(crate) mod service;
mod subscribe;
mod tracking;
mod unnamed_id;
mod wire;
