//! Failures of commands: one shape for every error that a person or a script gets to see.

use std::error::Error;
use std::fmt;
use std::io;

use ledgerstone::core::{
    BackendError, Code, DocumentStoreError, ErrorKind, EventStoreError, InvalidName, Problem,
};
use ledgerstone::engine::{ReadModelError, StreamAdminError};

use crate::error_pages;
use crate::exit::Exit;
use crate::settings::InvalidSettings;

/// Why a command did not do what it was asked: the problem, what to do next, and what lies beneath.
#[derive(Debug)]
pub struct Failure(Box<Told>);

#[derive(Debug)]
struct Told {
    problem: Problem,
    code: Code,
    help: Option<String>,
    causes: Vec<String>,
    exit: Exit,
}

impl Failure {
    /// Makes a failure of a kind and a code; the message says what happened here.
    pub fn new(kind: ErrorKind, code: Code, message: impl Into<String>) -> Self {
        Self::from_problem(Problem::new(kind, code, message), code)
    }

    /// Says that the command line or the input is wrong.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Invalid, Code::InvalidInput, message)
    }

    /// Says that what was named does not exist.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::NotFound, Code::NotFound, message)
    }

    /// Tells of a file or a stream of bytes that failed; `what` was tried with it.
    pub fn io(what: impl fmt::Display, error: &io::Error) -> Self {
        let (kind, code) = match error.kind() {
            io::ErrorKind::NotFound => (ErrorKind::NotFound, Code::NotFound),
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                (ErrorKind::Misconfigured, Code::ReadOnly)
            }
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                (ErrorKind::Misconfigured, Code::DiskFull)
            }
            io::ErrorKind::IsADirectory
            | io::ErrorKind::InvalidInput
            | io::ErrorKind::InvalidData
            | io::ErrorKind::UnexpectedEof => (ErrorKind::Invalid, Code::InvalidInput),
            _ => (ErrorKind::Internal, Code::Internal),
        };
        let failure = Self::new(kind, code, format!("{what}: {error}"));
        match error.kind() {
            io::ErrorKind::NotFound => {
                failure.with_help("check the path; a relative one begins in the current folder")
            }
            _ => failure,
        }
    }

    fn from_problem(problem: Problem, code: Code) -> Self {
        let exit = Exit::of(problem.known_kind(), code);
        Self(Box::new(Told { problem, code, help: None, causes: Vec::new(), exit }))
    }

    /// Says what to do next here, where it is more telling than what the code's page says.
    #[must_use]
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.0.help = Some(help.into());
        self
    }

    /// Ends the process with another exit code than the failure's own.
    #[must_use]
    pub fn with_exit(mut self, exit: Exit) -> Self {
        self.0.exit = exit;
        self
    }

    /// Adds a member to the problem document.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<serde_json::Value>) -> Self {
        self.0.problem = self.0.problem.with(name, value);
        self
    }

    /// Keeps what the causes of an error say, as far as its own text does not say it.
    #[must_use]
    fn with_causes(mut self, error: &dyn Error) -> Self {
        let mut cause = error.source();
        while let Some(error) = cause {
            let text = error.to_string();
            let known = self.0.problem.detail.contains(&text)
                || self.0.causes.iter().any(|earlier| earlier.contains(&text) || text.contains(earlier));
            if !known {
                self.0.causes.push(text);
            }
            cause = error.source();
        }
        self
    }

    /// Returns the code.
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// Returns the exit code of the process.
    pub fn exit(&self) -> Exit {
        self.0.exit
    }

    /// Returns what happened.
    pub fn message(&self) -> &str {
        &self.0.problem.detail
    }

    /// Returns what to do next: said here, or in the page of the code.
    pub fn help(&self) -> String {
        self.0.help.clone().unwrap_or_else(|| error_pages::help(self.0.code))
    }

    /// Returns the failure as a problem document, with `help` and `causes` as members.
    pub fn to_problem(&self) -> Problem {
        let problem = self.0.problem.clone().with("help", self.help());
        if self.0.causes.is_empty() { problem } else { problem.with("causes", self.0.causes.clone()) }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error[{}]: {}", self.0.code, self.0.problem.detail)?;
        for cause in &self.0.causes {
            write!(f, "\n  cause: {}", cause.trim_end().replace('\n', "\n    "))?;
        }
        write!(f, "\n  help: {}", self.help())
    }
}

impl Error for Failure {}

impl From<BackendError> for Failure {
    fn from(error: BackendError) -> Self {
        Self::from_problem(Problem::from(&error), error.code()).with_causes(&error)
    }
}

impl From<EventStoreError> for Failure {
    fn from(error: EventStoreError) -> Self {
        Self::from_problem(Problem::from(&error), error.code()).with_causes(&error)
    }
}

impl From<DocumentStoreError> for Failure {
    fn from(error: DocumentStoreError) -> Self {
        Self::from_problem(Problem::from(&error), error.code()).with_causes(&error)
    }
}

impl From<InvalidName> for Failure {
    fn from(error: InvalidName) -> Self {
        Self::from_problem(Problem::from(&error), error.code())
    }
}

impl From<ReadModelError> for Failure {
    fn from(error: ReadModelError) -> Self {
        match error {
            ReadModelError::Events(error) => error.into(),
            ReadModelError::Documents(error) => error.into(),
            error => Self::new(error.kind(), error.code(), error.to_string()).with_causes(&error),
        }
    }
}

impl From<StreamAdminError> for Failure {
    fn from(error: StreamAdminError) -> Self {
        match error {
            StreamAdminError::Store(error) => error.into(),
            error => Self::new(error.kind(), error.code(), error.to_string()).with_causes(&error),
        }
    }
}

impl From<InvalidSettings> for Failure {
    fn from(error: InvalidSettings) -> Self {
        Self::new(ErrorKind::Misconfigured, Code::Configuration, error.to_string())
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        let code = problem.known_code().unwrap_or(Code::Internal);
        Self::from_problem(problem, code)
    }
}

/// Finds the error of the house inside, so that its code and its exit code are kept.
impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        let error = match error.downcast::<Self>() {
            Ok(failure) => return failure,
            Err(error) => error,
        };
        let message = error.to_string();
        let code_and_kind = error.chain().find_map(|cause| {
            let backend = cause.downcast_ref::<BackendError>().map(|e| (e.kind(), e.code()));
            let events = || cause.downcast_ref::<EventStoreError>().map(|e| (e.kind(), e.code()));
            let documents = || cause.downcast_ref::<DocumentStoreError>().map(|e| (e.kind(), e.code()));
            let name = || cause.downcast_ref::<InvalidName>().map(|e| (ErrorKind::Invalid, e.code()));
            backend.or_else(events).or_else(documents).or_else(name)
        });
        let (kind, code) = code_and_kind.unwrap_or((ErrorKind::Internal, Code::Internal));
        Self::new(kind, code, message).with_causes(error.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_wrapped_by_anyhow_keeps_its_code() {
        let error = BackendError::new(ErrorKind::Unavailable, "sqlite", "open", "it is in use")
            .with_code(Code::Owned);
        let failure = Failure::from(anyhow::Error::new(error).context("cannot serve"));
        assert_eq!((failure.code(), failure.exit()), (Code::Owned, Exit::Unavailable));
        assert!(failure.to_string().starts_with("error[LS0001]: cannot serve\n  cause: sqlite: open"));
    }

    #[test]
    fn every_failure_says_what_to_do_next() {
        for code in Code::ALL {
            let text = Failure::new(ErrorKind::Internal, *code, "x").to_string();
            assert!(text.contains("\n  help: ") && !text.ends_with("help: "), "{text}");
        }
    }
}
