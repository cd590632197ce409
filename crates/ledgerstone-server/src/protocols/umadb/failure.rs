//! Errors as UmaDB's clients know them: a status with a typed message in its details.

use ledgerstone::core::{Code, ErrorKind, Problem};
use prost::Message as _;
use tonic::{Code as Grpc, Status};

use super::wire::{ErrorResponse, ErrorType};

/// Says that a request makes no sense.
pub(super) fn invalid(detail: impl std::fmt::Display) -> Status {
    status(Grpc::InvalidArgument, ErrorType::InvalidArgument, Code::InvalidInput, &detail.to_string())
}

/// Says what failed, as the status of a call.
pub(super) fn status_of(problem: &Problem) -> Status {
    let code = problem.known_code().unwrap_or(Code::Internal);
    let (grpc, kind) = words_for(problem.known_kind(), code);
    status(grpc, kind, code, &problem.detail)
}

fn words_for(kind: ErrorKind, code: Code) -> (Grpc, ErrorType) {
    match kind {
        _ if code == Code::Corrupt => (Grpc::DataLoss, ErrorType::Corruption),
        ErrorKind::Invalid | ErrorKind::Unsupported => (Grpc::InvalidArgument, ErrorType::InvalidArgument),
        ErrorKind::Conflict => (Grpc::FailedPrecondition, ErrorType::Integrity),
        ErrorKind::Denied => (Grpc::Unauthenticated, ErrorType::Authentication),
        ErrorKind::Throttled => (Grpc::ResourceExhausted, ErrorType::Io),
        ErrorKind::Unavailable | ErrorKind::TimedOut => (Grpc::Unavailable, ErrorType::Io),
        _ => (Grpc::Internal, ErrorType::Internal),
    }
}

fn status(grpc: Grpc, kind: ErrorType, code: Code, detail: &str) -> Status {
    let message = format!("{detail} ({code})");
    let details = ErrorResponse { message: message.clone(), error_type: kind.into() };
    Status::with_details(grpc, message, details.encode_to_vec().into())
}
