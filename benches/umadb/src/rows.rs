//! The loads: what one task does again and again with UmaDB's own client.

use std::sync::Arc;

use anyhow::{Result, ensure};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use umadb_client::AsyncUmaDbClient;
use umadb_dcb::DcbEventStoreAsync as _;

use crate::events::{Events, never, of_tag};
use crate::server::Server;

/// What a task does once; it tells how much that was.
pub type Step = Box<dyn FnMut() -> BoxFuture<'static, Result<u64>> + Send>;

/// How many events one tag has in the large log.
pub const EVENTS_OF_A_TAG: u64 = 10;

/// A client that several tasks may share.
pub type Client = Arc<AsyncUmaDbClient>;

/// Connects as many clients, each on a connection of its own, or all on one.
pub async fn clients(server: &Server, many: usize, shared: bool) -> Result<Vec<Client>> {
    let mut clients: Vec<Client> = Vec::with_capacity(many);
    for _ in 0..many {
        let client = match clients.first() {
            Some(first) if shared => Arc::clone(first),
            _ => Arc::new(server.connect().await?),
        };
        clients.push(client);
    }
    Ok(clients)
}

/// Asks for the head.
pub fn asks_for_the_head(client: &Client) -> Step {
    let client = Arc::clone(client);
    Box::new(move || {
        let client = Arc::clone(&client);
        async move { Ok(client.head().await.map(|_| 1)?) }.boxed()
    })
}

/// Appends so many events at once; the condition, if any, is that nothing was tagged as the first one is.
pub fn appends(client: &Client, seed: u64, many: usize, conditional: bool) -> Step {
    let (client, mut events) = (Arc::clone(client), Events::new(seed));
    Box::new(move || {
        let batch: Vec<_> = (0..many).map(|_| events.fresh()).collect();
        let condition = conditional.then(|| never(&batch[0]));
        let client = Arc::clone(&client);
        async move { Ok(client.append(batch, condition, None).await.map(|_| many as u64)?) }.boxed()
    })
}

/// Reads the events of a tag, ever another one.
pub fn reads_a_tag(client: &Client, seed: u64, tags: u64) -> Step {
    let (client, mut random) = (Arc::clone(client), Events::new(seed));
    Box::new(move || {
        let query = of_tag(&tag(random.random() % tags));
        let client = Arc::clone(&client);
        async move {
            let (events, _) = client.read(Some(query), None, false, None).await?.collect_with_head().await?;
            ensure!(events.len() as u64 == EVENTS_OF_A_TAG, "a tag has {} events", events.len());
            Ok(1)
        }
        .boxed()
    })
}

/// Returns the name of a tag of the large log.
pub fn tag(number: u64) -> String {
    format!("customer-{number}")
}

/// Appends events from `first` to before `last` of the large log; the events of a tag lie far apart.
pub async fn load(client: Client, first: u64, last: u64, tags: u64) -> Result<()> {
    const BATCH: u64 = 1_000;
    // No window has such a seed, and every id is of its own.
    let mut events = Events::new((1 << 40) + first);
    let mut at = first;
    while at < last {
        let end = last.min(at + BATCH);
        let batch = (at..end).map(|number| events.tagged(tag(number % tags))).collect();
        client.append(batch, None, None).await?;
        at = end;
    }
    Ok(())
}

/// Reads the whole log, and tells how many events that were.
pub async fn reads_all(client: &Client) -> Result<u64> {
    let mut read = client.read(None, None, false, None).await?;
    let mut events = 0;
    loop {
        let batch = read.next_batch().await?;
        if batch.is_empty() {
            return Ok(events);
        }
        events += batch.len() as u64;
    }
}
