//! A server that does what no server should: it stalls, cuts, trickles, lies and talks nonsense.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// What it does on a connection, one after another; at the end it closes.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// Reads the head of a request.
    Request,
    /// Writes this.
    Say(Bytes),
    /// Writes this again and again until nobody listens.
    Forever(Bytes),
    /// Writes this again and again, with a pause between.
    Trickle(Bytes, Duration),
    /// Holds the connection and does nothing.
    Stall,
    /// Begins from the first step.
    Again,
}

/// The server; it ends with the test.
#[derive(Debug)]
pub(crate) struct Hostile {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
    asked: Arc<Mutex<String>>,
    serving: tokio::task::JoinHandle<()>,
}

impl Hostile {
    pub(crate) async fn start(steps: Vec<Step>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (connections, asked) = (Arc::<AtomicUsize>::default(), Arc::<Mutex<String>>::default());
        let (counted, heard) = (Arc::clone(&connections), Arc::clone(&asked));
        let serving = tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(serve(connection, steps.clone(), Arc::clone(&heard)));
            }
        });
        Self { address, connections, asked, serving }
    }

    /// Answers every connection's first request with this, and closes.
    pub(crate) async fn saying(answer: impl Into<Bytes>) -> Self {
        Self::start(vec![Step::Request, Step::Say(answer.into())]).await
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    #[cfg(feature = "tls")]
    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// Returns how many connections were opened.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// Returns the head of the last request.
    pub(crate) fn asked(&self) -> String {
        self.asked.lock().clone()
    }
}

impl Drop for Hostile {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(mut connection: TcpStream, steps: Vec<Step>, asked: Arc<Mutex<String>>) {
    let mut next = 0;
    while let Some(step) = steps.get(next) {
        next += 1;
        let done = match step {
            Step::Request => read_head(&mut connection, &asked).await,
            Step::Say(bytes) => connection.write_all(bytes).await.is_ok(),
            Step::Forever(bytes) => {
                while connection.write_all(bytes).await.is_ok() {}
                false
            }
            Step::Trickle(bytes, pause) => {
                while connection.write_all(bytes).await.is_ok() {
                    tokio::time::sleep(*pause).await;
                }
                false
            }
            Step::Stall => std::future::pending().await,
            Step::Again => {
                next = 0;
                true
            }
        };
        if !done {
            return;
        }
    }
}

async fn read_head(connection: &mut TcpStream, asked: &Mutex<String>) -> bool {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match connection.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return false,
        }
    }
    *asked.lock() = String::from_utf8_lossy(&head).into_owned();
    true
}
