//! Plans: which lists of positions to walk through for a query, together, in either direction.
//!
//! Every list is walked by keys that rise: a position going forwards, its complement going backwards.

use ledgerstone_core::{BackendError, LogKind, Query, Tenant, TenantScope};
use rusqlite::{Connection, params};

use crate::sqlite::events::postings::Block;
use crate::sqlite::events::records::{as_sql, from_sql};
use crate::sqlite::events::tail::{Key, Tail};
use crate::sqlite::failure::{corrupt, failed};
use ledgerstone_log::TermHasher;

/// How many lists a plan walks at most: those of the largest condition, which is judged while others wait.
const MOST_LISTS: usize = Query::MAX_ITEMS + Query::MAX_NAMES;
/// How many positions of a list are taken from the tail at once.
const TAIL_POSITIONS: usize = if cfg!(test) { 12 } else { 4096 };
/// How many blocks are fetched at once.
const BLOCKS: usize = if cfg!(test) { 2 } else { 16 };

const FORWARDS: &str = "SELECT first, positions FROM postings WHERE term = ?1 AND first BETWEEN \
    coalesce((SELECT max(first) FROM postings WHERE term = ?1 AND first <= ?2), ?2) AND ?3 \
    ORDER BY first LIMIT ?4";
const BACKWARDS: &str = "SELECT first, positions FROM postings WHERE term = ?1 AND first BETWEEN ?2 AND ?3 \
    ORDER BY first DESC LIMIT ?4";

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

    /// Returns the last key of the walk.
    pub(crate) fn last(self) -> u64 {
        self.key(if self.forwards { self.high } else { self.low })
    }

    /// Returns the first key of the walk.
    pub(crate) fn first(self) -> u64 {
        self.key(if self.forwards { self.low } else { self.high })
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
#[derive(Debug, Clone, Copy)]
pub(crate) struct Planner<'a> {
    pub(crate) hasher: TermHasher,
    pub(crate) log: LogKind,
    /// The tenants whose events there are.
    pub(crate) tenants: &'a [Tenant],
    pub(crate) tail: &'a Tail,
    pub(crate) walk: Walk,
}

impl Planner<'_> {
    /// Plans a query; nothing means that every event has to be looked at.
    pub(crate) fn plan(&self, scope: &TenantScope, query: &Query) -> Option<Source> {
        if query.is_all() {
            return None;
        }
        let one;
        let tenants = match scope {
            TenantScope::One(tenant) => {
                one = [tenant.clone()];
                &one[..]
            }
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
                let stream = usize::from(item.stream.is_some());
                let keys = terms.all.iter().enumerate();
                let all =
                    keys.map(|(at, term)| if at < stream { Key::Stream(*term) } else { Key::Term(*term) });
                let any = terms.any.iter().map(|term| Key::Term(*term));
                sources.push(match terms.all.is_empty() {
                    true => Source::Any(any.map(|key| self.list(key)).collect()),
                    false => Source::All(all.map(|key| self.list(key)).collect()),
                });
            }
        }
        Some(if sources.len() == 1 { sources.remove(0) } else { Source::Any(sources) })
    }

    /// Plans the events of one stream.
    pub(crate) fn list(&self, key: Key) -> Source {
        let Walk { low, high, forwards } = self.walk;
        let (tail, cut) = self.tail.positions(key, (low, high), forwards, TAIL_POSITIONS);
        let (Key::Stream(term) | Key::Term(term)) = key;
        // Where the tail has more than was taken, the walk ends after the last one that was.
        let horizon = if cut { tail.last().map(|last| self.walk.key(*last)) } else { None };
        Source::List(List {
            term: term.cast_signed(),
            walk: Walk { high: high.min(self.tail.indexed()), ..self.walk },
            tail: tail.into_iter().map(|position| self.walk.key(position)).collect(),
            buffer: Vec::new(),
            at: 0,
            at_tail: 0,
            fetched: false,
            horizon: horizon.unwrap_or(u64::MAX),
        })
    }
}

impl Source {
    /// Returns the smallest key that is at least `key` and may match; nothing at the end.
    pub(crate) fn seek(&mut self, connection: &Connection, key: u64) -> Result<Option<u64>, BackendError> {
        match self {
            Self::List(list) => list.seek(connection, key),
            Self::Any(sources) => {
                let mut least = None;
                for source in sources {
                    let next = source.seek(connection, key)?;
                    least = match (least, next) {
                        (Some(least), Some(next)) => Some(std::cmp::min::<u64>(least, next)),
                        (one, other) => one.or(other),
                    };
                }
                Ok(least)
            }
            Self::All(sources) => seek_all(sources, connection, key),
        }
    }

    /// Returns the last key up to which the source knows everything.
    pub(crate) fn horizon(&self) -> u64 {
        match self {
            Self::List(list) => list.horizon,
            Self::All(sources) | Self::Any(sources) => {
                sources.iter().map(Self::horizon).min().unwrap_or(u64::MAX)
            }
        }
    }
}

/// Leaps from list to list until all of them agree.
fn seek_all(
    sources: &mut [Source],
    connection: &Connection,
    mut key: u64,
) -> Result<Option<u64>, BackendError> {
    loop {
        let mut agreed = true;
        for source in &mut *sources {
            let Some(next) = source.seek(connection, key)? else { return Ok(None) };
            agreed &= next == key;
            key = next;
        }
        if agreed {
            return Ok(Some(key));
        }
    }
}

/// One list of positions: blocks from the table, and what the tail adds.
#[derive(Debug)]
pub(crate) struct List {
    term: i64,
    /// What the table is asked for.
    walk: Walk,
    /// Keys from the tail.
    tail: Vec<u64>,
    at_tail: usize,
    /// Keys from the table.
    buffer: Vec<u64>,
    at: usize,
    /// Whether the table has no more.
    fetched: bool,
    horizon: u64,
}

impl List {
    fn seek(&mut self, connection: &Connection, key: u64) -> Result<Option<u64>, BackendError> {
        let skipped = self.tail.get(self.at_tail..).unwrap_or_default().partition_point(|held| *held < key);
        self.at_tail += skipped;
        let in_tail = self.tail.get(self.at_tail).copied();
        // Backwards, the tail comes first.
        if !self.walk.forwards && in_tail.is_some() {
            return Ok(in_tail);
        }
        loop {
            let skipped = self.buffer.get(self.at..).unwrap_or_default().partition_point(|held| *held < key);
            self.at += skipped;
            if let Some(held) = self.buffer.get(self.at) {
                return Ok(Some(*held));
            }
            if self.fetched {
                return Ok(in_tail);
            }
            self.fetch(connection, key)?;
        }
    }

    /// Fetches the next blocks that may hold `key` or what follows it.
    fn fetch(&mut self, connection: &Connection, key: u64) -> Result<(), BackendError> {
        let walk = self.walk;
        let from = walk.position(key);
        self.buffer.clear();
        self.at = 0;
        let (low, high) =
            if walk.forwards { (from.max(walk.low), walk.high) } else { (0, from.min(walk.high)) };
        if low > high || walk.low > walk.high {
            self.fetched = true;
            return Ok(());
        }
        let sql = if walk.forwards { FORWARDS } else { BACKWARDS };
        let mut statement = connection.prepare_cached(sql).map_err(failed("look up"))?;
        let keys = params![self.term, as_sql(low), as_sql(high), BLOCKS as i64];
        let mut rows = statement.query(keys).map_err(failed("look up"))?;
        let mut blocks = 0;
        while let Some(row) = rows.next().map_err(failed("look up"))? {
            blocks += 1;
            let block = decode(row)?;
            let first = block.positions.first().copied().unwrap_or_default();
            let inside = block.positions.into_iter().filter(|at| (walk.low..=walk.high).contains(at));
            if walk.forwards {
                self.buffer.extend(inside);
            } else {
                let from = self.buffer.len();
                self.buffer.extend(inside.map(|at| walk.key(at)));
                if let Some(block) = self.buffer.get_mut(from..) {
                    block.reverse();
                }
                self.fetched |= first <= walk.low;
            }
        }
        self.fetched |= blocks < BLOCKS;
        Ok(())
    }
}

/// Decodes a row of first position and block.
pub(crate) fn decode(row: &rusqlite::Row<'_>) -> Result<Block, BackendError> {
    let first = from_sql(row.get(0).map_err(failed("look up"))?);
    let bytes = row.get_ref(1).map_err(failed("look up"))?;
    let block = bytes.as_blob().ok().and_then(|bytes| Block::decode(first, bytes));
    block.ok_or_else(|| corrupt("look up", format_args!("the index before position {first} is damaged")))
}

#[cfg(test)]
mod tests {
    use ledgerstone_core::{EventType, QueryItem};

    use super::*;

    #[test]
    fn the_largest_condition_is_planned() {
        let (hasher, tail) = (TermHasher::new(7), Tail::default());
        let walk = Walk { low: 1, high: 1_000_000, forwards: false };
        let planner = Planner { hasher, log: LogKind::Application, tenants: &[], tail: &tail, walk };
        let per_item = Query::MAX_NAMES / Query::MAX_ITEMS;
        let name = |number: usize| EventType::new(format!("Noted{number}")).expect("a type");
        let item = |at: usize| QueryItem::types((0..per_item).map(|n| name(at * per_item + n)));
        let query = Query::any_of((0..Query::MAX_ITEMS).map(item));
        assert!(planner.plan(&TenantScope::One(Tenant::default()), &query).is_some());
    }
}
