//! What a flight brings to everybody who waited for it.

use std::sync::Arc;

use futures_util::future::BoxFuture;

use crate::cache_error::CacheError;
use crate::loaded::Loaded;
use crate::slot::Slot;

/// A load that has not begun.
pub(crate) type Load<T> = Box<dyn FnOnce() -> BoxFuture<'static, Result<Loaded<T>, CacheError>> + Send>;

/// How a flight ended.
pub(crate) struct Landed<T> {
    pub(crate) result: Result<Arc<Slot<T>>, CacheError>,
    /// How many invalidations had been heard when the flight began.
    pub(crate) begun: u64,
    /// Whether an invalidation has overtaken it, so that it was not kept.
    pub(crate) is_overtaken: bool,
}

impl<T> Landed<T> {
    pub(crate) fn kept(slot: Arc<Slot<T>>, begun: u64) -> Self {
        Self { result: Ok(slot), begun, is_overtaken: false }
    }

    pub(crate) fn failed(error: CacheError, begun: u64) -> Self {
        Self { result: Err(error), begun, is_overtaken: false }
    }
}

// Not derived: the value itself need not be cloned.
impl<T> Clone for Landed<T> {
    fn clone(&self) -> Self {
        Self { result: self.result.clone(), begun: self.begun, is_overtaken: self.is_overtaken }
    }
}

/// What a caller can do something with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wants {
    /// A value only.
    Value,
    /// To know that there is none, too.
    Anything,
}

impl Wants {
    pub(crate) fn accepts<T>(self, slot: &Slot<T>) -> bool {
        self == Self::Anything || slot.value.is_some()
    }
}
