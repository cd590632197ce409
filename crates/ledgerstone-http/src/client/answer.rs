//! What a server answered: whole, or piece by piece.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use ledgerstone_core::{Code, ErrorKind, HttpBody};
use serde::de::DeserializeOwned;

use crate::client::http_error::{CallName, HttpError, HttpFault};
use crate::client::server_problem::shorten;

/// How much of what is wrong with an answer is told: it may quote the answer.
const REASON_BYTES: usize = 200;

/// A whole answer.
#[derive(Clone)]
pub struct Answer {
    pub(crate) call: CallName,
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Bytes,
}

impl Answer {
    /// Returns the status.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Returns the first header with this name, given in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.headers, name)
    }

    /// Returns the body as it came.
    pub fn bytes(&self) -> &Bytes {
        &self.body
    }

    /// Reads the body as JSON.
    ///
    /// The error says what is wrong and at which line and column, and quotes little of the body.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, HttpError> {
        if let Some(packed) = self.header("content-encoding").filter(|encoding| *encoding != "identity") {
            let message = format!("the answer is packed ({packed:.20}), which was not asked for");
            return Err(self.unreadable(message));
        }
        serde_json::from_slice(&self.body).map_err(|error| {
            let mut reason = error.to_string();
            shorten(&mut reason, REASON_BYTES);
            let wanted = std::any::type_name::<T>();
            let (bytes, line, column) = (self.body.len(), error.line(), error.column());
            let given = self.header("content-type").unwrap_or("no content-type");
            let message = format!(
                "the answer ({bytes} bytes, {given:.60}) is not the JSON of {wanted:.100}, \
                 by line {line} and column {column}: {reason}"
            );
            self.unreadable(message)
        })
    }

    fn unreadable(&self, message: String) -> HttpError {
        HttpError::new(ErrorKind::Corrupt, Code::InvalidInput, HttpFault::Decode, message)
            .with_status(self.status)
            .of(&self.call)
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Answer");
        shown.field("status", &self.status).field("bytes", &self.body.len()).finish_non_exhaustive()
    }
}

/// An answer whose body is still coming; it is a stream of the body's pieces.
pub struct AnswerStream {
    pub(crate) call: CallName,
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: HttpBody,
}

impl AnswerStream {
    /// Returns the status.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Returns the first header with this name, given in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.headers, name)
    }
}

impl Stream for AnswerStream {
    type Item = Result<Bytes, HttpError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = self.body.poll_next_unpin(context);
        next.map_err(|error| HttpError::from(error).with_status(self.status).of(&self.call))
    }
}

impl fmt::Debug for AnswerStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnswerStream").field("status", &self.status).finish_non_exhaustive()
    }
}

fn header<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}
