//! The ids of imported events: a row's own, or one derived from its content and its occurrence number.

use std::collections::HashMap;
use std::collections::hash_map::{DefaultHasher, Entry};
use std::hash::Hasher;

use uuid::Uuid;

use super::row::{Identity, Record};

/// The namespace of all derived ids; it may never change.
const NAMESPACE: Uuid = Uuid::from_u128(0x6c65_6467_6572_5373_a074_6f6e_6569_6d70);

/// Gives the rows of one source their ids, so that the same file yields the same ids again.
///
/// It remembers 12 bytes for each distinct row without an id and 24 for each with one.
#[derive(Debug)]
pub(super) struct Ids {
    source: Uuid,
    occurrences: HashMap<u64, u32>,
    own: HashMap<Uuid, u64>,
}

/// What the id of a row says about it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Identified {
    /// No earlier row of the input has the id.
    New,
    /// An earlier row of the input is the same.
    Repeated,
    /// An earlier row of the input has the id and is another.
    Conflicting,
}

impl Ids {
    /// Begins with the first row of a source.
    pub(super) fn of_source(source: &str) -> Self {
        let source = Uuid::new_v5(&NAMESPACE, source.as_bytes());
        Self { source, occurrences: HashMap::new(), own: HashMap::new() }
    }

    /// Gives a row of the source its id.
    pub(super) fn identify(&mut self, record: &mut Record) -> Identified {
        let Ok(row) = &mut record.row else { return Identified::New };
        match &row.identity {
            Identity::Content(content) => {
                row.event.id = self.derive(content);
                Identified::New
            }
            Identity::Own => {
                let mut hasher = DefaultHasher::new();
                hasher.write(&record.raw);
                let content = hasher.finish();
                match self.own.entry(row.event.id) {
                    Entry::Vacant(entry) => {
                        entry.insert(content);
                        Identified::New
                    }
                    Entry::Occupied(entry) if *entry.get() == content => Identified::Repeated,
                    Entry::Occupied(_) => Identified::Conflicting,
                }
            }
        }
    }

    /// Derives an id from content: another one for each time that the same content comes.
    fn derive(&mut self, content: &[u8]) -> Uuid {
        let first = Uuid::new_v5(&self.source, content);
        // Two contents that share these 64 bits share their count, which is as repeatable as any.
        let (_, key) = first.as_u64_pair();
        let count = self.occurrences.entry(key).or_default();
        let occurrence = *count;
        *count = count.saturating_add(1);
        if occurrence == 0 { first } else { Uuid::new_v5(&first, &occurrence.to_le_bytes()) }
    }

    /// Makes the id that stands for a text which is no UUID, such as `task-42933`.
    pub(super) fn named(source: &str, text: &str) -> Uuid {
        let source = Uuid::new_v5(&NAMESPACE, source.as_bytes());
        Uuid::new_v5(&source, &[b"id\0", text.as_bytes()].concat())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_rows_get_different_ids_and_the_same_ones_again() {
        let derive = |source: &str| {
            let mut ids = Ids::of_source(source);
            [&b"a"[..], b"a", b"b", b"a"].map(|content| ids.derive(content))
        };
        let ids = derive("feed");
        let mut distinct = ids.to_vec();
        distinct.sort_unstable();
        distinct.dedup();
        assert_eq!(distinct.len(), 4);
        assert_eq!(derive("feed"), ids);
        assert_ne!(derive("other"), ids);
    }

    #[test]
    fn a_derived_id_never_changes_between_releases() {
        let mut ids = Ids::of_source("feed");
        let first = ids.derive(b"{\"a\":1}");
        let second = ids.derive(b"{\"a\":1}");
        assert_eq!(first.to_string(), "e0e82387-eb80-5a60-960a-9b707f3c2e44");
        assert_eq!(second.to_string(), "b22ab6d8-4ab3-5516-9f99-d16c50f70a09");
    }
}
