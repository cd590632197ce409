//! The frames of a reading, of which the next ones are read while those before them are looked at.

use std::collections::VecDeque;
use std::future::Future;

use futures_util::{StreamExt as _, stream};
use ledgerstone_core::{BackendError, ErrorKind, EventStoreError, Frame, Frames};
use tokio::task::{JoinError, JoinHandle};

use crate::cursor::FRAME_BYTES;

/// How many frames are read ahead at once at most, if they are small: to wake a thread for one of them takes about as
/// long as to read it.
const MOST_AHEAD: usize = 8;
/// How often frames are read ahead before it is tried again without: what was not in memory once is seldom alone.
const ROUNDS_AHEAD: u32 = 4;

/// A reading in progress of a store on disk.
pub(crate) trait ReadFrames: Sized + Send + 'static {
    const BACKEND: &'static str;

    fn is_done(&self) -> bool;

    /// Tells whether frames that are in memory are read on the caller's own thread: what two threads hand over from one
    /// processor to another costs more than it saves, where reading is little work.
    fn is_read_here(&self) -> bool {
        false
    }

    /// Reads the next frame on the caller's own thread, or nothing if that means waiting.
    fn here(&mut self) -> Result<Option<Frame>, BackendError> {
        Ok(None)
    }

    /// Reads the first frame.
    fn first(self) -> impl Future<Output = Bundle<Self>> + Send;

    /// Begins to read so many frames at most.
    fn ahead(self, most: usize) -> JoinHandle<Bundle<Self>>;
}

/// Frames that were read one after another, and the reading behind them or what ended it.
#[derive(Debug)]
pub(crate) struct Bundle<R> {
    frames: VecDeque<Frame>,
    rest: Result<R, BackendError>,
}

impl<R: ReadFrames> Bundle<R> {
    /// Reads so many frames at most, or fewer that hold much.
    pub(crate) fn read(
        mut reading: R,
        most: usize,
        mut frame: impl FnMut(&mut R) -> Result<Frame, BackendError>,
    ) -> Self {
        let (mut frames, mut bytes) = (VecDeque::new(), 0);
        loop {
            let read = match frame(&mut reading) {
                Ok(read) => read,
                Err(error) => return Self { frames, rest: Err(error) },
            };
            bytes += read.events.iter().map(|event| event.as_bytes().len()).sum::<usize>();
            frames.push_back(read);
            if frames.len() >= most || bytes >= FRAME_BYTES || reading.is_done() {
                return Self { frames, rest: Ok(reading) };
            }
        }
    }

    /// Takes one frame that was read.
    pub(crate) fn one(read: Result<(Frame, R), BackendError>) -> Self {
        match read {
            Ok((frame, reading)) => Self { frames: VecDeque::from([frame]), rest: Ok(reading) },
            Err(error) => Self::failed(error),
        }
    }

    /// Says that nothing could be read.
    pub(crate) fn failed(error: BackendError) -> Self {
        Self { frames: VecDeque::new(), rest: Err(error) }
    }

    /// Says so if whoever read has panicked.
    pub(crate) fn joined(read: Result<Self, JoinError>) -> Self {
        read.unwrap_or_else(|error| {
            let message = format!("the reader ended: {error}");
            Self::failed(BackendError::new(ErrorKind::Internal, R::BACKEND, "read", message))
        })
    }
}

/// Reads frames until the reading is done or has failed.
pub(crate) fn frames<R: ReadFrames>(reading: R) -> Frames {
    let begun = Progress { ready: VecDeque::new(), next: Next::Begin(reading), ahead: 1 };
    stream::unfold(begun, Progress::frame).boxed()
}

/// How far a stream of frames is.
struct Progress<R> {
    /// What was read and not handed out.
    ready: VecDeque<Frame>,
    next: Next<R>,
    /// How many frames are read ahead the next time.
    ahead: usize,
}

/// What comes behind the frames that were read.
enum Next<R> {
    /// Everything: the reading has not begun.
    Begin(R),
    /// What the reading yields on.
    Here(R),
    /// Frames that are being read, and how often others follow in the same way.
    Ahead(JoinHandle<Bundle<R>>, u32),
    /// An error.
    Failed(BackendError),
    /// Nothing.
    End,
}

impl<R: ReadFrames> Progress<R> {
    /// Waits for the next frame, and begins to read those after the ones that were read.
    async fn frame(mut self) -> Option<(Result<Frame, EventStoreError>, Self)> {
        loop {
            if let Some(frame) = self.ready.pop_front() {
                return Some((Ok(frame), self));
            }
            match std::mem::replace(&mut self.next, Next::End) {
                Next::End => return None,
                Next::Failed(error) => return Some((Err(error.into()), self)),
                Next::Begin(reading) => {
                    let bundle = reading.first().await;
                    self.take(bundle, 0);
                }
                Next::Here(mut reading) => {
                    // Others have their turn between two frames.
                    tokio::task::yield_now().await;
                    match reading.here() {
                        Ok(Some(frame)) => {
                            self.ahead = 1;
                            self.take(Bundle::one(Ok((frame, reading))), 0);
                        }
                        Ok(None) => self.next = self.read_ahead(reading, ROUNDS_AHEAD),
                        Err(error) => self.next = Next::Failed(error),
                    }
                }
                Next::Ahead(task, rounds) => self.take(Bundle::joined(task.await), rounds),
            }
        }
    }

    /// Takes what was read, and goes on with the reading unless it is done or has failed.
    fn take(&mut self, bundle: Bundle<R>, rounds: u32) {
        self.ready = bundle.frames;
        self.next = match bundle.rest {
            Err(error) => Next::Failed(error),
            Ok(reading) if reading.is_done() => Next::End,
            Ok(reading) if rounds == 0 && reading.is_read_here() => Next::Here(reading),
            Ok(reading) => self.read_ahead(reading, rounds.saturating_sub(1)),
        };
    }

    fn read_ahead(&mut self, reading: R, rounds: u32) -> Next<R> {
        let task = reading.ahead(self.ahead);
        self.ahead = (self.ahead * 2).min(MOST_AHEAD);
        Next::Ahead(task, rounds)
    }
}
