//! The lists of positions that the index of the log has.

use std::sync::Arc;

use ledgerstone_core::LogKind;
use ledgerstone_log::{IndexView, LogError, Patience};

use crate::plan::{self, Index, Key, Walk};

/// How many positions of a list are fetched at once, to begin with and at most.
const FEW: usize = if cfg!(test) { 3 } else { 64 };
const MANY: usize = if cfg!(test) { 12 } else { 8192 };

/// The index of one count, for one walk.
#[derive(Debug)]
pub(crate) struct Lists<'a> {
    pub(crate) index: &'a Arc<IndexView>,
    pub(crate) log: LogKind,
    pub(crate) walk: Walk,
}

impl Index for Lists<'_> {
    type List = List;

    fn list(&self, key: Key) -> List {
        let (Key::Stream(term) | Key::Term(term)) = key;
        List {
            index: Arc::clone(self.index),
            log: self.log,
            term,
            walk: self.walk,
            buffer: Vec::new(),
            at: 0,
            batch: FEW,
            ended: false,
        }
    }
}

/// One list of positions.
#[derive(Debug)]
pub(crate) struct List {
    index: Arc<IndexView>,
    log: LogKind,
    term: u64,
    walk: Walk,
    /// Keys that were fetched.
    buffer: Vec<u64>,
    at: usize,
    batch: usize,
    /// Whether there are no more.
    ended: bool,
}

impl plan::List for List {
    type Look<'a> = Patience;
    type Error = LogError;

    fn seek(&mut self, patience: Patience, key: u64) -> Result<Option<u64>, LogError> {
        loop {
            let held = self.buffer.get(self.at..).unwrap_or_default();
            self.at += held.partition_point(|held| *held < key);
            if let Some(held) = self.buffer.get(self.at) {
                return Ok(Some(*held));
            }
            if self.ended {
                return Ok(None);
            }
            if self.buffer.last().is_some_and(|last| key > last + 1) {
                // It leapt here, and may leap on: what lies between would be fetched for nothing.
                self.batch = FEW;
            }
            self.fetch(key, patience)?;
        }
    }
}

impl List {
    /// Says that it will be looked up, so that the disk can fetch what is needed together.
    pub(crate) fn will_be_read(&self) {
        self.index.will_look_up(self.term);
    }

    /// Fetches the next keys that are at least `key`.
    fn fetch(&mut self, key: u64, patience: Patience) -> Result<(), LogError> {
        let Walk { low, high, forwards } = self.walk;
        let from = self.walk.position(key);
        let range = if forwards { (from.max(low), high) } else { (low, from.min(high)) };
        let mut found = Vec::new();
        let more = range.0 <= range.1
            && self.index.positions(
                (self.log, self.term),
                range,
                forwards,
                self.batch,
                patience,
                &mut found,
            )?;
        self.ended = !more;
        self.batch = (self.batch * 4).min(MANY);
        found.iter_mut().for_each(|position| *position = self.walk.key(*position));
        (self.buffer, self.at) = (found, 0);
        Ok(())
    }
}
