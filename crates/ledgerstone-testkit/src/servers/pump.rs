//! The carrying of bytes from one side of a proxy to the other.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::watch;
use tokio::time::sleep;

use super::flow::Flow;
use super::gate::{Gate, Step};

const BUFFER: usize = 16 * 1024;

/// Carries bytes until they end, which is passed on; fails where the connection is to be closed.
pub(super) async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut flow: watch::Receiver<Flow>,
) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER];
    let mut gate = Gate::new(*flow.borrow_and_update());
    loop {
        let read = from.read(&mut buffer).await?;
        let mut rest = buffer.get(..read).unwrap_or_default();
        loop {
            if flow.has_changed().map_err(|_| cut())? {
                gate = Gate::new(*flow.borrow_and_update());
            }
            let (before, bytes, after) = match gate.next(rest.len()) {
                Step::Carry { before, bytes, after } => (before, bytes, after),
                Step::Cut => return Err(cut()),
                Step::Stall => {
                    flow.changed().await.map_err(|_| cut())?;
                    gate = Gate::new(*flow.borrow_and_update());
                    continue;
                }
            };
            wait(before).await;
            let (piece, later) = rest.split_at(bytes.min(rest.len()));
            to.write_all(piece).await?;
            if gate.count(piece.len()) {
                return Err(cut());
            }
            wait(after).await;
            rest = later;
            if rest.is_empty() {
                break;
            }
        }
        if read == 0 {
            return to.shutdown().await;
        }
    }
}

async fn wait(time: Duration) {
    if !time.is_zero() {
        sleep(time).await;
    }
}

fn cut() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionAborted, "cut by the proxy")
}
