//! The backplane over Redis: publish and subscribe, the latter on a connection of its own.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_core::stream::BoxStream;
use futures_util::StreamExt as _;
use futures_util::stream;
use ledgerstone_core::{BackendError, ErrorKind, Retry};
use rand::Rng as _;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Client, RedisError};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use crate::backplane::{Backplane, Signal};

const BACKEND: &str = "redis";
const RETRY: Retry =
    Retry { attempts: u32::MAX, base: Duration::from_millis(20), cap: Duration::from_secs(2) };

/// Carries messages by a channel of Redis; after a loss it subscribes again by itself.
pub struct RedisBackplane {
    client: Client,
    connection: ConnectionManager,
    channel: String,
    timeout: Duration,
}

impl RedisBackplane {
    /// Makes one for the server at `url`; a server that is down stops nothing. It must be called within a tokio
    /// runtime.
    pub fn new(url: &str, channel: &str, timeout: Duration) -> Result<Self, BackendError> {
        let refuse = |error: RedisError| {
            let message = format!("the address is not understood, write redis://host:6379: {error}");
            BackendError::new(ErrorKind::Misconfigured, BACKEND, "open", message).with_source(error)
        };
        if let Err(error) = tokio::runtime::Handle::try_current() {
            let message = "open it within a tokio runtime";
            return Err(
                BackendError::new(ErrorKind::Misconfigured, BACKEND, "open", message).with_source(error)
            );
        }
        let client = Client::open(url).map_err(refuse)?;
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(timeout))
            .set_response_timeout(Some(timeout))
            .set_number_of_retries(0);
        let connection = ConnectionManager::new_lazy_with_config(client.clone(), config).map_err(refuse)?;
        Ok(Self { client, connection, channel: channel.to_owned(), timeout })
    }
}

impl fmt::Debug for RedisBackplane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisBackplane").field("channel", &self.channel).finish_non_exhaustive()
    }
}

#[async_trait]
impl Backplane for RedisBackplane {
    async fn publish(&self, message: Bytes) -> Result<(), BackendError> {
        let mut connection = self.connection.clone();
        let mut command = redis::cmd("PUBLISH");
        command.arg(&self.channel).arg(&message[..]);
        let said = tokio::time::timeout(self.timeout, command.query_async::<u64>(&mut connection)).await;
        let kind = ErrorKind::Unavailable;
        match said {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => {
                Err(BackendError::new(kind, BACKEND, "publish", error.to_string()).with_source(error))
            }
            Err(elapsed) => {
                Err(BackendError::new(ErrorKind::TimedOut, BACKEND, "publish", "no answer in time")
                    .with_source(elapsed))
            }
        }
    }

    fn subscribe(&self) -> BoxStream<'static, Signal> {
        let (said, heard) = unbounded_channel();
        tokio::spawn(listen(self.client.clone(), self.channel.clone(), self.timeout, said));
        stream::unfold(heard, |mut heard| async move { Some((heard.recv().await?, heard)) }).boxed()
    }
}

/// Listens until nobody wants to hear any more.
async fn listen(client: Client, channel: String, timeout: Duration, said: UnboundedSender<Signal>) {
    let mut attempt = 0;
    while !said.is_closed() {
        if hear(&client, &channel, timeout, &said).await {
            attempt = 0;
        }
        if said.send(Signal::Down).is_err() {
            return;
        }
        attempt += 1;
        let wait = RETRY.wait(attempt.min(16), rand::rng().random()).unwrap_or(RETRY.cap);
        tokio::time::sleep(wait).await;
    }
}

/// Hears one connection out; tells whether it ever worked.
async fn hear(client: &Client, channel: &str, timeout: Duration, said: &UnboundedSender<Signal>) -> bool {
    let connecting = async {
        let mut connection = client.get_async_pubsub().await?;
        connection.subscribe(channel).await?;
        Ok::<_, RedisError>(connection)
    };
    let Ok(Ok(connection)) = tokio::time::timeout(timeout, connecting).await else { return false };
    if said.send(Signal::Up).is_err() {
        return true;
    }
    let mut messages = connection.into_on_message();
    loop {
        tokio::select! {
            message = messages.next() => {
                let Some(message) = message else { return true };
                let bytes = Bytes::copy_from_slice(message.get_payload_bytes());
                if said.send(Signal::Said(bytes)).is_err() {
                    return true;
                }
            }
            () = said.closed() => return true,
        }
    }
}
