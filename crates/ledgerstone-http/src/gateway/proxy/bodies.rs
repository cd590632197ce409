//! Bodies on their way through, piece by piece: bounded in size where we are asked, and in silence on both sides.

use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, HttpBody as _};
use bytes::{Buf as _, Bytes};
use hyper::body::{Frame, Incoming, SizeHint};
use tokio::time::{Instant, Sleep, sleep};

use crate::gateway::lease::Lease;

/// Why a body was given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Broken {
    TooLarge,
    Silent,
    /// Whoever sent it broke off.
    Aborted,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLarge => "the body is above its limit",
            Self::Silent => "nothing more of the body came for too long",
            Self::Aborted => "whoever sent the body broke off",
        })
    }
}

impl Error for Broken {}

/// Tells whoever sent a body why it was given up: the client that sends it on says only that it broke.
#[derive(Debug, Clone, Default)]
pub(crate) struct Verdict(Arc<AtomicU8>);

const AWAITED: u8 = 4;

impl Verdict {
    fn set(&self, broken: Broken) {
        let code = match broken {
            Broken::TooLarge => 1,
            Broken::Silent => 2,
            Broken::Aborted => 3,
        };
        self.0.store(code, Ordering::Release);
    }

    /// Says whether more of the body has yet to come from whoever sends it.
    fn set_awaited(&self, is_awaited: bool) {
        self.0.store(if is_awaited { AWAITED } else { 0 }, Ordering::Release);
    }

    pub(crate) fn get(&self) -> Option<Broken> {
        match self.0.load(Ordering::Acquire) {
            1 => Some(Broken::TooLarge),
            2 => Some(Broken::Silent),
            3 => Some(Broken::Aborted),
            _ => None,
        }
    }

    /// Tells whether the body was given up, or is still waited for: then a service that says nothing may be well.
    pub(crate) fn is_on_sender(&self) -> bool {
        self.0.load(Ordering::Acquire) != 0
    }
}

/// Measures how long a body was waited for; made only where one has to wait.
#[derive(Debug)]
struct Silence {
    longest: Duration,
    sleep: Option<Pin<Box<Sleep>>>,
    is_running: bool,
}

impl Silence {
    fn new(longest: Duration) -> Self {
        Self { longest, sleep: None, is_running: false }
    }

    /// Says that something came. Until it is waited again no time runs: who is slow to take is not silent.
    fn end(&mut self) {
        self.is_running = false;
    }

    fn is_too_long(&mut self, context: &mut Context<'_>) -> bool {
        let longest = self.longest;
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep(longest)));
        if !self.is_running {
            self.is_running = true;
            sleep.as_mut().reset(Instant::now() + longest);
        }
        sleep.as_mut().poll(context).is_ready()
    }
}

/// The body of a request on its way to a service.
pub(crate) enum Upload {
    /// There is none; so the request can be sent again.
    Empty,
    Streamed(Box<Streamed>),
}

pub(crate) struct Streamed {
    body: Body,
    left: u64,
    silence: Silence,
    verdict: Verdict,
}

impl Upload {
    pub(crate) fn new(body: Body, limit: u64, silence: Duration, verdict: Verdict) -> Self {
        if body.is_end_stream() {
            return Self::Empty;
        }
        Self::Streamed(Box::new(Streamed { body, left: limit, silence: Silence::new(silence), verdict }))
    }

    pub(crate) fn is_empty(&self) -> bool {
        matches!(self, Self::Empty)
    }
}

impl hyper::body::Body for Upload {
    type Data = Bytes;
    type Error = Box<dyn Error + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let Self::Streamed(streamed) = &mut *self else { return Poll::Ready(None) };
        let broken = |verdict: &Verdict, broken: Broken| {
            verdict.set(broken);
            Poll::Ready(Some(Err(broken.into())))
        };
        match Pin::new(&mut streamed.body).poll_frame(context) {
            Poll::Pending if streamed.silence.is_too_long(context) => {
                broken(&streamed.verdict, Broken::Silent)
            }
            Poll::Pending => {
                streamed.verdict.set_awaited(true);
                Poll::Pending
            }
            Poll::Ready(Some(Ok(frame))) => {
                streamed.silence.end();
                streamed.verdict.set_awaited(false);
                let size = frame.data_ref().map_or(0, |data| data.remaining() as u64);
                match streamed.left.checked_sub(size) {
                    Some(left) => streamed.left = left,
                    None => return broken(&streamed.verdict, Broken::TooLarge),
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => {
                streamed.verdict.set(Broken::Aborted);
                Poll::Ready(Some(Err(error.into())))
            }
            Poll::Ready(None) => {
                streamed.verdict.set_awaited(false);
                Poll::Ready(None)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Streamed(streamed) => streamed.body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Streamed(streamed) => streamed.body.size_hint(),
        }
    }
}

/// The body of an answer on its way back; the endpoint is busy until it has ended.
pub(crate) struct Download {
    body: Incoming,
    silence: Silence,
    lease: Lease,
    upload: Verdict,
}

impl Download {
    pub(crate) fn new(body: Incoming, silence: Duration, lease: Lease, upload: Verdict) -> Self {
        Self { body, silence: Silence::new(silence), lease, upload }
    }
}

impl hyper::body::Body for Download {
    type Data = Bytes;
    type Error = Box<dyn Error + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        match Pin::new(&mut self.body).poll_frame(context) {
            Poll::Pending if self.silence.is_too_long(context) => {
                // The rest of the answer may wait for the rest of the request.
                if !self.upload.is_on_sender() {
                    self.lease.fail();
                }
                Poll::Ready(Some(Err(Broken::Silent.into())))
            }
            Poll::Pending => Poll::Pending,
            Poll::Ready(Some(Err(error))) => {
                if self.upload.get().is_none() {
                    self.lease.fail();
                }
                Poll::Ready(Some(Err(error.into())))
            }
            Poll::Ready(next) => {
                self.silence.end();
                Poll::Ready(next.map(|frame| frame.map_err(Into::into)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
