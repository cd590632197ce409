//! The call that appends events.

use futures_util::TryStreamExt as _;
use ledgerstone::core::{
    Append, AppendCondition, Batch, EventStore as _, EventStoreError, LogKind, Problem, Refusal, Selection,
};
use ledgerstone::engine::Scoped;
use tonic::Status;

use super::failure::status_of;
use super::wire::{AppendRequest, AppendResponse};
use super::{mapping, tracking};
use crate::api::point::check_position;
use crate::api::state::Api;

/// Appends a batch of events beside all streams, whole or not at all.
///
/// The same events appended again answer as the first time, condition and tracking left aside.
pub(super) async fn append(
    api: &Api,
    events: &Scoped,
    request: AppendRequest,
) -> Result<AppendResponse, Status> {
    let batch = batch_of(api, request)?;
    if batch.appends.is_empty() && batch.marks.is_empty() {
        return nothing(events, batch).await;
    }
    let count = batch.events().count();
    match events.append(batch).await {
        Ok(appended) => {
            if !appended.repeated {
                api.metrics.appended(count);
            }
            Ok(AppendResponse { position: appended.last.application.0 })
        }
        Err(error) => {
            api.metrics.refused(error.code());
            Err(status_of(&Problem::from(&error)))
        }
    }
}

fn batch_of(api: &Api, request: AppendRequest) -> Result<Batch, Status> {
    let AppendRequest { events, condition, tracking_info } = request;
    let event = |event| mapping::event(event, tracking_info.as_ref(), &*api.app.ids);
    let events = events.into_iter().map(event).collect::<Result<Vec<_>, _>>()?;
    let appends = if events.is_empty() { Vec::new() } else { vec![Append::to_log(events)] };
    let condition = condition.map(mapping::condition).transpose()?;
    let marks = tracking_info.as_ref().map(tracking::rises).transpose()?.into_iter().collect();
    Ok(Batch { appends, condition, marks, ..Batch::default() })
}

/// Answers an append of nothing: its condition is still asked.
async fn nothing(events: &Scoped, batch: Batch) -> Result<AppendResponse, Status> {
    if let Some(AppendCondition { fail_if_match, after }) = batch.condition {
        let head = events.head().await.map_err(|error| status_of(&Problem::from(&error)))?;
        check_position(&head, LogKind::Application, after).map_err(|failure| status_of(failure.problem()))?;
        let selection = Selection::query(fail_if_match).after(after).limit(1);
        let mut frames = events.read(selection);
        while let Some(frame) = frames.try_next().await.map_err(|error| status_of(&Problem::from(&error)))? {
            if let Some(event) = frame.events.first() {
                let refusal = Refusal::ConditionFailed { position: event.position() };
                return Err(status_of(&Problem::from(&EventStoreError::from(refusal))));
            }
        }
    }
    Ok(AppendResponse { position: 0 })
}
