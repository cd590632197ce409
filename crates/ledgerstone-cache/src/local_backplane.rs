//! A backplane within one process: for tests of several nodes, with a cable that can be pulled.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_core::stream::BoxStream;
use futures_util::stream;
use ledgerstone_core::{BackendError, ErrorKind};
use parking_lot::Mutex;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::Instant;

use crate::backplane::{Backplane, Signal};

type Wire = UnboundedSender<(Instant, Signal)>;

/// Joins the caches of one process; clones are the same cable with a plug each.
#[derive(Debug, Clone, Default)]
pub struct LocalBackplane {
    cable: Arc<Mutex<Vec<(usize, Wire)>>>,
    plug: Arc<Mutex<Plug>>,
    delay: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Plug {
    #[default]
    In,
    Out,
    Silent,
}

impl LocalBackplane {
    /// Creates one whose messages arrive after a time.
    pub fn delayed(delay: Duration) -> Self {
        Self { delay, ..Self::default() }
    }

    /// Returns the plug of another node on the same cable.
    #[must_use]
    pub fn node(&self) -> Self {
        Self { cable: Arc::clone(&self.cable), plug: Arc::default(), delay: self.delay }
    }

    /// Pulls this node's plug: it neither hears nor is heard, and knows it.
    pub fn pull(&self) {
        *self.plug.lock() = Plug::Out;
        self.tell(&Signal::Down);
    }

    /// Loses whatever this node would hear, without its knowing, as a connection does whose other end is gone.
    pub fn silence(&self) {
        *self.plug.lock() = Plug::Silent;
    }

    /// Puts the plug in again.
    pub fn plug_in(&self) {
        *self.plug.lock() = Plug::In;
        self.tell(&Signal::Up);
    }

    fn id(&self) -> usize {
        Arc::as_ptr(&self.plug) as usize
    }

    fn tell(&self, signal: &Signal) {
        let now = Instant::now();
        self.cable.lock().retain(|(id, wire)| *id != self.id() || wire.send((now, signal.clone())).is_ok());
    }
}

#[async_trait]
impl Backplane for LocalBackplane {
    async fn publish(&self, message: Bytes) -> Result<(), BackendError> {
        if *self.plug.lock() == Plug::Out {
            let message = "the plug is out; put it in again";
            return Err(BackendError::new(ErrorKind::Unavailable, "local", "publish", message));
        }
        let at = Instant::now() + self.delay;
        self.cable.lock().retain(|(_, wire)| wire.send((at, Signal::Said(message.clone()))).is_ok());
        Ok(())
    }

    fn subscribe(&self) -> BoxStream<'static, Signal> {
        let (wire, heard) = unbounded_channel();
        let _ = wire.send((Instant::now(), Signal::Up));
        self.cable.lock().push((self.id(), wire));
        let ear = Ear { heard, plug: Arc::clone(&self.plug), has_missed: false };
        Box::pin(stream::unfold(ear, |mut ear| async move { Some((ear.next().await?, ear)) }))
    }
}

/// One subscriber.
struct Ear {
    heard: UnboundedReceiver<(Instant, Signal)>,
    plug: Arc<Mutex<Plug>>,
    has_missed: bool,
}

impl Ear {
    /// Hears the next signal; after a message was missed none is heard before the plug is in again.
    async fn next(&mut self) -> Option<Signal> {
        loop {
            let (at, signal) = self.heard.recv().await?;
            match signal {
                Signal::Said(_) => {
                    tokio::time::sleep_until(at).await;
                    self.has_missed |= *self.plug.lock() != Plug::In;
                    if self.has_missed {
                        continue;
                    }
                }
                Signal::Up => self.has_missed = *self.plug.lock() != Plug::In,
                Signal::Down => {}
            }
            return Some(signal);
        }
    }
}
