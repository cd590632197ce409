//! The frames of a reading, each of which is read while the one before it is looked at.

use std::future::Future;

use futures_util::{StreamExt as _, stream};
use ledgerstone_core::{BackendError, ErrorKind, Frame, Frames};
use tokio::task::{JoinError, JoinHandle};

/// A frame, and the reading behind it.
pub(crate) type FrameRead<R> = Result<(Frame, R), BackendError>;

/// A reading in progress of a store on disk.
pub(crate) trait ReadFrames: Sized + Send + 'static {
    const BACKEND: &'static str;

    fn is_done(&self) -> bool;

    /// Reads the first frame.
    fn first(self) -> impl Future<Output = FrameRead<Self>> + Send;

    /// Begins to read the next frame.
    fn ahead(self) -> JoinHandle<FrameRead<Self>>;
}

/// Reads frames until the reading is done or has failed.
pub(crate) fn frames<R: ReadFrames>(reading: R) -> Frames {
    stream::unfold(Next::Begin(reading), |next| async move {
        match next.frame().await? {
            Ok((frame, next)) => Some((Ok(frame), next)),
            Err(error) => Some((Err(error.into()), Next::End)),
        }
    })
    .boxed()
}

/// Says so if whoever read a frame has panicked.
pub(crate) fn joined<R: ReadFrames>(read: Result<FrameRead<R>, JoinError>) -> FrameRead<R> {
    read.unwrap_or_else(|error| {
        let message = format!("the reader ended: {error}");
        Err(BackendError::new(ErrorKind::Internal, R::BACKEND, "read", message))
    })
}

/// What comes next in a stream of frames.
enum Next<R> {
    /// The reading has not begun.
    Begin(R),
    /// The next frame is being read while its predecessor is looked at.
    Ahead(JoinHandle<FrameRead<R>>),
    /// Nothing.
    End,
}

impl<R: ReadFrames> Next<R> {
    /// Waits for the next frame, and begins to read the one after it.
    async fn frame(self) -> Option<FrameRead<Self>> {
        let read = match self {
            Self::End => return None,
            Self::Begin(reading) => reading.first().await,
            Self::Ahead(task) => joined(task.await),
        };
        Some(read.map(|(frame, reading)| {
            let next = if reading.is_done() { Self::End } else { Self::Ahead(reading.ahead()) };
            (frame, next)
        }))
    }
}
