//! Plans: which lists of positions to walk through for a query, together, in either direction.
//!
//! Every list is walked by keys that rise: a position going forwards, its complement going backwards.

use ledgerstone_core::{LogKind, Query, Tenant, TenantScope};
use ledgerstone_log::TermHasher;

/// How many lists a plan walks at most: the largest condition there may be is among them, since looking at every event
/// would hold all writers up.
const MOST_LISTS: usize = Query::MAX_ITEMS + Query::MAX_NAMES;

/// How many events the writer looks at before it plans thoroughly: others wait for it.
pub(crate) const BRIEFLY: usize = if cfg!(test) { 3 } else { 64 };

/// How many lists a plan takes along.
///
/// How long a list is would tell which way is shorter, and finding that out costs about as much as walking it. So what
/// streams and tags lead to is looked at first, and the types are asked where that turns out to be much.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effort {
    /// Those of streams and tags: the events that they lead to tell their types themselves.
    Brief,
    /// Those of types, too, so that a rare type makes few of many.
    Thorough,
}

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

/// Which list of an index is meant, by the hash of what it is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Key {
    Stream(u64),
    Term(u64),
}

/// One list of positions, as a store's index has it.
pub(crate) trait List {
    /// What looking into the index takes.
    type Look<'a>: Copy;
    type Error;

    /// Returns the smallest key that is at least `key`; nothing at the end. Keys rise from call to call.
    fn seek(&mut self, look: Self::Look<'_>, key: u64) -> Result<Option<u64>, Self::Error>;
}

/// An index that a plan takes its lists from.
pub(crate) trait Index {
    type List: List;

    fn list(&self, key: Key) -> Self::List;
}

/// Lists of positions, walked together.
#[derive(Debug)]
pub(crate) enum Source<L> {
    /// One list.
    List(L),
    /// What stands in all of them.
    All(Vec<Self>),
    /// What stands in any of them.
    Any(Vec<Self>),
}

/// What a plan needs to know beside the query.
#[derive(Debug)]
pub(crate) struct Planner<'a, I> {
    pub(crate) hasher: TermHasher,
    pub(crate) log: LogKind,
    /// The tenants whose events there are.
    pub(crate) tenants: &'a [Tenant],
    pub(crate) index: I,
    pub(crate) effort: Effort,
}

impl<I: Index> Planner<'_, I> {
    /// Plans a query; nothing means that every event has to be looked at.
    pub(crate) fn plan(&self, scope: &TenantScope, query: &Query) -> Option<Source<I::List>> {
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
                let streams = usize::from(item.stream.is_some());
                let (streams, tags) = terms.all.split_at_checked(streams).unwrap_or_default();
                let all = streams.iter().map(|term| Key::Stream(*term));
                let mut all = self.lists(all.chain(tags.iter().map(|term| Key::Term(*term))));
                if all.is_empty() || self.effort == Effort::Thorough && !terms.any.is_empty() {
                    let types = self.lists(terms.any.iter().map(|term| Key::Term(*term)));
                    all.push(one_or(types, Source::Any));
                }
                sources.push(one_or(all, Source::All));
            }
        }
        Some(one_or(sources, Source::Any))
    }

    /// Plans the events of one list.
    pub(crate) fn list(&self, key: Key) -> Source<I::List> {
        Source::List(self.index.list(key))
    }

    fn lists(&self, keys: impl Iterator<Item = Key>) -> Vec<Source<I::List>> {
        keys.map(|key| self.list(key)).collect()
    }
}

/// Puts sources together, unless there is just one.
fn one_or<L>(mut sources: Vec<Source<L>>, together: fn(Vec<Source<L>>) -> Source<L>) -> Source<L> {
    if sources.len() == 1 { sources.remove(0) } else { together(sources) }
}

impl<L: List> Source<L> {
    /// Returns the smallest key that is at least `key` and may match; nothing at the end.
    pub(crate) fn seek(&mut self, look: L::Look<'_>, key: u64) -> Result<Option<u64>, L::Error> {
        match self {
            Self::List(list) => list.seek(look, key),
            Self::Any(sources) => {
                let mut least: Option<u64> = None;
                for source in sources {
                    let next = source.seek(look, key)?;
                    least = match (least, next) {
                        (Some(least), Some(next)) => Some(least.min(next)),
                        (one, other) => one.or(other),
                    };
                }
                Ok(least)
            }
            Self::All(sources) => seek_all(sources, look, key),
        }
    }

    /// Visits every list.
    pub(crate) fn each(&self, visit: &mut impl FnMut(&L)) {
        match self {
            Self::List(list) => visit(list),
            Self::All(sources) | Self::Any(sources) => {
                sources.iter().for_each(|source| source.each(visit));
            }
        }
    }
}

/// Leaps from list to list until all of them agree.
fn seek_all<L: List>(
    sources: &mut [Source<L>],
    look: L::Look<'_>,
    mut key: u64,
) -> Result<Option<u64>, L::Error> {
    loop {
        let mut agreed = true;
        for source in &mut *sources {
            let Some(next) = source.seek(look, key)? else { return Ok(None) };
            agreed &= next == key;
            key = next;
        }
        if agreed {
            return Ok(Some(key));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use ledgerstone_core::{EventType, QueryItem};

    use super::*;

    /// An index of empty lists.
    struct Nothing;

    impl List for Key {
        type Look<'a> = ();
        type Error = Infallible;

        fn seek(&mut self, (): (), _: u64) -> Result<Option<u64>, Infallible> {
            Ok(None)
        }
    }

    impl Index for Nothing {
        type List = Key;

        fn list(&self, key: Key) -> Key {
            key
        }
    }

    #[test]
    fn the_largest_condition_is_planned() {
        let planner = Planner {
            hasher: TermHasher::new(7),
            log: LogKind::Application,
            tenants: &[],
            index: Nothing,
            effort: Effort::Brief,
        };
        let per_item = Query::MAX_NAMES / Query::MAX_ITEMS;
        let name = |number: usize| EventType::new(format!("Noted{number}")).expect("a type");
        let item = |at: usize| QueryItem::types((0..per_item).map(|n| name(at * per_item + n)));
        let query = Query::any_of((0..Query::MAX_ITEMS).map(item));
        assert!(planner.plan(&TenantScope::One(Tenant::default()), &query).is_some());
    }
}
