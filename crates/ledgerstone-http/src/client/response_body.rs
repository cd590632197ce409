//! The bodies of responses, read or handed on up to a limit.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt as _, TryStreamExt as _};
use ledgerstone_core::{BackendError, Code, ErrorKind, HttpBody, HttpResponse};

const BACKEND: &str = "http";
const READ: &str = "read an answer";
/// How much of an answer that nobody wants is read, so that its connection can be used again.
const UNWANTED_BYTES: u64 = 16 * 1024;

/// Reads a whole body of at most `limit` bytes.
///
/// A declared length above the limit is refused before anything is read.
pub(crate) async fn read_whole(response: HttpResponse, limit: u64) -> Result<Bytes, BackendError> {
    check_declared(&response, limit)?;
    collect(response.body, limit).await
}

/// Reads a whole body of at most `limit` bytes, whatever was declared.
pub(crate) async fn collect(mut body: HttpBody, limit: u64) -> Result<Bytes, BackendError> {
    let Some(first) = body.try_next().await? else { return Ok(Bytes::new()) };
    check_size(first.len() as u64, limit)?;
    let Some(second) = body.try_next().await? else { return Ok(first) };
    let mut whole = BytesMut::with_capacity(first.len() + second.len());
    whole.extend_from_slice(&first);
    let mut piece = Some(second);
    while let Some(bytes) = piece {
        check_size(whole.len() as u64 + bytes.len() as u64, limit)?;
        whole.extend_from_slice(&bytes);
        piece = body.try_next().await?;
    }
    Ok(whole.freeze())
}

/// Refuses a response that says itself that it is too large.
pub(crate) fn check_declared(response: &HttpResponse, limit: u64) -> Result<(), BackendError> {
    let declared = response.header("content-length").and_then(|length| length.trim().parse().ok());
    check_size(declared.unwrap_or(0), limit)
}

/// Hands a body on up to a limit, each piece within `patience`.
pub(crate) fn bounded(body: HttpBody, limit: u64, patience: Duration) -> HttpBody {
    let pieces = futures_util::stream::unfold(Some((body, 0_u64)), move |state| async move {
        let (mut body, read) = state?;
        let next = match tokio::time::timeout(patience, body.next()).await {
            Ok(None) => return None,
            Ok(Some(next)) => next,
            Err(_) => Err(stalled(patience)),
        };
        let next = next.and_then(|bytes| {
            let read = read + bytes.len() as u64;
            check_size(read, limit).map(|()| (bytes, read))
        });
        match next {
            Ok((bytes, read)) => Some((Ok(bytes), Some((body, read)))),
            Err(error) => Some((Err(error), None)),
        }
    });
    pieces.boxed()
}

/// Reads what is left of an answer that nobody wants, if it is little and there at once.
pub(crate) async fn discard(response: HttpResponse) {
    let rest = tokio::time::timeout(Duration::from_millis(100), read_whole(response, UNWANTED_BYTES));
    // If it is too much, the connection is closed, and nothing else is lost.
    let _ = rest.await;
}

fn check_size(read: u64, limit: u64) -> Result<(), BackendError> {
    if read <= limit {
        return Ok(());
    }
    let message =
        format!("the answer has {read} bytes or more and the limit is {limit}; ask for less or raise it");
    Err(BackendError::new(ErrorKind::Invalid, BACKEND, READ, message).with_code(Code::TooLarge))
}

fn stalled(patience: Duration) -> BackendError {
    let message = format!("nothing more of the answer came for {patience:?}; ask again");
    BackendError::new(ErrorKind::TimedOut, BACKEND, READ, message).with_code(Code::Indeterminate)
}
