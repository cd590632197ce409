//! The backplane: how a node tells the others what it has invalidated.

use std::fmt::Debug;

use async_trait::async_trait;
use bytes::Bytes;
use futures_core::stream::BoxStream;
use ledgerstone_core::{BackendError, CacheTarget, LogPoint};
use serde::{Deserialize, Serialize};

/// Carries messages between the nodes of a cache, fast and without a promise that they arrive.
///
/// What it must promise is little, since the bound of staleness does not rest on delivery:
///
/// - messages of one channel reach one subscriber in the order in which they were published, its own included;
/// - after any message may have been lost, the subscriber hears [`Signal::Up`] before the next message.
#[async_trait]
pub trait Backplane: Debug + Send + Sync + 'static {
    /// Tells everybody, this node included.
    async fn publish(&self, message: Bytes) -> Result<(), BackendError>;

    /// Listens, and goes on by itself after a loss; the stream ends only with the backplane.
    fn subscribe(&self) -> BoxStream<'static, Signal>;
}

/// What a subscriber hears.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signal {
    /// Messages arrive from now on; whatever was said before may have been lost.
    Up,
    /// No messages arrive.
    Down,
    /// Somebody said this.
    Said(Bytes),
}

/// A message between the nodes of caches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Message {
    /// The cache's name.
    pub(crate) cache: String,
    /// Who speaks.
    pub(crate) node: String,
    pub(crate) body: Body,
}

/// What a message says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Body {
    /// The speaker wants to hear itself: what was said before has then arrived, too.
    Ping {
        /// When, by the speaker's own clock in nanoseconds; it means nothing to others.
        sent_at: u64,
    },
    /// Somebody may have ended before it said something: compare what is in memory with the shared tier again.
    Suspect,
    /// The shared tier was told this.
    Invalidated { targets: Vec<CacheTarget>, at: Option<LogPoint> },
}
