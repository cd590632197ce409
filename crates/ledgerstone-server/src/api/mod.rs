//! The HTTP interface: its table of routes and their handlers.

mod answer;
mod append;
pub(crate) mod call;
mod condition;
mod documents;
mod event_line;
mod exposition;
pub(crate) mod follow;
mod health;
mod html;
mod http_metrics;
mod json_body;
mod log;
pub mod openapi;
mod page;
mod parameters;
mod parked;
mod path_names;
pub(crate) mod point;
pub(crate) mod read_models;
mod reads;
mod removal;
pub mod route;
pub mod routes;
pub mod state;
pub(crate) mod upkeep;
