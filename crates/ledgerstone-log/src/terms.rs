//! The terms by which events are found: a hash of count, tenant, kind and text.

use ledgerstone_core::{EventData, LogKind, QueryItem, StreamId, category_of};
use uuid::Uuid;
use xxhash_rust::xxh3::{Xxh3, xxh3_64_with_seed};

/// Up to how many bytes a text is hashed at once.
const SHORT: usize = 160;

/// What kind of text a term stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TermKind {
    Stream = 1,
    Type = 2,
    Tag = 3,
}

/// Hashes terms with the seed of one log.
///
/// The seed is random and stays inside, so that nobody outside can choose texts that collide; those
/// that do by chance cost a look at the event and nothing else.
#[derive(Debug, Clone, Copy)]
pub struct TermHasher {
    seed: u64,
}

impl TermHasher {
    /// Takes the seed of a log.
    pub fn new(seed: u64) -> Self {
        Self { seed }
    }

    /// Returns the term of a stream.
    pub fn stream(self, log: LogKind, tenant: &str, stream: &str) -> u64 {
        self.term(log, tenant, TermKind::Stream, &["", stream])
    }

    /// Returns the term of a type.
    pub fn event_type(self, log: LogKind, tenant: &str, event_type: &str) -> u64 {
        self.term(log, tenant, TermKind::Type, &["", event_type])
    }

    /// Returns the term of a tag, derived ones included.
    pub fn tag(self, log: LogKind, tenant: &str, tag: &str) -> u64 {
        self.term(log, tenant, TermKind::Tag, &["", tag])
    }

    /// Puts the terms of an event but its stream's into `terms`, each once.
    pub fn of_event(self, tenant: &str, stream: Option<&StreamId>, event: &EventData, terms: &mut Vec<u64>) {
        let log = event.log();
        let from = terms.len();
        terms.push(self.event_type(log, tenant, event.event_type.as_str()));
        let category = stream.and_then(StreamId::category);
        self.of_derived(log, tenant, category, event.metadata.source.as_deref(), terms, "$source:");
        let correlation = event.metadata.correlation.as_deref();
        self.of_derived(log, tenant, None, correlation, terms, "$correlation:");
        terms.extend(event.tags.iter().map(|tag| self.tag(log, tenant, tag.as_str())));
        drop_doubles(terms, from);
    }

    /// Puts the terms of a recorded event but its stream's into `terms`, each once.
    pub fn of_recorded(self, event: &ledgerstone_core::RecordedEvent, terms: &mut Vec<u64>) {
        let (log, tenant) = (event.log(), event.tenant());
        let from = terms.len();
        terms.push(self.event_type(log, tenant, event.event_type()));
        let category = event.stream().and_then(category_of);
        self.of_derived(log, tenant, category, event.source(), terms, "$source:");
        self.of_derived(log, tenant, None, event.correlation(), terms, "$correlation:");
        terms.extend(event.tags().map(|tag| self.tag(log, tenant, tag)));
        drop_doubles(terms, from);
    }

    /// Returns the terms of an item of a query: all of the first are needed, and any of the second.
    pub fn of_item(self, log: LogKind, tenant: &str, item: &QueryItem) -> ItemTerms {
        let stream = item.stream.as_ref().map(|stream| self.stream(log, tenant, stream.as_str()));
        let tags = item.tags.iter().map(|tag| self.tag(log, tenant, tag.as_str()));
        let types = item.types.iter().map(|name| self.event_type(log, tenant, name.as_str()));
        ItemTerms { all: stream.into_iter().chain(tags).collect(), any: types.collect() }
    }

    fn of_derived(
        self,
        log: LogKind,
        tenant: &str,
        category: Option<&str>,
        field: Option<&str>,
        terms: &mut Vec<u64>,
        prefix: &str,
    ) {
        let derived = [("$category:", category), (prefix, field)];
        let derived = derived.into_iter().filter_map(|(prefix, text)| Some([prefix, text?]));
        terms.extend(derived.map(|texts| self.term(log, tenant, TermKind::Tag, &texts)));
    }

    fn term(self, log: LogKind, tenant: &str, kind: TermKind, texts: &[&str]) -> u64 {
        let texts_size: usize = texts.iter().map(|text| text.len()).sum();
        let size = 2 + tenant.len() + 1 + texts_size;
        let kinds = [kind as u8, u8::from(log == LogKind::System)];
        // Names hold no control characters, so a zero byte ends them.
        let parts =
            [&kinds, tenant.as_bytes(), &[0]].into_iter().chain(texts.iter().map(|text| text.as_bytes()));
        let mut short = [0; SHORT];
        if let Some(whole) = short.get_mut(..size) {
            // Beginning a hash with a seed piece by piece costs more than hashing a short text at once.
            let mut at = 0;
            for part in parts {
                if let Some(place) = whole.get_mut(at..at + part.len()) {
                    place.copy_from_slice(part);
                }
                at += part.len();
            }
            return xxh3_64_with_seed(whole, self.seed);
        }
        let mut hasher = Xxh3::with_seed(self.seed);
        parts.for_each(|part| hasher.update(part));
        hasher.digest()
    }
}

/// The terms of an item of a query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemTerms {
    /// All of these are needed.
    pub all: Vec<u64>,
    /// Any of these will do, if there are any.
    pub any: Vec<u64>,
}

/// Returns what an event id is found by: its first 48 bits, in which time-ordered ids count milliseconds, and
/// 16 bits of a hash, because ids of the same millisecond may count on in their last bits only.
pub fn id_key(id: Uuid) -> u64 {
    let (first, _) = id.as_u64_pair();
    let rest = xxhash_rust::xxh3::xxh3_64(id.as_bytes());
    first & !0xffff | rest & 0xffff
}

/// Keeps each term once, so that an event stands once in each list.
fn drop_doubles(terms: &mut Vec<u64>, from: usize) {
    let mut kept = from;
    for at in from..terms.len() {
        let term = terms[at];
        if !terms[from..kept].contains(&term) {
            terms[kept] = term;
            kept += 1;
        }
    }
    terms.truncate(kept);
}
