//! The progress of an import: a mark beside the events, which moves in the same commit as they do.

use bytes::Bytes;
use ledgerstone::core::{EventStore, Mark, MarkChange, MarkName, Tenant, TenantScope};
use serde::{Deserialize, Serialize};

use crate::failure::Failure;

/// How far a source was imported.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Progress {
    /// So many rows, the rejected ones included.
    pub(super) rows: u64,
    /// So many bytes, unpacked.
    pub(super) bytes: u64,
    /// The digest of those bytes.
    pub(super) digest: String,
    /// The digest of the rules by which rows became events.
    pub(super) rules: String,
    /// Whether all events of the source come from those bytes, so that what follows them is new.
    pub(super) exact: bool,
    /// How many streams the rows belong to, if those bytes were a whole input and no row was rejected: there is
    /// nothing new in the same bytes, exact or not.
    #[serde(default)]
    pub(super) finished_streams: Option<u64>,
}

/// A progress as it is stored, and the version of its mark.
#[derive(Debug, Clone)]
pub(super) struct ProgressMark {
    pub(super) name: MarkName,
    pub(super) version: u64,
    pub(super) progress: Option<Progress>,
}

impl ProgressMark {
    /// Reads the progress of a source.
    pub(super) async fn read(
        events: &dyn EventStore,
        tenant: TenantScope,
        source: &str,
    ) -> Result<Self, Failure> {
        let name = MarkName::new(format!("import/{source}"))?;
        let marks = events.marks(tenant, name.as_str()).await?;
        let mark: Option<Mark> = marks.into_iter().find(|mark| mark.name == name);
        let version = mark.as_ref().map_or(0, |mark| mark.version);
        // What another version wrote and this one cannot read is as good as no progress: ids decide.
        let progress = mark.and_then(|mark| serde_json::from_slice(&mark.value).ok());
        Ok(Self { name, version, progress })
    }

    /// Looks up which version a mark that was just made has got; one that exists counts on by one.
    pub(super) async fn settle(&mut self, events: &dyn EventStore, tenant: &Tenant) -> Result<(), Failure> {
        if self.version == 0 {
            let scope = TenantScope::One(tenant.clone());
            let marks = events.marks(scope, self.name.as_str()).await?;
            let ours = serde_json::to_vec(&self.progress).unwrap_or_default();
            let made = marks.iter().find(|mark| mark.name == self.name && mark.value == ours);
            // Where somebody else has moved it already, the next change of ours must be refused.
            self.version = made.map_or(u64::MAX, |mark| mark.version);
        }
        Ok(())
    }

    /// Makes the change that stores a progress, and takes it as done; [`settle`](Self::settle) it then.
    pub(super) fn advance(&mut self, progress: Progress) -> MarkChange {
        let value = serde_json::to_vec(&progress).unwrap_or_default();
        let version = self.version;
        self.version = if version == 0 { 0 } else { version.saturating_add(1) };
        self.progress = Some(progress);
        let name = self.name.clone();
        MarkChange::Swap { name, version, value: Some(Bytes::from(value)), keep_for: None }
    }
}
