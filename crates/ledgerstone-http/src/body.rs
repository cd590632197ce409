//! Request bodies, read up to a limit.

use std::io::Read as _;
use std::time::Duration;

use axum::body::Body;
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use axum::http::{HeaderMap, StatusCode};
use bytes::{Bytes, BytesMut};
use flate2::bufread::MultiGzDecoder;
use futures_util::TryStreamExt as _;
use ledgerstone_core::{Code, ErrorKind, Problem};

use crate::problem::Failure;

/// How long the next piece of a body may take to arrive: who sends none holds a connection that others need.
const PATIENCE: Duration = Duration::from_secs(10);

/// How many times as large as it was sent a body may be unpacked, beyond what every one may be: JSON packs to a
/// twentieth or so.
const RATIO: usize = 100;
const FREE_BYTES: usize = 64 * 1024;

/// Reads a whole body of at most `limit` bytes, packed or not, and unpacks one that is said to be gzip.
///
/// A declared length above the limit is refused before reading, and a body that does not get on for ten seconds is
/// given up.
pub async fn read_body(headers: &HeaderMap, body: Body, limit: usize) -> Result<Bytes, Failure> {
    let is_packed = is_gzip(headers)?;
    let bytes = read_whole(headers, body, limit).await?;
    if !is_packed {
        return Ok(bytes);
    }
    let unpacked = tokio::task::spawn_blocking(move || unpack(&bytes, limit)).await;
    unpacked.unwrap_or_else(|error| {
        Err(Problem::new(ErrorKind::Internal, Code::Internal, format!("the unpacker ended: {error}")).into())
    })
}

/// Tells whether a body is said to be gzip; any other encoding is refused.
fn is_gzip(headers: &HeaderMap) -> Result<bool, Failure> {
    let Some(given) = headers.get(CONTENT_ENCODING) else { return Ok(false) };
    let given = String::from_utf8_lossy(given.as_bytes());
    match given.trim().to_ascii_lowercase().as_str() {
        "" | "identity" => Ok(false),
        "gzip" | "x-gzip" => Ok(true),
        other => {
            let mut problem =
                Problem::invalid(format!("the body is said to be packed as {other:?}; send gzip or plain"));
            problem.status = StatusCode::UNSUPPORTED_MEDIA_TYPE.as_u16();
            Err(problem.into())
        }
    }
}

fn unpack(bytes: &[u8], limit: usize) -> Result<Bytes, Failure> {
    // Who wants much memory has to send much.
    let limit = limit.min(FREE_BYTES + RATIO * bytes.len());
    let mut unpacked = Vec::new();
    let read = MultiGzDecoder::new(bytes).take(limit as u64 + 1).read_to_end(&mut unpacked);
    read.map_err(|error| {
        Problem::invalid(format!("the body is not the gzip that it is said to be: {error}"))
    })?;
    unpacked.shrink_to_fit();
    within(unpacked.into(), limit)
}

async fn read_whole(headers: &HeaderMap, body: Body, limit: usize) -> Result<Bytes, Failure> {
    let declared = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if let Some(given) = declared.filter(|given| *given > limit) {
        return Err(too_large(given, limit));
    }
    let mut pieces = body.into_data_stream();
    let Some(first) = next(&mut pieces).await? else { return Ok(Bytes::new()) };
    let Some(second) = next(&mut pieces).await? else { return within(first, limit) };

    let mut whole = BytesMut::with_capacity(declared.unwrap_or(first.len() + second.len()));
    whole.extend_from_slice(&first);
    let mut piece = Some(second);
    while let Some(bytes) = piece {
        if whole.len() + bytes.len() > limit {
            return Err(too_large(whole.len() + bytes.len(), limit));
        }
        whole.extend_from_slice(&bytes);
        piece = next(&mut pieces).await?;
    }
    Ok(whole.freeze())
}

async fn next(pieces: &mut axum::body::BodyDataStream) -> Result<Option<Bytes>, Failure> {
    let broken = |error: axum::Error| Problem::invalid(format!("the body did not arrive whole: {error}"));
    let piece = tokio::time::timeout(PATIENCE, pieces.try_next()).await.map_err(|_| stalled())?;
    Ok(piece.map_err(broken)?)
}

fn stalled() -> Problem {
    let seconds = PATIENCE.as_secs();
    let mut problem =
        Problem::invalid(format!("nothing more of the body came for {seconds} s; send the request again"));
    problem.status = StatusCode::REQUEST_TIMEOUT.as_u16();
    problem
}

fn within(bytes: Bytes, limit: usize) -> Result<Bytes, Failure> {
    if bytes.len() > limit { Err(too_large(bytes.len(), limit)) } else { Ok(bytes) }
}

/// Refuses a body above the limit.
pub(crate) fn too_large(given: usize, limit: usize) -> Failure {
    let detail = format!("the body has {given} bytes or more and the limit is {limit}; send it in parts");
    let problem = Problem::new(ErrorKind::Invalid, Code::TooLarge, detail);
    Failure::from(problem.with("what", "a body size").with("given", given).with("limit", limit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_body_above_the_limit_is_refused() {
        let headers = HeaderMap::new();
        let whole = read_body(&headers, Body::from("12345"), 5).await.expect("within");
        assert_eq!(whole, "12345");
        assert!(read_body(&headers, Body::from("123456"), 5).await.is_err());
    }

    fn packed(bytes: &[u8]) -> Vec<u8> {
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::Write::write_all(&mut packer, bytes).expect("packs");
        packer.finish().expect("packs")
    }

    fn said_to_be(encoding: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(CONTENT_ENCODING, axum::http::HeaderValue::from_static(encoding))])
    }

    #[tokio::test]
    async fn a_packed_body_is_unpacked_up_to_the_limit() {
        let body = || Body::from(packed(&[b'x'; 1000]));
        let unpacked = read_body(&said_to_be("gzip"), body(), 1000).await.expect("unpacks");
        assert_eq!(unpacked, [b'x'; 1000].as_slice());
        let failure = read_body(&said_to_be("gzip"), body(), 999).await.expect_err("above the limit");
        assert_eq!(failure.problem().status, 413);
        let plain = read_body(&said_to_be("gzip"), Body::from("plain"), 100).await.expect_err("no gzip");
        assert_eq!(plain.problem().status, 400);
        let bomb = Body::from(packed(&vec![b'x'; 1 << 20]));
        let failure = read_body(&said_to_be("gzip"), bomb, 1 << 24).await.expect_err("too much of nothing");
        assert_eq!(failure.problem().status, 413);
        let mut cut = packed(&[b'x'; 1000]);
        cut.truncate(cut.len() - 3);
        assert!(read_body(&said_to_be("gzip"), Body::from(cut), 5000).await.is_err());
        let other = read_body(&said_to_be("br"), body(), 5000).await.expect_err("another encoding");
        assert_eq!(other.problem().status, 415);
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_does_not_get_on_is_given_up() {
        let pieces = futures_util::stream::once(async { Ok::<_, std::io::Error>(Bytes::from_static(b"{")) });
        let stuck =
            Body::from_stream(futures_util::StreamExt::chain(pieces, futures_util::stream::pending()));
        let failure = read_body(&HeaderMap::new(), stuck, 100).await.expect_err("given up");
        assert_eq!(failure.problem().status, 408);
    }
}
