//! What has been removed of every stream: few streams have lost anything, so it stays in memory.

use std::collections::HashMap;

use ledgerstone_core::{RecordedEvent, Removal, Revision, Selection, StreamId, Tenant, TenantScope};

/// What is removed, by tenant and stream.
#[derive(Debug, Default)]
pub(crate) struct Removals {
    tenants: HashMap<String, HashMap<String, Removal>>,
}

impl Removals {
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
            let after = self.of(event).after(event.event_type(), event.payload(), event.recorded_at());
            self.set(event.tenant(), stream, after);
        }
    }

    /// Looks up where the streams stand whose newest event must be known: `newest` reads the one event of a
    /// selection.
    pub(crate) fn complete<E>(
        &mut self,
        newest: impl Fn(Selection) -> Result<Option<Revision>, E>,
    ) -> Result<(), E> {
        for (tenant, streams) in &mut self.tenants {
            for (stream, removal) in streams.iter_mut().filter(|(_, removal)| removal.keeps_newest()) {
                let (Ok(tenant), Ok(stream)) = (Tenant::new(tenant), StreamId::new(stream)) else { continue };
                removal.newest =
                    newest(Selection::stream(stream).of(TenantScope::One(tenant)).backwards().limit(1))?;
            }
        }
        Ok(())
    }

    /// Takes over everything that `newer` knows.
    pub(crate) fn take(&mut self, newer: &mut Self) {
        for (tenant, streams) in newer.tenants.drain() {
            self.tenants.entry(tenant).or_default().extend(streams);
        }
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        self.tenants.clear();
    }
}
