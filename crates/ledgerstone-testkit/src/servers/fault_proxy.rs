//! A proxy between a client and a server that does to their connections what a bad network does.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::flow::{Flow, Way};
use super::free_port::listener;
use super::pump::pump;
use super::server_error::ServerError;

/// Passes TCP connections on to a server, unharmed until told otherwise.
///
/// What is set binds the connections that are open and those to come. It works in tasks of the runtime that it
/// was made in, so a test that blocks this runtime blocks its connections too. Under a paused clock a delay
/// takes no real time.
///
/// ```
/// # async fn example(server: std::net::SocketAddr) -> Result<(), ledgerstone_testkit::servers::ServerError> {
/// use ledgerstone_testkit::servers::{FaultProxy, Flow, Way};
///
/// let proxy = FaultProxy::before(server).await?;
/// let url = format!("http://{}", proxy.address());
/// proxy.set(Way::ToClient, Flow::CutAfter(100)); // Every answer breaks off after 100 bytes.
/// proxy.set(Way::Both, Flow::Pass);
/// # let _ = url;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct FaultProxy {
    address: SocketAddr,
    link: Arc<Link>,
    /// The task that takes connections; none while they are refused.
    door: Mutex<Option<JoinHandle<()>>>,
}

/// What all connections share.
#[derive(Debug)]
struct Link {
    server: SocketAddr,
    to_server: watch::Sender<Flow>,
    to_client: watch::Sender<Flow>,
    cuts: watch::Sender<()>,
    taken: AtomicU64,
}

impl FaultProxy {
    /// Listens on a free port of 127.0.0.1, before the server at this address.
    pub async fn before(server: SocketAddr) -> Result<Self, ServerError> {
        let (port, held) = listener()?;
        let nonblocking = held.set_nonblocking(true).and_then(|()| TcpListener::from_std(held));
        let taking = nonblocking.map_err(ServerError::machine("the proxy could not listen"))?;
        let (to_server, to_client) = (watch::Sender::default(), watch::Sender::default());
        let link = Link { server, to_server, to_client, cuts: watch::Sender::default(), taken: 0.into() };
        let link = Arc::new(link);
        let door = tokio::spawn(take(taking, Arc::clone(&link)));
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        Ok(Self { address, link, door: Mutex::new(Some(door)) })
    }

    /// Returns the address to give to the client; it stays the same.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns how many connections have been taken so far.
    pub fn taken(&self) -> u64 {
        self.link.taken.load(Ordering::Relaxed)
    }

    /// Sets what happens to bytes on this way.
    pub fn set(&self, way: Way, flow: Flow) {
        if way != Way::ToClient {
            self.link.to_server.send_replace(flow);
        }
        if way != Way::ToServer {
            self.link.to_client.send_replace(flow);
        }
    }

    /// Closes the connections that are open, on both sides; new ones are taken.
    pub fn cut(&self) {
        self.link.cuts.send_replace(());
    }

    /// Refuses new connections from here on, as a server that is gone; those that are open go on.
    pub async fn refuse(&self) {
        let door = self.door.lock().take();
        if let Some(door) = door {
            door.abort();
            // Its socket is closed once it has ended.
            let _ = door.await;
        }
    }

    /// Takes new connections again, on the same port.
    pub async fn admit(&self) -> Result<(), ServerError> {
        // Awaited first: two listeners would not get one port.
        self.refuse().await;
        let taking = TcpListener::bind(self.address).await;
        let taking = taking.map_err(ServerError::machine("the proxy could not listen again"))?;
        *self.door.lock() = Some(tokio::spawn(take(taking, Arc::clone(&self.link))));
        Ok(())
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        if let Some(door) = self.door.get_mut() {
            door.abort();
        }
        self.cut();
    }
}

async fn take(listener: TcpListener, link: Arc<Link>) {
    while let Ok((client, _)) = listener.accept().await {
        link.taken.fetch_add(1, Ordering::Relaxed);
        // Before the task begins, so that a cut that follows at once is not missed.
        let cuts = link.cuts.subscribe();
        tokio::spawn(carry(client, Arc::clone(&link), cuts));
    }
}

/// Serves one connection; both sides are closed when this ends.
async fn carry(client: TcpStream, link: Arc<Link>, mut cuts: watch::Receiver<()>) {
    let both_ways = async {
        let Ok(server) = TcpStream::connect(link.server).await else { return };
        // A delay is the proxy's to make, not the system's.
        let _ = (client.set_nodelay(true), server.set_nodelay(true));
        let (from_client, to_client) = client.into_split();
        let (from_server, to_server) = server.into_split();
        let there = pump(from_client, to_server, link.to_server.subscribe());
        let back = pump(from_server, to_client, link.to_client.subscribe());
        // The first that fails ends the other; an end in order waits for the other's.
        let _ = tokio::try_join!(there, back);
    };
    tokio::select! {
        () = both_ways => {}
        _ = cuts.changed() => {}
    }
}
