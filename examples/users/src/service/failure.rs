//! Refusals of the service as problem documents, with the codes by which callers tell them apart.

use ledgerstone::core::{Code, ErrorKind, Problem};
use ledgerstone::engine::{DocumentsError, ReadModelError, RepositoryError};
use ledgerstone::http::Failure;

use super::account::AccountRefusal;

/// Says that there is no such user.
pub(super) fn missing() -> Failure {
    Problem::not_found("there is no such user").into()
}

/// Says that the address belongs to another user.
pub(super) fn taken() -> Failure {
    let detail = "the address belongs to another user; choose another one";
    Problem::new(ErrorKind::Conflict, Code::ConditionFailed, detail).into()
}

/// Says that the user has changed since the caller has seen it.
pub(super) fn changed() -> Failure {
    let detail = "the user has changed since; read it again, and decide again";
    with_status(Problem::new(ErrorKind::Conflict, Code::WrongRevision, detail), 412)
}

/// Says that a change has to name the version that it is of.
pub(super) fn without_version() -> Failure {
    with_status(Problem::invalid("send the version that you have seen as if-match, such as \"3\""), 428)
}

/// Says that an idempotency key was used for another wish.
pub(super) fn key_reused() -> Failure {
    let detail = "this idempotency key was used for another request; every wish needs a key of its own";
    with_status(Problem::new(ErrorKind::Invalid, Code::IdReused, detail), 422)
}

pub(super) fn of_repository(error: RepositoryError<AccountRefusal>) -> Failure {
    match error {
        RepositoryError::Refused(AccountRefusal::Missing) => missing(),
        RepositoryError::Store(error) => error.into(),
        error => Problem::new(error.kind(), error.code(), error.to_string()).into(),
    }
}

pub(super) fn of_read_model(error: ReadModelError) -> Failure {
    Problem::new(error.kind(), error.code(), error.to_string()).into()
}

pub(super) fn of_documents(error: DocumentsError) -> Failure {
    Problem::new(error.kind(), error.code(), error.to_string()).into()
}

fn with_status(mut problem: Problem, status: u16) -> Failure {
    problem.status = status;
    problem.into()
}
