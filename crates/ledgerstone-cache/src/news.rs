//! The news of a cache: what other nodes say, and the proof that nothing they said is missing.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::StreamExt as _;
use ledgerstone_core::serde_json;

use crate::backplane::{Body, Message, Signal};
use crate::inner::Inner;

/// How often a cache looks after itself where no bound says so.
const ROUND: Duration = Duration::from_secs(1);

/// Listens and looks after the tiers for as long as somebody holds the cache.
pub(crate) fn follow<T: Send + Sync + 'static>(inner: &Arc<Inner<T>>, bound: Option<u64>) {
    // Four questions in the time that an answer vouches for, so that one may be lost.
    let round =
        bound.map_or(ROUND, |bound| Duration::from_nanos(bound / 4).clamp(Duration::from_millis(5), ROUND));
    tokio::spawn(listen(Arc::downgrade(inner)));
    tokio::spawn(look_after(Arc::downgrade(inner), round));
}

async fn listen<T: Send + Sync + 'static>(cache: Weak<Inner<T>>) {
    let Some(mut heard) = cache.upgrade().and_then(|inner| Some(inner.backplane.as_ref()?.subscribe()))
    else {
        return;
    };
    while let Some(signal) = heard.next().await {
        let Some(inner) = cache.upgrade() else { return };
        inner.hear(signal).await;
    }
}

async fn look_after<T: Send + Sync + 'static>(cache: Weak<Inner<T>>, round: Duration) {
    loop {
        {
            let Some(inner) = cache.upgrade() else { return };
            inner.settle().await;
            inner.say_the_unsaid().await;
            inner.ask().await;
        }
        tokio::time::sleep(round).await;
    }
}

impl<T: Send + Sync + 'static> Inner<T> {
    async fn hear(&self, signal: Signal) {
        match signal {
            Signal::Up => {
                self.backplane_is_up.store(true, Ordering::Relaxed);
                // What began before may have missed something: it is compared with the shared tier again.
                self.memory.suspect();
                self.ask().await;
            }
            Signal::Down => self.backplane_is_up.store(false, Ordering::Relaxed),
            Signal::Said(bytes) => {
                let Ok(message) = serde_json::from_slice::<Message>(&bytes) else {
                    tracing::warn!(cache = %self.name, "a message of the backplane is not understood");
                    // It may have been an invalidation, in a format of a later version.
                    self.memory.suspect();
                    return;
                };
                if *message.cache == *self.name {
                    self.take(message);
                }
            }
        }
    }

    fn take(&self, message: Message) {
        match message.body {
            Body::Ping { sent_at } if message.node == self.node => self.memory.vouch(sent_at),
            Body::Ping { .. } => {}
            Body::Suspect => self.memory.suspect(),
            // Our own were heeded before they were said.
            Body::Invalidated { .. } if message.node == self.node => {}
            Body::Invalidated { targets, at } => {
                self.memory.invalidate(&targets, at);
                self.counts.invalidations.add();
            }
        }
    }

    /// Asks the backplane for an echo: when it is heard, everything said before was heard, too.
    async fn ask(&self) {
        // Without an echo belief runs out by itself.
        let _ = self.say(Body::Ping { sent_at: self.memory.now() }).await;
    }
}
