//! What has been removed of every stream: few streams have lost anything, so it stays in memory.

use std::collections::HashMap;

use ledgerstone_core::{RecordedEvent, Removal, Selection, StreamId, StreamState, Tenant, TenantScope};

/// What is removed, by tenant and stream.
#[derive(Debug, Default)]
pub(crate) struct Removals {
    tenants: HashMap<String, HashMap<String, Removal>>,
    /// How often something was taken over.
    taken: u64,
}

impl Removals {
    /// Returns how often something was taken over: as often, and what is known is the same.
    pub(crate) fn taken(&self) -> u64 {
        self.taken
    }

    /// Returns what is removed of a stream, if anything is.
    pub(crate) fn find(&self, tenant: &str, stream: &str) -> Option<Removal> {
        if self.tenants.is_empty() {
            return None;
        }
        self.tenants.get(tenant)?.get(stream).copied()
    }

    /// Returns what is removed of an event's stream.
    pub(crate) fn of(&self, event: &RecordedEvent) -> Removal {
        if self.tenants.is_empty() {
            return Removal::default();
        }
        event.stream().and_then(|stream| self.find(event.tenant(), stream)).unwrap_or_default()
    }

    /// Notes what is removed of a stream from now on.
    pub(crate) fn set(&mut self, tenant: &str, stream: &str, removal: Removal) {
        self.tenants.entry(tenant.to_owned()).or_default().insert(stream.to_owned(), removal);
    }

    /// Notes what a system event removes.
    pub(crate) fn apply(&mut self, event: &RecordedEvent) {
        let Some(stream) = event.stream() else { return };
        if Removal::is_removal(event.event_type()) {
            let after = self.of(event).after(event.event_type(), event.payload());
            self.set(event.tenant(), stream, after);
        }
    }

    /// Looks up where the streams stand whose newest event must be known, removed or not.
    pub(crate) fn complete<E>(
        &mut self,
        stands: impl Fn(&Tenant, &StreamId) -> Result<StreamState, E>,
    ) -> Result<(), E> {
        for (tenant, streams) in &mut self.tenants {
            for (stream, removal) in streams.iter_mut().filter(|(_, removal)| removal.keeps_newest()) {
                let (Ok(tenant), Ok(stream)) = (Tenant::new(tenant), StreamId::new(stream)) else { continue };
                removal.newest = match stands(&tenant, &stream)? {
                    StreamState::At(revision) => Some(revision),
                    StreamState::Missing => None,
                };
            }
        }
        Ok(())
    }

    /// Tells whether what is removed of a stream depends on where it stands.
    pub(crate) fn keep_newest(&self) -> bool {
        self.tenants.values().flat_map(HashMap::values).any(|removal| removal.keeps_newest())
    }

    /// Tells whether something may be removed by nothing but the time that passes.
    pub(crate) fn depend_on_time(&self) -> bool {
        let removals = self.tenants.values().flat_map(HashMap::values);
        removals.map(|removal| removal.retention).any(|retention| retention.max_age_seconds.is_some())
    }

    /// Returns what is removed of the one stream that is selected, if it is one.
    pub(crate) fn of_selection(&self, selection: &Selection) -> Option<Removal> {
        match (&selection.tenant, selection.query.as_stream()) {
            (TenantScope::One(tenant), Some(stream)) => {
                Some(self.find(tenant.as_str(), stream.as_str()).unwrap_or_default())
            }
            _ => None,
        }
    }

    /// Tells whether nothing is known of any stream.
    pub(crate) fn is_empty(&self) -> bool {
        self.tenants.is_empty()
    }

    /// Takes over everything that `newer` knows.
    pub(crate) fn take(&mut self, newer: &mut Self) {
        self.taken += 1;
        for (tenant, streams) in newer.tenants.drain() {
            self.tenants.entry(tenant).or_default().extend(streams);
        }
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        self.tenants.clear();
    }
}
