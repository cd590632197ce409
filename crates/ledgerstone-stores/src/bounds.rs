//! The bounds of a reading as positions: those of times, of revisions, and of what is removed.

use ledgerstone_core::{LogKind, Revision, Selection, StreamId, Tenant, TenantScope, Timestamp};

use crate::cursor::Cursor;

/// Below this revision a stream is read from its beginning rather than searched.
const NEAR: u64 = if cfg!(test) { 2 } else { 32 };

impl Cursor {
    /// Narrows what may come to the times of the selection.
    ///
    /// `recorded_at` tells when the event at a position was recorded, or the next one that is there.
    pub(crate) fn narrow_to_times<E>(
        &mut self,
        recorded_at: impl Fn(u64) -> Result<Option<Timestamp>, E>,
    ) -> Result<(), E> {
        let span = self.selection.recorded;
        if let Some(from) = span.from {
            let low = self.first_recorded(from, &recorded_at)?;
            self.narrow(low, u64::MAX);
        }
        if let Some(to) = span.to {
            let high = self.first_recorded(to, &recorded_at)?;
            self.narrow(0, high.saturating_sub(1));
        }
        Ok(())
    }

    /// Narrows what may come to the revisions of the selection, where `find` knows where they stand.
    pub(crate) fn narrow_to_revisions<E>(
        &mut self,
        find: impl Fn(&Tenant, &StreamId, Revision) -> Result<Option<u64>, E>,
    ) -> Result<(), E> {
        let Some((tenant, stream)) = self.one_stream() else { return Ok(()) };
        let (mut low, mut high) = (0, u64::MAX);
        if let Some(from) = self.selection.from_revision.filter(|from| from.0 >= NEAR) {
            if let Some(first) = find(tenant, stream, from)? {
                low = first;
            } else if let Some(newest) = find(tenant, stream, Revision(from.0 - 1))? {
                // Whoever asks for what follows the newest event asks whether there is any.
                low = newest + 1;
            }
        }
        if let Some(to) = self.selection.to_revision
            && let Some(last) = find(tenant, stream, to)?
        {
            high = last;
        }
        self.narrow(low, high);
        Ok(())
    }

    /// Returns below which position everything of the one stream is removed, as far as that is easily told.
    pub(crate) fn removed_below<E>(
        &self,
        find: impl Fn(&Tenant, &StreamId, Revision) -> Result<Option<u64>, E>,
    ) -> Result<u64, E> {
        let exact = self.selection.to_revision.is_none()
            && self.selection.from_revision.is_none()
            && self.selection.occurred.is_all()
            && self.selection.log == LogKind::Application;
        let floor = match self.removal().filter(|_| exact) {
            None => return Ok(0),
            Some(removal) if removal.tombstoned => return Ok(u64::MAX),
            Some(removal) => removal.floor(),
        };
        match self.one_stream().filter(|_| floor > Revision(0)) {
            Some((tenant, stream)) => Ok(find(tenant, stream, floor)?.unwrap_or_default()),
            None => Ok(0),
        }
    }

    fn one_stream(&self) -> Option<(&Tenant, &StreamId)> {
        let Selection { tenant: TenantScope::One(tenant), query, .. } = &self.selection else { return None };
        query.as_stream().map(|stream| (tenant, stream))
    }

    /// Returns the first position that was recorded at `time` or later, or what follows the highest.
    fn first_recorded<E>(
        &self,
        time: Timestamp,
        recorded_at: impl Fn(u64) -> Result<Option<Timestamp>, E>,
    ) -> Result<u64, E> {
        let (mut low, mut high) = (self.low, self.high.saturating_add(1));
        while low < high {
            let middle = low + (high - low) / 2;
            // Where nothing is left behind the middle, whatever was there is older than nothing.
            if recorded_at(middle)?.is_none_or(|recorded| recorded >= time) {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        Ok(low)
    }
}
