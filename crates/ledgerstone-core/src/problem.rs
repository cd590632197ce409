//! Failures as problem documents (RFC 9457), and back: one mapping for the server and its clients.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::batch::{InvalidBatch, Refusal};
use crate::code::Code;
use crate::document_store::DocumentStoreError;
use crate::error::{BackendError, ErrorKind};
use crate::event_store::EventStoreError;
use crate::position::Position;
use crate::stream::{Revision, StreamId, StreamState};
use crate::text::InvalidName;

/// A failure as JSON (`application/problem+json`): what went wrong, under which code, whether to try again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Problem {
    /// Where the code is explained, such as `/errors/LS0009`.
    #[serde(rename = "type")]
    pub type_uri: String,
    /// What is wrong, in a few words that never change for a code.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What happened here, and what to do next.
    pub detail: String,
    /// The code, such as `LS0009`.
    pub code: String,
    /// The kind of the failure, such as `conflict`.
    pub kind: String,
    /// Whether the same request may succeed if it is simply made again.
    pub retryable: bool,
    /// The correlation id of the request, by which its log lines are found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlation: Option<String>,
    /// More about it, by code: `expected` and `actual`, `position`, `nearest`, …
    #[serde(flatten)]
    pub members: Map<String, Value>,
}

/// How many bytes a detail has at most: what somebody sent may be part of it.
const DETAIL_BYTES: usize = 2_000;

fn shortened(mut detail: String) -> String {
    if detail.len() > DETAIL_BYTES {
        detail.truncate(detail.floor_char_boundary(DETAIL_BYTES));
        detail.push('…');
    }
    detail
}

impl Problem {
    /// The media type of the document.
    pub const MEDIA_TYPE: &'static str = "application/problem+json";

    /// Makes the document of a failure; kind and code together decide its status.
    pub fn new(kind: ErrorKind, code: Code, detail: impl Into<String>) -> Self {
        Self {
            type_uri: format!("/errors/{code}"),
            title: code.title().to_owned(),
            status: status(kind, code),
            detail: shortened(detail.into()),
            code: code.as_str().to_owned(),
            kind: kind.as_str().to_owned(),
            retryable: kind.is_retryable(),
            correlation: None,
            members: Map::new(),
        }
    }

    /// Says that the input is malformed.
    pub fn invalid(detail: impl Into<String>) -> Self {
        Self::new(ErrorKind::Invalid, Code::InvalidInput, detail)
    }

    /// Says that something is not there.
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(ErrorKind::NotFound, Code::NotFound, detail)
    }

    /// Adds a member.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.members.insert(name.to_owned(), value.into());
        self
    }

    /// Returns the code, if this version knows it.
    pub fn known_code(&self) -> Option<Code> {
        Code::ALL.iter().copied().find(|code| code.as_str() == self.code)
    }

    /// Returns the kind; one that this version does not know is internal.
    pub fn known_kind(&self) -> ErrorKind {
        KINDS.iter().copied().find(|kind| kind.as_str() == self.kind).unwrap_or(ErrorKind::Internal)
    }

    /// Turns the document into the backend's failure that it tells of.
    pub fn into_backend_error(self, operation: &'static str) -> BackendError {
        let error = BackendError::new(self.known_kind(), "http", operation, self.detail.clone());
        match self.known_code() {
            Some(code) => error.with_code(code),
            None => error,
        }
    }

    /// Turns the document into the failure of an append that it tells of, as the store itself gave it.
    pub fn into_append_error(self, operation: &'static str) -> EventStoreError {
        if let Some(refusal) = self.refusal() {
            return EventStoreError::Refused(refusal);
        }
        match self.known_code() {
            Some(Code::TooLarge) => EventStoreError::InvalidBatch(self.too_large()),
            Some(Code::InvalidInput) => EventStoreError::InvalidBatch(InvalidBatch::Told(self.detail)),
            Some(Code::Indeterminate) => EventStoreError::Indeterminate(self.into_backend_error(operation)),
            _ => EventStoreError::Backend(self.into_backend_error(operation)),
        }
    }

    /// Turns the document into the document store's failure that it tells of.
    pub fn into_document_store_error(self, operation: &'static str) -> DocumentStoreError {
        match self.known_code() {
            Some(Code::UnknownReadModel) => DocumentStoreError::UnknownCollection {
                name: self.text("name").unwrap_or_default().to_owned(),
                nearest: self.text("nearest").and_then(|name| name.try_into().ok()),
            },
            Some(Code::InvalidFilter) => DocumentStoreError::InvalidSelect(self.detail),
            Some(Code::ForeignCursor) => {
                let reason = self.text("reason").map(str::to_owned);
                DocumentStoreError::InvalidCursor(reason.unwrap_or(self.detail))
            }
            Some(Code::InvalidDeclaration) => DocumentStoreError::InvalidDefinition(self.detail),
            Some(Code::TooLarge | Code::InvalidInput) => {
                self.page().unwrap_or_else(|| DocumentStoreError::Backend(self.into_backend_error(operation)))
            }
            _ => DocumentStoreError::Backend(self.into_backend_error(operation)),
        }
    }

    fn refusal(&self) -> Option<Refusal> {
        match self.known_code()? {
            Code::WrongRevision => Some(Refusal::WrongRevision {
                stream: self.stream()?,
                expected: self.text("expected")?.parse().ok()?,
                actual: self.number("actual").map_or(StreamState::Missing, |n| StreamState::At(Revision(n))),
            }),
            Code::ConditionFailed => {
                Some(Refusal::ConditionFailed { position: Position(self.number("position")?) })
            }
            Code::ForeignPosition => Some(Refusal::BeyondHead {
                position: Position(self.number("position")?),
                head: Position(self.number("head")?),
            }),
            Code::IdReused => Some(Refusal::IdReused { id: self.text("id")?.parse().ok()? }),
            Code::Tombstoned => Some(Refusal::Tombstoned { stream: self.stream()? }),
            Code::TruncationRefused => Some(Refusal::NotRemovable {
                stream: self.stream()?,
                reason: self.text("reason")?.to_owned(),
            }),
            Code::MarkNotMet => Some(Refusal::MarkNotMet {
                name: self.text("mark")?.try_into().ok()?,
                version: self.number("version")?,
                number: self.number("number")?,
            }),
            _ => None,
        }
    }

    fn too_large(&self) -> InvalidBatch {
        let what = self.text("what").unwrap_or_default();
        let what = SIZES.iter().copied().find(|size| *size == what).unwrap_or("a size");
        let size = |name| self.number(name).and_then(|n| usize::try_from(n).ok()).unwrap_or_default();
        InvalidBatch::TooLarge { what, given: size("given"), limit: size("limit") }
    }

    fn page(&self) -> Option<DocumentStoreError> {
        let size = |name| self.number(name).and_then(|n| usize::try_from(n).ok());
        Some(DocumentStoreError::InvalidPage { given: size("given")?, limit: size("limit")? })
    }

    fn stream(&self) -> Option<StreamId> {
        self.text("stream")?.try_into().ok()
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.members.get(name)?.as_str()
    }

    fn number(&self, name: &str) -> Option<u64> {
        self.members.get(name)?.as_u64()
    }
}

const KINDS: &[ErrorKind] = &[
    ErrorKind::Unavailable,
    ErrorKind::TimedOut,
    ErrorKind::Throttled,
    ErrorKind::Conflict,
    ErrorKind::NotFound,
    ErrorKind::Invalid,
    ErrorKind::Denied,
    ErrorKind::Misconfigured,
    ErrorKind::Corrupt,
    ErrorKind::Unsupported,
    ErrorKind::Internal,
];

/// What a batch is measured by, as [`InvalidBatch::TooLarge`] names it.
const SIZES: &[&str] = &[
    "a number of events",
    "a number of marks",
    "a number of tags",
    "an event size",
    "a batch size",
    "a mark size",
    "a body size",
];

/// Returns the status of a failure: the code's own where it has one, else its kind's.
fn status(kind: ErrorKind, code: Code) -> u16 {
    match code {
        Code::Tombstoned => return 410,
        Code::TooLarge => return 413,
        Code::Unauthorized => return 401,
        _ => {}
    }
    match kind {
        ErrorKind::Unavailable => 503,
        ErrorKind::TimedOut => 504,
        ErrorKind::Throttled => 429,
        ErrorKind::Conflict => 409,
        ErrorKind::NotFound => 404,
        ErrorKind::Invalid => 400,
        ErrorKind::Denied => 403,
        ErrorKind::Unsupported => 501,
        ErrorKind::Misconfigured | ErrorKind::Corrupt | ErrorKind::Internal => 500,
    }
}

impl From<&InvalidName> for Problem {
    fn from(error: &InvalidName) -> Self {
        Self::new(ErrorKind::Invalid, error.code(), error.to_string())
    }
}

impl From<&BackendError> for Problem {
    fn from(error: &BackendError) -> Self {
        Self::new(error.kind(), error.code(), error.to_string())
    }
}

impl From<&EventStoreError> for Problem {
    fn from(error: &EventStoreError) -> Self {
        let problem = Self::new(error.kind(), error.code(), error.to_string());
        match error {
            EventStoreError::Refused(refusal) => with_refusal(problem, refusal),
            EventStoreError::InvalidBatch(InvalidBatch::TooLarge { what, given, limit }) => {
                problem.with("what", *what).with("given", *given).with("limit", *limit)
            }
            _ => problem,
        }
    }
}

fn with_refusal(problem: Problem, refusal: &Refusal) -> Problem {
    match refusal {
        Refusal::WrongRevision { stream, expected, actual } => {
            let actual = match actual {
                StreamState::Missing => Value::Null,
                StreamState::At(revision) => revision.0.into(),
            };
            problem
                .with("stream", stream.as_str())
                .with("expected", expected.to_string())
                .with("actual", actual)
        }
        Refusal::ConditionFailed { position } => problem.with("position", position.0),
        Refusal::BeyondHead { position, head } => problem.with("position", position.0).with("head", head.0),
        Refusal::IdReused { id } => problem.with("id", id.to_string()),
        Refusal::Tombstoned { stream } => problem.with("stream", stream.as_str()),
        Refusal::NotRemovable { stream, reason } => {
            problem.with("stream", stream.as_str()).with("reason", reason.as_str())
        }
        Refusal::MarkNotMet { name, version, number } => {
            problem.with("mark", name.as_str()).with("version", *version).with("number", *number)
        }
    }
}

impl From<&DocumentStoreError> for Problem {
    fn from(error: &DocumentStoreError) -> Self {
        let problem = Self::new(error.kind(), error.code(), error.to_string());
        match error {
            DocumentStoreError::UnknownCollection { name, nearest } => {
                let problem = problem.with("name", name.as_str());
                match nearest {
                    Some(nearest) => problem.with("nearest", nearest.as_str()),
                    None => problem,
                }
            }
            DocumentStoreError::InvalidCursor(reason) => problem.with("reason", reason.as_str()),
            DocumentStoreError::InvalidPage { given, limit } => {
                problem.with("given", *given).with("limit", *limit)
            }
            _ => problem,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::ExpectedRevision;

    fn over_the_wire(error: &EventStoreError) -> EventStoreError {
        let text = serde_json::to_string(&Problem::from(error)).expect("json");
        let problem: Problem = serde_json::from_str(&text).expect("a problem");
        problem.into_append_error("append")
    }

    #[test]
    fn what_somebody_sent_is_not_sent_back_whole() {
        let problem = Problem::invalid("ü".repeat(1_000_000));
        assert!(problem.detail.len() < DETAIL_BYTES + 10 && problem.detail.ends_with('…'));
        assert_eq!(Problem::invalid("short").detail, "short");
    }

    #[test]
    fn a_refusal_reads_back_as_it_was() {
        let stream = StreamId::new("account-42").expect("a stream");
        let refusals = [
            Refusal::WrongRevision {
                stream: stream.clone(),
                expected: ExpectedRevision::At(Revision(4)),
                actual: StreamState::At(Revision(6)),
            },
            Refusal::WrongRevision {
                stream: stream.clone(),
                expected: ExpectedRevision::StreamExists,
                actual: StreamState::Missing,
            },
            Refusal::ConditionFailed { position: Position(u64::MAX) },
            Refusal::BeyondHead { position: Position(9), head: Position(3) },
            Refusal::IdReused { id: uuid::Uuid::from_u128(7) },
            Refusal::Tombstoned { stream: stream.clone() },
            Refusal::NotRemovable { stream, reason: "it stands at revision 3".to_owned() },
            Refusal::MarkNotMet {
                name: crate::mark::MarkName::new("relay/1").expect("a name"),
                version: 3,
                number: 0,
            },
        ];
        for refusal in refusals {
            let read = over_the_wire(&refusal.clone().into());
            assert!(matches!(&read, EventStoreError::Refused(same) if *same == refusal), "{read:?}");
        }
    }

    #[test]
    fn a_status_follows_from_the_code_and_then_from_the_kind() {
        assert_eq!(status(ErrorKind::Conflict, Code::WrongRevision), 409);
        assert_eq!(status(ErrorKind::Conflict, Code::Tombstoned), 410);
        assert_eq!(status(ErrorKind::Invalid, Code::TooLarge), 413);
        assert_eq!(status(ErrorKind::TimedOut, Code::WaitTimedOut), 504);
        assert_eq!(status(ErrorKind::Corrupt, Code::Corrupt), 500);
    }

    #[test]
    fn an_unknown_collection_keeps_its_nearest_name() {
        let error = DocumentStoreError::UnknownCollection {
            name: "client".to_owned(),
            nearest: "clients".try_into().ok(),
        };
        let read = Problem::from(&error).into_document_store_error("query");
        assert_eq!(read.to_string(), error.to_string());
    }
}
