//! Waiting until a server has filled a read model, with a progress bar.

use std::time::{Duration, Instant};

use ledgerstone::core::{Code, CollectionName, ErrorKind};
use serde_json::Value;

use crate::failure::Failure;
use crate::progress_bar::ProgressBar;
use crate::remote::Remote;

/// How long to wait between two looks.
const PAUSE: Duration = Duration::from_millis(100);
/// How long it may stand still: a server that fills nothing must not hold its caller for ever.
const PATIENCE: Duration = Duration::from_secs(10);

/// Waits until a read model has reached the head that stood at the first look and nothing is built beside it,
/// or it stands still; then returns its status.
///
/// With an `old` definition it also waits until another one has taken its place.
pub(crate) async fn watch(
    server: &Remote,
    path: &str,
    old: Option<&Value>,
    bar: &ProgressBar,
) -> Result<Value, Failure> {
    let mut goal = None;
    let (mut stood, mut since) = (None, Instant::now());
    loop {
        let status = server.get(path).await?;
        let head = number(&status, "head");
        let goal = *goal.get_or_insert(head);
        let reached = head.saturating_sub(number(&status, "lag"));
        let building = status.get("building").map(|building| number(building, "position"));
        bar.set_total(goal);
        bar.set(building.unwrap_or(reached).min(goal));
        let swapped = old.is_none_or(|old| status.get("definition") != Some(old));
        let held_up = matches!(status.get("state").and_then(Value::as_str), Some("paused" | "stopped"));
        if held_up || (swapped && building.is_none() && reached >= goal) {
            return Ok(status);
        }
        if stood != Some((reached, building)) {
            (stood, since) = (Some((reached, building)), Instant::now());
        } else if since.elapsed() >= PATIENCE {
            return Ok(status);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Says that a server has not finished a rebuild, with the reason if it has told one.
pub(crate) fn unfinished(name: &CollectionName, status: &Value) -> Failure {
    let reason = ["stopped", "last_error"].into_iter().find_map(|field| status.get(field)?.as_str());
    let reason = reason.map_or_else(String::new, |reason| format!(" ({reason})"));
    let message = format!("the server has not finished rebuilding {name}{reason}");
    Failure::new(ErrorKind::TimedOut, Code::WaitTimedOut, message)
        .with_help(format!("see ledgerstone read-models show {name}; the one before it goes on answering"))
}

/// Returns a number of a status, or 0.
pub(crate) fn number(status: &Value, name: &str) -> u64 {
    status.get(name).and_then(Value::as_u64).unwrap_or(0)
}
