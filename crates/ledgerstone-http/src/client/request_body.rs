//! What a request carries, and by its type whether it can be sent again.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use ledgerstone_core::{BackendError, HttpBody};

/// A body that can be sent as often as need be.
#[derive(Debug, Clone, Copy)]
pub enum Replayable {}

/// A body that is used up when it is sent; a call with it runs once, under any policy.
#[derive(Debug, Clone, Copy)]
pub enum OnceOnly {}

/// Whether a body can be sent again: [`Replayable`] or [`OnceOnly`].
pub trait BodyKind: sealed::Sealed + Send + 'static {}

impl BodyKind for Replayable {}
impl BodyKind for OnceOnly {}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::Replayable {}
    impl Sealed for super::OnceOnly {}
}

/// What a request carries.
///
/// ```
/// use ledgerstone_http::Body;
///
/// let report = Body::replayable("a,b\n1,2\n").with_media_type("text/csv");
/// let pieces = futures_util::stream::iter([Ok("a,b\n".into()), Ok("1,2\n".into())]);
/// let stream = Body::once(pieces);
/// # let _ = (report, stream);
/// ```
pub struct Body<K: BodyKind = Replayable> {
    pub(crate) source: Source,
    pub(crate) media_type: Option<String>,
    kind: PhantomData<fn() -> K>,
}

/// Where the bytes come from.
pub(crate) enum Source {
    Again(Replay),
    Once(HttpBody),
}

/// What every attempt can send.
#[derive(Clone)]
pub(crate) enum Replay {
    Nothing,
    Bytes(Bytes),
    Made(Arc<dyn Fn() -> HttpBody + Send + Sync>),
}

impl Body<Replayable> {
    /// Takes bytes, which every attempt sends anew.
    pub fn replayable(bytes: impl Into<Bytes>) -> Self {
        Self::of(Source::Again(Replay::Bytes(bytes.into())))
    }

    /// Takes what makes the pieces, anew for every attempt; each time it must make the same ones.
    pub fn replayable_with<F, S>(make: F) -> Self
    where
        F: Fn() -> S + Send + Sync + 'static,
        S: Stream<Item = Result<Bytes, BackendError>> + Send + 'static,
    {
        Self::of(Source::Again(Replay::Made(Arc::new(move || make().boxed()))))
    }

    pub(crate) fn nothing() -> Self {
        Self::of(Source::Again(Replay::Nothing))
    }
}

impl Body<OnceOnly> {
    /// Takes pieces that are used up when they are sent.
    pub fn once<S>(pieces: S) -> Self
    where
        S: Stream<Item = Result<Bytes, BackendError>> + Send + 'static,
    {
        Self::of(Source::Once(pieces.boxed()))
    }
}

impl<K: BodyKind> Body<K> {
    fn of(source: Source) -> Self {
        Self { source, media_type: None, kind: PhantomData }
    }

    /// Says what it is, as `content-type` does.
    #[must_use]
    pub fn with_media_type(mut self, media_type: impl Into<String>) -> Self {
        self.media_type = Some(media_type.into());
        self
    }
}

impl<K: BodyKind> fmt::Debug for Body<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let source = match &self.source {
            Source::Again(Replay::Nothing) => "nothing",
            Source::Again(Replay::Bytes(_)) => "bytes",
            Source::Again(Replay::Made(_)) => "made anew for each attempt",
            Source::Once(_) => "once only",
        };
        f.debug_struct("Body").field("source", &source).field("media_type", &self.media_type).finish()
    }
}
