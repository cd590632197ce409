//! The pure half of a projector: which documents a batch of events concerns, and what becomes of each.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use ledgerstone_core::{Body, DocumentKey, Projection, ProjectionError, RecordedEvent, Tenant};

/// The events of a batch that concern one document, in order.
#[derive(Debug)]
pub(crate) struct Group {
    pub tenant: Tenant,
    pub key: DocumentKey,
    /// Their places in the batch.
    pub events: Vec<usize>,
}

/// A batch taken apart by document.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    pub groups: Vec<Group>,
    /// The events whose keys are not known, with the cause.
    pub keyless: Vec<(usize, String)>,
    /// How many of the events are in it.
    pub taken: usize,
}

/// What became of a document.
#[derive(Debug)]
pub(crate) struct Folded {
    /// The document as it is after the last event that could be applied.
    pub body: Option<Body>,
    /// The place in the group of the event that could not be, with the cause.
    pub failed: Option<(usize, String)>,
}

/// Groups the events by document; it ends before the event that would concern more than `max_keys`.
///
/// Documents are independent of each other, so applying group by group equals applying in log order.
pub(crate) fn plan(projection: &dyn Projection, events: &[RecordedEvent], max_keys: usize) -> Plan {
    let mut plan = Plan::default();
    let mut places: HashMap<(Tenant, DocumentKey), usize> = HashMap::with_capacity(events.len());
    for (at, event) in events.iter().enumerate() {
        let keys = guarded(|| projection.keys(event)).and_then(|keys| {
            let tenant = Tenant::new(event.tenant()).map_err(|error| error.to_string())?;
            Ok((tenant, keys))
        });
        let (tenant, keys) = match keys {
            Ok((_, keys)) if keys.len() > max_keys => {
                let cause = format!("it concerns {} documents and the limit is {max_keys}", keys.len());
                plan.keyless.push((at, cause));
                plan.taken = at + 1;
                continue;
            }
            Ok(keyed) => keyed,
            Err(cause) => {
                plan.keyless.push((at, cause));
                plan.taken = at + 1;
                continue;
            }
        };
        if plan.groups.len() + plan.keyless.len() + keys.len() > max_keys && at > 0 {
            break;
        }
        for key in keys {
            let place = *places.entry((tenant.clone(), key.clone())).or_insert_with(|| {
                plan.groups.push(Group { tenant: tenant.clone(), key, events: Vec::new() });
                plan.groups.len() - 1
            });
            let group = &mut plan.groups[place];
            if group.events.last() != Some(&at) {
                group.events.push(at);
            }
        }
        plan.taken = at + 1;
    }
    plan
}

/// Applies a group's events in order, up to the first that cannot be applied.
pub(crate) fn fold(
    projection: &dyn Projection,
    events: &[RecordedEvent],
    group: &Group,
    body: Option<Body>,
) -> Folded {
    // A failure loses the body that it was given, so a group of several needs the first one again.
    let kept = if group.events.len() > 1 { body.clone() } else { None };
    let mut current = body;
    for (place, at) in group.events.iter().enumerate() {
        let Some(event) = events.get(*at) else { continue };
        match guarded(|| projection.project(event, &group.key, current.take())) {
            Ok(next) => current = next,
            Err(cause) => {
                let before = Group {
                    tenant: group.tenant.clone(),
                    key: group.key.clone(),
                    events: group.events.get(..place).unwrap_or_default().to_vec(),
                };
                let body = if place == 0 { kept } else { fold(projection, events, &before, kept).body };
                return Folded { body, failed: Some((place, cause)) };
            }
        }
    }
    Folded { body: current, failed: None }
}

/// Calls a projection; a panic is an error like any other.
pub(crate) fn guarded<T>(call: impl FnOnce() -> Result<T, ProjectionError>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(result) => result.map_err(|error| error.0),
        Err(panic) => {
            let said = panic.downcast_ref::<&str>().copied();
            let said = said.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
            Err(format!("the projection panicked: {}", said.unwrap_or("it did not say why")))
        }
    }
}
