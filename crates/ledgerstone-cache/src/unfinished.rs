//! A change of the cache that is under way, and what has to be done if its caller drops it.

use ledgerstone_core::CacheTarget;

use crate::inner::Inner;

/// Holds what a change makes untrue; dropped before the end, it does so without waiting for anybody.
///
/// Nobody knows then how much of the change the shared tier has taken, so it is owed the invalidation, and is
/// not believed before it was told.
pub(crate) struct Unfinished<'a, T: Send + Sync + 'static> {
    inner: &'a Inner<T>,
    targets: &'a [CacheTarget],
    left: Left,
}

/// Who has not been told yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Left {
    Everybody,
    OtherNodes,
    Nobody,
}

impl<'a, T: Send + Sync + 'static> Unfinished<'a, T> {
    pub(crate) fn new(inner: &'a Inner<T>, targets: &'a [CacheTarget]) -> Self {
        Self { inner, targets, left: Left::Everybody }
    }

    /// Notes that the shared tier and this node know.
    pub(crate) fn is_here(&mut self) {
        self.left = Left::OtherNodes;
    }

    /// Notes that everybody knows, or that what they do not know is kept elsewhere.
    pub(crate) fn is_done(&mut self) {
        self.left = Left::Nobody;
    }
}

impl<T: Send + Sync + 'static> Drop for Unfinished<'_, T> {
    fn drop(&mut self) {
        if self.left == Left::Nobody || self.targets.is_empty() {
            return;
        }
        if self.left == Left::Everybody {
            // Owed first: what is read from the tier after memory was cleared must not be believed.
            if let Some((shared, _)) = &self.inner.shared {
                shared.owe(self.targets);
            }
            self.inner.memory.invalidate(self.targets, None);
            self.inner.counts.invalidations.add();
        }
        if self.inner.backplane.is_some() {
            self.inner.keep_unsaid(self.targets);
        }
    }
}
