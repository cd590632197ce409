//! What one caller did, when, and what it was answered.

use ledgerstone_core::{Appended, Batch, Frame, Heads, Refusal, Selection};

/// When a call was made and when it was answered, as counts that rise with every call and answer of anybody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// When the call was made.
    pub from: u64,
    /// When it was answered.
    pub to: u64,
}

/// An append.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// What was asked.
    pub batch: Batch,
    /// When.
    pub span: Span,
    /// What was answered.
    pub outcome: Outcome,
}

/// How an append was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It was recorded.
    Appended(Appended),
    /// It was refused, and left no trace.
    Refused(Refusal),
    /// It failed for another reason, and left no trace.
    Failed(String),
    /// Nobody knows.
    Unknown(String),
}

/// A reading to its end.
#[derive(Debug, Clone)]
pub struct Reading {
    /// What was asked.
    pub selection: Selection,
    /// When.
    pub span: Span,
    /// What was answered.
    pub frames: Vec<Frame>,
}

/// The heads that a caller was told.
#[derive(Debug, Clone, Copy)]
pub struct Sighting {
    /// When.
    pub span: Span,
    /// The heads.
    pub heads: Heads,
    /// The follower that was told, if it was one: what it is told never goes back.
    pub follower: Option<usize>,
}
