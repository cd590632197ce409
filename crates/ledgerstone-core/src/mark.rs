//! Marks: small named progress that cannot be derived from events.

use std::time::Duration;

use bytes::Bytes;

use crate::tenant::Tenant;
use crate::text::name_type;
use crate::timestamp::Timestamp;

name_type! {
    /// The name of a mark, such as `relay/orders/7`.
    MarkName, "a mark name", 255
}

/// A named value in the event store, changed only by compare-and-set, with events or alone.
///
/// It takes no position and wakes no reader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// Whose it is.
    pub tenant: Tenant,
    /// Its name.
    pub name: MarkName,
    /// Rises with every change, and never comes back: a mark that is made begins above every version that
    /// any mark of the store had when it went away; at 1 if none did.
    pub version: u64,
    /// The number that it has risen to, 0 for marks that do not count.
    pub number: u64,
    /// Its value.
    pub value: Bytes,
    /// When it goes away by itself.
    pub expires_at: Option<Timestamp>,
}

impl Mark {
    /// The largest size of a value in bytes.
    pub const MAX_VALUE_BYTES: usize = 64 * 1024;

    /// Tells whether it has gone away by itself.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|at| at <= now)
    }
}

/// A mark does not stand where its change needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the mark does not stand where its change needs it")]
pub struct MarkNotMet;

/// A change of a mark, which the whole batch depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MarkChange {
    /// The number must rise to `to`: it must be smaller now, or absent.
    Rises {
        /// Which mark.
        name: MarkName,
        /// The new number.
        to: u64,
    },
    /// The mark must have this version now (0: absent); it gets this value, or goes away.
    Swap {
        /// Which mark.
        name: MarkName,
        /// The version that it must have.
        version: u64,
        /// The new value; nothing removes the mark.
        value: Option<Bytes>,
        /// How long it lives, if not for good.
        keep_for: Option<Duration>,
    },
    /// The mark must be absent; it is set and goes away after `keep_for`.
    Once {
        /// Which mark.
        name: MarkName,
        /// How long it guards.
        keep_for: Duration,
    },
}

impl MarkChange {
    /// Returns the name of the mark.
    pub fn name(&self) -> &MarkName {
        match self {
            Self::Rises { name, .. } | Self::Swap { name, .. } | Self::Once { name, .. } => name,
        }
    }

    /// Applies the change to what stands now: the mark afterwards (`None`: absent), or a refusal.
    ///
    /// An expired mark counts as absent. `retired` is the highest version of any mark that went away: a new
    /// one begins above it, so that a holder of an earlier one can never take it for its own.
    pub fn apply(
        &self,
        tenant: &Tenant,
        now: Timestamp,
        current: Option<&Mark>,
        retired: u64,
    ) -> Result<Option<Mark>, MarkNotMet> {
        let last = current.map_or(retired, |mark| mark.version.max(retired));
        let current = current.filter(|mark| !mark.is_expired(now));
        let version = current.map_or(0, |mark| mark.version);
        let before = current.map_or(last, |mark| mark.version);
        let fresh = |number: u64, value: Bytes, keep_for: Option<Duration>| Mark {
            tenant: tenant.clone(),
            name: self.name().clone(),
            version: before.saturating_add(1),
            number,
            value,
            expires_at: keep_for.map(|keep_for| now.plus(keep_for)),
        };
        match self {
            Self::Rises { to, .. } if current.is_none_or(|mark| mark.number < *to) => {
                Ok(Some(fresh(*to, Bytes::new(), None)))
            }
            Self::Swap { version: expected, value, keep_for, .. } if *expected == version => {
                Ok(value.clone().map(|value| fresh(0, value, *keep_for)))
            }
            Self::Once { keep_for, .. } if current.is_none() => {
                Ok(Some(fresh(0, Bytes::new(), Some(*keep_for))))
            }
            _ => Err(MarkNotMet),
        }
    }
}
