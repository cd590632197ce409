//! Why a value could not be had from a cache or its loader.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use ledgerstone_core::{BackendError, Code, ErrorKind, Retryable};

/// Why a value could not be had; cheap to clone, since many may have waited for one load.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum CacheError {
    /// The loader, or the writer, failed.
    #[error("the load of the cache {cache} failed: {source}")]
    Load {
        /// The name of the cache.
        cache: Arc<str>,
        /// What it said.
        source: Arc<dyn Error + Send + Sync>,
        /// Whether it may succeed if it is called again.
        is_retryable: bool,
        /// How long whoever failed asked to be left alone.
        retry_after: Option<Duration>,
    },
    /// The load took longer than the hard timeout, and was ended.
    #[error("the load of the cache {cache} took longer than {timeout:?}; raise hard_timeout, or look why")]
    TimedOut {
        /// The name of the cache.
        cache: Arc<str>,
        /// The hard timeout.
        timeout: Duration,
    },
    /// The loader panicked, or its runtime ended.
    #[error("the load of the cache {cache} ended without an answer; the log tells of a panic, if it was one")]
    Lost {
        /// The name of the cache.
        cache: Arc<str>,
    },
    /// What lies beneath the cache failed, or a key is above its limit.
    #[error(transparent)]
    Store(Arc<BackendError>),
}

impl CacheError {
    pub(crate) fn load<E: Error + Retryable + Send + Sync + 'static>(cache: &Arc<str>, error: E) -> Self {
        let (is_retryable, retry_after) = (error.is_retryable(), error.retry_after());
        Self::Load { cache: Arc::clone(cache), source: Arc::new(error), is_retryable, retry_after }
    }

    /// Returns the kind of the failure.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Load { is_retryable: true, .. } => ErrorKind::Unavailable,
            Self::Load { .. } | Self::Lost { .. } => ErrorKind::Internal,
            Self::TimedOut { .. } => ErrorKind::TimedOut,
            Self::Store(error) => error.kind(),
        }
    }

    /// Returns the code under which `ledgerstone explain` tells more.
    pub fn code(&self) -> Code {
        match self {
            Self::TimedOut { .. } => Code::DeadlineExceeded,
            Self::Load { is_retryable: true, .. } => Code::Unreachable,
            Self::Load { .. } | Self::Lost { .. } => Code::Internal,
            Self::Store(error) => error.code(),
        }
    }
}

impl From<BackendError> for CacheError {
    fn from(error: BackendError) -> Self {
        Self::Store(Arc::new(error))
    }
}

impl Retryable for CacheError {
    fn is_retryable(&self) -> bool {
        match self {
            Self::Load { is_retryable, .. } => *is_retryable,
            Self::TimedOut { .. } | Self::Lost { .. } => true,
            Self::Store(error) => error.is_retryable(),
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Load { retry_after, .. } => *retry_after,
            Self::Store(error) => error.retry_after(),
            Self::TimedOut { .. } | Self::Lost { .. } => None,
        }
    }
}
