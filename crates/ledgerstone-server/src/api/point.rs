//! Positions that callers bring back: they must belong to this log, and not stand beyond its head.
//!
//! That is so wherever reading is resumed or waited for. A bare number in a plain read is a bound like another:
//! beyond the head it finds nothing, as it does at the port.

use ledgerstone::core::{Code, ErrorKind, LogHead, LogKind, LogPoint, Position, Problem};
use ledgerstone::http::Failure;

use crate::api::parameters::refused;
use crate::api::state::Api;

/// Reads a parameter that is a bare position, or a point of this log.
pub(crate) async fn read_position(api: &Api, name: &str, text: &str) -> Result<Position, Failure> {
    if let Ok(position) = text.parse::<u64>() {
        return Ok(Position(position));
    }
    let point: LogPoint = text.parse().map_err(|error| refused(name, error))?;
    check_point(api, point).await?;
    Ok(point.position)
}

/// Checks a point among the application events.
async fn check_point(api: &Api, point: LogPoint) -> Result<(), Failure> {
    let head = api.app.events.head().await?;
    if point.log != head.log {
        let detail = format!("position {point} belongs to another log than {}; rebuild or rewind", head.log);
        return Err(foreign(detail, &head));
    }
    check_position(&head, LogKind::Application, point.position)
}

/// Checks that a position does not stand beyond the head.
pub(crate) fn check_position(head: &LogHead, log: LogKind, position: Position) -> Result<(), Failure> {
    let newest = head.heads.of(log);
    if position > newest {
        let detail =
            format!("position {position} stands beyond the head, which is {newest}; rebuild or rewind");
        return Err(foreign(detail, head));
    }
    Ok(())
}

/// Says that a position cannot be used here.
pub(crate) fn foreign(detail: String, head: &LogHead) -> Failure {
    let problem = Problem::new(ErrorKind::Conflict, Code::ForeignPosition, detail);
    problem.with("log", head.log.to_string()).with("head", head.heads.application.0).into()
}
