//! Mutants that lose marks, mix tenants, know no limits, or forget (promises 11, 12, 13, 15).

use std::time::Duration;

use bytes::Bytes;
use ledgerstone_core::{
    Batch, EventStoreError, InvalidBatch, LogHead, LogIdentity, Mark, MarkChange, Refusal, Selection, Tenant,
    TenantScope,
};

use super::broken::{Answer, Beneath, Mutant, broken};

pub(super) fn mutants() -> Vec<Mutant> {
    [marks(), tenants(), limits(), durability()].into_iter().flatten().collect()
}

fn changed(mut batch: Batch, change: impl Fn(&mut MarkChange)) -> Batch {
    batch.marks.iter_mut().for_each(change);
    batch
}

/// Appends, and answers a mark that is not met as if it were, where `forgives` says so.
async fn forgiving(beneath: &Beneath, batch: Batch, forgives: fn(&MarkChange) -> bool) -> Answer {
    match beneath.store.append(batch.clone()).await {
        Err(EventStoreError::Refused(Refusal::MarkNotMet { .. })) if batch.marks.iter().any(forgives) => {
            if batch.appends.is_empty() {
                return beneath.pretend().await;
            }
            beneath.store.append(Batch { marks: Vec::new(), ..batch }).await
        }
        answer => answer,
    }
}

fn marks() -> Vec<Mutant> {
    vec![
        Mutant::new("lets numbers fall")
            .append(broken!(|beneath, batch| {
                forgiving(&beneath, batch, |change| matches!(change, MarkChange::Rises { .. })).await
            }))
            .caught_by(&["a_number_rises_and_never_falls"]),
        Mutant::new("swaps at any version")
            .append(broken!(|beneath, batch| {
                forgiving(&beneath, batch, |change| matches!(change, MarkChange::Swap { .. })).await
            }))
            .caught_by(&[
                "a_value_is_swapped_at_its_version_only",
                "a_value_is_removed_at_its_version_only",
                "of_concurrent_swaps_at_one_version_exactly_one_wins",
            ]),
        Mutant::new("counts the versions of a new mark from 1")
            .append(broken!(|beneath, batch| {
                let before = beneath.positions.lock().first().copied().unwrap_or_default();
                let makes =
                    batch.marks.iter().any(|change| matches!(change, MarkChange::Swap { version: 0, .. }));
                let batch = changed(batch, |change| match change {
                    MarkChange::Swap { version, .. } if *version > 0 => *version += before,
                    _ => {}
                });
                let answer = beneath.store.append(batch).await;
                if makes && answer.is_ok() {
                    let marks = beneath.store.marks(TenantScope::All, "").await?;
                    let newest = marks.iter().map(|mark| mark.version).max().unwrap_or(1);
                    *beneath.positions.lock() = vec![newest - 1];
                }
                answer
            }))
            .marks(|beneath, tenant, prefix| {
                Box::pin(async move {
                    let before = beneath.positions.lock().first().copied().unwrap_or_default();
                    let mut marks = beneath.store.marks(tenant, &prefix).await?;
                    marks.iter_mut().for_each(|mark| mark.version = mark.version.saturating_sub(before));
                    Ok(marks)
                })
            })
            .caught_by(&["a_version_never_comes_back"]),
        Mutant::new("takes values for text")
            .append(broken!(|beneath, batch| {
                let text = |bytes: &Bytes| Bytes::from(String::from_utf8_lossy(bytes).into_owned());
                let batch = changed(batch, |change| {
                    if let MarkChange::Swap { value: Some(value), .. } = change {
                        *value = text(value);
                    }
                });
                beneath.store.append(batch).await
            }))
            .caught_by(&["a_value_comes_back_byte_for_byte"]),
        Mutant::new("keeps marks for good")
            .append(broken!(|beneath, batch| {
                let long = Duration::from_secs(3_000_000_000);
                let batch = changed(batch, |change| match change {
                    MarkChange::Once { keep_for, .. } => *keep_for = long,
                    MarkChange::Swap { keep_for, .. } => *keep_for = keep_for.map(|_| long),
                    MarkChange::Rises { .. } => {}
                });
                beneath.store.append(batch).await
            }))
            .caught_by(&["once_is_once_until_it_expires", "a_value_with_a_time_to_live_expires"]),
        Mutant::new("takes a prefix for a pattern")
            .marks(|beneath, tenant, prefix| {
                Box::pin(async move {
                    let mut marks = beneath.store.marks(tenant, "").await?;
                    let plain = |text: &str| text.to_lowercase().replace(['_', '%'], "/");
                    marks.retain(|mark: &Mark| plain(mark.name.as_str()).starts_with(&plain(&prefix)));
                    Ok(marks)
                })
            })
            .caught_by(&["marks_are_listed_by_prefix_and_in_order"]),
        Mutant::new("does not tell where a mark stands")
            .append(broken!(|beneath, batch| match beneath.store.append(batch).await {
                Err(EventStoreError::Refused(Refusal::MarkNotMet { name, .. })) => {
                    Err(Refusal::MarkNotMet { name, version: 0, number: 0 }.into())
                }
                answer => answer,
            }))
            .caught_by(&["a_refused_change_tells_where_the_mark_stands"]),
    ]
}

fn nobody(scope: TenantScope) -> TenantScope {
    match scope {
        TenantScope::One(_) => TenantScope::default(),
        TenantScope::All => TenantScope::All,
    }
}

fn tenants() -> Vec<Mutant> {
    vec![
        Mutant::new("knows no tenants")
            .append(broken!(|beneath, batch| {
                beneath.store.append(Batch { tenant: Tenant::default(), ..batch }).await
            }))
            .read(broken!(|beneath, selection| {
                let tenant = nobody(selection.tenant.clone());
                beneath.read(Selection { tenant, ..selection }).await
            }))
            .marks(|beneath, tenant, prefix| {
                Box::pin(async move { beneath.store.marks(nobody(tenant), &prefix).await })
            })
            .caught_by(&[
                "a_stream_of_one_tenant_is_not_another_s",
                "conditions_see_one_tenant",
                "marks_belong_to_one_tenant",
                "a_removal_concerns_one_tenant",
                "ids_of_events_are_known_to_one_tenant",
                "every_tenant_is_read_in_one_order",
                "the_marks_of_every_tenant_are_listed",
            ]),
        Mutant::new("reads every tenant")
            .read(broken!(|beneath, selection| {
                beneath.read(Selection { tenant: TenantScope::All, ..selection }).await
            }))
            .caught_by(&["a_tenant_reads_its_own_events_only", "a_removal_concerns_one_tenant"]),
        Mutant::new("sees the default tenant where all are asked for")
            .read(broken!(|beneath, mut selection| {
                if selection.tenant == TenantScope::All {
                    selection.tenant = TenantScope::default();
                }
                beneath.read(selection).await
            }))
            .marks(|beneath, tenant, prefix| {
                Box::pin(async move {
                    let tenant = if tenant == TenantScope::All { TenantScope::default() } else { tenant };
                    beneath.store.marks(tenant, &prefix).await
                })
            })
            .caught_by(&["every_tenant_is_read_in_one_order", "the_marks_of_every_tenant_are_listed"]),
    ]
}

fn limits() -> Vec<Mutant> {
    vec![
        Mutant::new("takes what is too large")
            .append(broken!(|beneath, batch| match beneath.store.append(batch).await {
                Err(EventStoreError::InvalidBatch(InvalidBatch::TooLarge { .. })) => beneath.pretend().await,
                answer => answer,
            }))
            .caught_by(&[
                "an_event_above_the_limit_is_refused",
                "a_batch_of_too_many_events_is_refused",
                "a_batch_of_too_many_bytes_is_refused",
                "a_batch_of_too_many_marks_is_refused",
            ]),
        Mutant::new("writes what fits of what is too large")
            .append(broken!(|beneath, mut batch| {
                let limit = beneath.store.capabilities().limits.event_bytes;
                for append in &mut batch.appends {
                    append.events.retain(|event| event.size() <= limit);
                }
                beneath.store.append(batch).await
            }))
            .caught_by(&["an_event_above_the_limit_is_refused"]),
        Mutant::new("declares larger limits than it has")
            .capabilities(|mut capabilities| {
                capabilities.limits.event_bytes += 1;
                capabilities
            })
            .caught_by(&["what_is_at_a_limit_is_taken"]),
        Mutant::new("takes nonsense")
            .append(broken!(|beneath, batch| match beneath.store.append(batch).await {
                Err(EventStoreError::InvalidBatch(_)) => beneath.pretend().await,
                answer => answer,
            }))
            .caught_by(&["a_batch_that_makes_no_sense_is_refused"]),
    ]
}

fn durability() -> Vec<Mutant> {
    vec![
        Mutant::new("forgets everything").forgets().caught_by(&[
            "events_outlive_the_store",
            "the_log_stays_the_same_log_and_goes_on",
            "marks_outlive_the_store",
            "removals_outlive_the_store",
            "repetitions_are_known_after_the_store_was_opened_again",
            "guards_and_conditions_hold_after_the_store_was_opened_again",
            "time_does_not_fall_after_the_store_was_opened_again",
        ]),
        Mutant::new("loses the newest event once reopened")
            .read(broken!(|beneath, selection| {
                let mut frames = beneath.read(selection).await?;
                if let Some(last) = frames.last_mut() {
                    last.events.pop();
                }
                Ok(frames)
            }))
            .once_reopened()
            .caught_by(&["events_outlive_the_store"]),
        Mutant::new("calls itself another log once reopened")
            .head(|beneath| {
                Box::pin(async move {
                    let LogHead { log, heads } = beneath.store.head().await?;
                    Ok(LogHead { log: LogIdentity { epoch: log.epoch + 1, ..log }, heads })
                })
            })
            .once_reopened()
            .caught_by(&["the_log_stays_the_same_log_and_goes_on"]),
        Mutant::new("forgets marks once reopened")
            .marks(|_, _, _| Box::pin(async { Ok(Vec::new()) }))
            .once_reopened()
            .caught_by(&["marks_outlive_the_store"]),
    ]
}
