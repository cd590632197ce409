//! Wishes that were fulfilled, so that one that is made again gets its first answer.

use std::time::Duration;

use bytes::Bytes;
use ledgerstone::core::{EventStore, EventStoreError, MarkChange, MarkName, TenantScope};
use serde::{Deserialize, Serialize};

use super::fingerprints::Fingerprints;
use crate::domain::{Email, Name, UserId};

/// How long a wish is remembered: longer than anybody goes on trying.
const KEPT: Duration = Duration::from_secs(24 * 60 * 60);

/// A wish under a key: the mark that it leaves stands in the commit that fulfils it, so there is never one
/// without the other.
#[derive(Debug)]
pub(super) struct Wish {
    mark: MarkName,
    fingerprint: String,
}

/// What a fulfilled wish is remembered by.
#[derive(Serialize, Deserialize)]
struct Fulfilled {
    user: String,
    wish: String,
}

/// What became of an earlier wish under the same key.
pub(super) enum Earlier {
    /// It was the same, and became this user.
    Same(UserId),
    /// It was another one.
    Another,
}

impl Wish {
    pub(super) fn new(
        key: &str,
        name: &Name,
        email: &Email,
        fingerprints: &Fingerprints,
    ) -> Result<Self, ledgerstone::core::InvalidName> {
        let mark = MarkName::new(format!("users/wish/{}", fingerprints.key(key)))?;
        Ok(Self { mark, fingerprint: fingerprints.wish(name.as_str(), email) })
    }

    /// Returns what became of it when it was made before.
    pub(super) async fn earlier(&self, store: &dyn EventStore) -> Result<Option<Earlier>, EventStoreError> {
        let marks = store.marks(TenantScope::default(), self.mark.as_str()).await?;
        let mark = marks.into_iter().find(|mark| mark.name == self.mark);
        Ok(mark.map(|mark| {
            let fulfilled = serde_json::from_slice::<Fulfilled>(&mark.value).ok();
            let same = fulfilled.filter(|fulfilled| fulfilled.wish == self.fingerprint);
            same.and_then(|same| same.user.parse().ok()).map_or(Earlier::Another, Earlier::Same)
        }))
    }

    /// Returns the mark that it leaves; a commit with it is refused if somebody was faster.
    pub(super) fn fulfilled(&self, user: UserId) -> MarkChange {
        let fulfilled = Fulfilled { user: user.to_string(), wish: self.fingerprint.clone() };
        // Two texts are always JSON.
        let value = serde_json::to_vec(&fulfilled).unwrap_or_default();
        MarkChange::Swap {
            name: self.mark.clone(),
            version: 0,
            value: Some(Bytes::from(value)),
            keep_for: Some(KEPT),
        }
    }
}
