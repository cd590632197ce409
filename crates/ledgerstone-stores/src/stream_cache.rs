//! A cache of where streams stand, for the writer: the ones used lately, in two halves.

use std::collections::HashMap;

use ledgerstone_core::{LogKind, StreamId, StreamState, Tenant};

/// How many streams each half holds.
const HALF: usize = 128 * 1024;

/// Where the streams stand that were used lately; when the young half is full, the old one goes.
#[derive(Debug, Default)]
pub(crate) struct StreamCache {
    young: HashMap<Box<[u8]>, StreamState>,
    old: HashMap<Box<[u8]>, StreamState>,
    key: Vec<u8>,
}

impl StreamCache {
    /// Returns where a stream stands, if that is known.
    pub(crate) fn get(&mut self, log: LogKind, tenant: &Tenant, stream: &StreamId) -> Option<StreamState> {
        self.make_key(log, tenant, stream);
        if let Some(state) = self.young.get(self.key.as_slice()) {
            return Some(*state);
        }
        let (key, state) = self.old.remove_entry(self.key.as_slice())?;
        self.keep(key, state);
        Some(state)
    }

    /// Notes where a stream stands.
    pub(crate) fn set(&mut self, log: LogKind, tenant: &Tenant, stream: &StreamId, state: StreamState) {
        self.make_key(log, tenant, stream);
        match self.young.get_mut(self.key.as_slice()) {
            Some(known) => *known = state,
            None => {
                let key = self.key.as_slice().into();
                self.keep(key, state);
            }
        }
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        self.young.clear();
        self.old.clear();
    }

    fn keep(&mut self, key: Box<[u8]>, state: StreamState) {
        if self.young.len() >= HALF {
            self.old = std::mem::take(&mut self.young);
        }
        self.old.remove(&key);
        self.young.insert(key, state);
    }

    /// Names hold no control characters, so a zero byte parts them.
    fn make_key(&mut self, log: LogKind, tenant: &Tenant, stream: &StreamId) {
        self.key.clear();
        self.key.push(u8::from(log == LogKind::System));
        self.key.extend_from_slice(tenant.as_str().as_bytes());
        self.key.push(0);
        self.key.extend_from_slice(stream.as_str().as_bytes());
    }
}
