//! Plans: which lists of positions to walk through for a query, together, in either direction.
//!
//! Every list is walked by keys that rise: a position going forwards, its complement going backwards.

use std::sync::Arc;

use ledgerstone_core::{LogKind, Query, Tenant, TenantScope};
use ledgerstone_log::{IndexView, LogError, Patience, TermHasher};

/// How many lists a plan walks at most: the largest condition there may be is among them, since looking at every event
/// would hold all writers up.
const MOST_LISTS: usize = Query::MAX_ITEMS + Query::MAX_NAMES;
/// How many positions of a list are fetched at once, to begin with and at most.
const FEW: usize = if cfg!(test) { 3 } else { 64 };
const MANY: usize = if cfg!(test) { 12 } else { 8192 };

/// What a walk looks at: a stretch of positions, one way.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Walk {
    pub(crate) low: u64,
    pub(crate) high: u64,
    pub(crate) forwards: bool,
}

impl Walk {
    pub(crate) fn key(self, position: u64) -> u64 {
        if self.forwards { position } else { !position }
    }

    pub(crate) fn position(self, key: u64) -> u64 {
        self.key(key)
    }

    /// Returns the first key of the walk.
    pub(crate) fn first(self) -> u64 {
        self.key(if self.forwards { self.low } else { self.high })
    }

    /// Returns the last key of the walk.
    pub(crate) fn last(self) -> u64 {
        self.key(if self.forwards { self.high } else { self.low })
    }
}

/// Lists of positions, walked together.
#[derive(Debug)]
pub(crate) enum Source {
    /// One list.
    List(List),
    /// What stands in all of them.
    All(Vec<Self>),
    /// What stands in any of them.
    Any(Vec<Self>),
}

/// What a plan needs to know beside the query.
#[derive(Debug)]
pub(crate) struct Planner<'a> {
    pub(crate) hasher: TermHasher,
    pub(crate) log: LogKind,
    /// The tenants whose events there are.
    pub(crate) tenants: &'a [Tenant],
    pub(crate) index: &'a Arc<IndexView>,
    pub(crate) walk: Walk,
}

impl Planner<'_> {
    /// Plans a query; nothing means that every event has to be looked at.
    pub(crate) fn plan(&self, scope: &TenantScope, query: &Query) -> Option<Source> {
        if query.is_all() {
            return None;
        }
        let tenants = match scope {
            TenantScope::One(tenant) => std::slice::from_ref(tenant),
            TenantScope::All => self.tenants,
        };
        let lists: usize = query.items().iter().map(|item| 1 + item.tags.len() + item.types.len()).sum();
        if lists.saturating_mul(tenants.len()) > MOST_LISTS {
            return None;
        }
        let mut sources = Vec::new();
        for tenant in tenants {
            for item in query.items() {
                let terms = self.hasher.of_item(self.log, tenant.as_str(), item);
                let lists = |terms: &[u64]| terms.iter().map(|term| self.list(*term)).collect();
                sources.push(match (terms.all.as_slice(), terms.any.as_slice()) {
                    ([term], _) | ([], [term]) => self.list(*term),
                    ([], any) => Source::Any(lists(any)),
                    (all, _) => Source::All(lists(all)),
                });
            }
        }
        Some(if sources.len() == 1 { sources.remove(0) } else { Source::Any(sources) })
    }

    /// Plans the events of one term.
    pub(crate) fn list(&self, term: u64) -> Source {
        Source::List(List {
            index: Arc::clone(self.index),
            log: self.log,
            term,
            walk: self.walk,
            buffer: Vec::new(),
            at: 0,
            batch: FEW,
            ended: false,
        })
    }
}

impl Source {
    /// Returns the smallest key that is at least `key` and may match; nothing at the end.
    pub(crate) fn seek(&mut self, key: u64, patience: Patience) -> Result<Option<u64>, LogError> {
        match self {
            Self::List(list) => list.seek(key, patience),
            Self::Any(sources) => {
                let mut least: Option<u64> = None;
                for source in sources {
                    let next = source.seek(key, patience)?;
                    least = match (least, next) {
                        (Some(least), Some(next)) => Some(least.min(next)),
                        (one, other) => one.or(other),
                    };
                }
                Ok(least)
            }
            Self::All(sources) => seek_all(sources, key, patience),
        }
    }

    /// Says which lists will be looked up, so that the disk can fetch what is needed together.
    pub(crate) fn will_read(&self) {
        match self {
            Self::List(list) => list.index.will_look_up(list.term),
            Self::All(sources) | Self::Any(sources) => sources.iter().for_each(Self::will_read),
        }
    }
}

/// Leaps from list to list until all of them agree.
fn seek_all(sources: &mut [Source], mut key: u64, patience: Patience) -> Result<Option<u64>, LogError> {
    loop {
        let mut agreed = true;
        for source in &mut *sources {
            let Some(next) = source.seek(key, patience)? else { return Ok(None) };
            agreed &= next == key;
            key = next;
        }
        if agreed {
            return Ok(Some(key));
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

impl List {
    fn seek(&mut self, key: u64, patience: Patience) -> Result<Option<u64>, LogError> {
        loop {
            let held = self.buffer.get(self.at..).unwrap_or_default();
            self.at += held.partition_point(|held| *held < key);
            if let Some(held) = self.buffer.get(self.at) {
                return Ok(Some(*held));
            }
            if self.ended {
                return Ok(None);
            }
            self.fetch(key, patience)?;
        }
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
