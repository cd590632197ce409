//! An event-sourced client directory, fed by the change events of a CRM.
//!
//! [`domain`] knows no infrastructure; [`salesforce`] turns what the CRM sends into the domain's words;
//! [`ClientDirectory`] is the application: it records changes, and searches the `clients` read model.

pub mod domain;
pub mod salesforce;

mod directory;
mod read_model;

pub use directory::{ClientDirectory, DirectoryError, Ingested, RejectedLine};
pub use read_model::{CLIENTS, ClientsProjection};
