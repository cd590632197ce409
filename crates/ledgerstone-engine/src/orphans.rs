//! Orphans: rows of parked keys that an earlier generation with the same rules left behind.

use ledgerstone_core::{
    CheckpointMove, CollectionId, Commit, DocumentStore, DocumentStoreError, LogIdentity, LogPoint, Position,
    TenantScope,
};

use crate::parked::{self, ParkedKey};

/// Tells whether rows that stand beside this checkpoint are orphans.
///
/// Whoever parks a key moves the checkpoint in the same commit, so before the first move no row is of this
/// generation.
pub(crate) fn stands_before_rows(checkpoint: Option<LogPoint>) -> bool {
    checkpoint.is_none_or(|point| point.position == Position::START)
}

/// Removes the orphans of a generation that has not moved yet, and returns its checkpoint afterwards.
///
/// The checkpoint is moved to the start with the first of them, which holds whoever might begin meanwhile; if
/// somebody else began, the answer is [`DocumentStoreError::CheckpointMoved`].
pub(crate) async fn drop_orphans(
    documents: &dyn DocumentStore,
    id: &CollectionId,
    tenants: &TenantScope,
    log: LogIdentity,
    mut checkpoint: Option<LogPoint>,
) -> Result<Option<LogPoint>, DocumentStoreError> {
    let rows = parked::rows(documents, id, tenants).await?;
    let to = checkpoint.unwrap_or(LogPoint { log, position: Position::START });
    for rows in rows.chunks(documents.capabilities().commit_writes.max(1)) {
        let writes = rows.iter().map(ParkedKey::removal).collect::<Result<_, _>>();
        let writes = writes.map_err(|error| DocumentStoreError::InvalidSelect(error.to_string()))?;
        let step = CheckpointMove { collection: id.clone(), from: checkpoint, to };
        documents.commit(Commit { writes, checkpoint: Some(step) }).await?;
        checkpoint = Some(to);
    }
    Ok(checkpoint)
}
