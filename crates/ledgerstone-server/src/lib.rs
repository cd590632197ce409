//! The parts of the ledgerstone binary: its commands, its settings, its server, its demo.

pub mod api;
pub mod app;
pub mod bench;
pub mod cli;
pub mod compose;
pub mod connections;
pub mod demo;
pub mod doctor;
mod duration_text;
pub mod error_pages;
pub mod exit;
pub mod export;
pub mod failure;
pub mod import;
pub mod json_words;
pub mod log_check;
pub mod log_digest;
pub mod output;
pub mod progress_bar;
mod protocols;
pub mod read_model_desk;
mod read_model_watch;
pub mod remote;
mod scavenge_rounds;
pub mod serve;
pub mod settings;
pub mod telemetry;
