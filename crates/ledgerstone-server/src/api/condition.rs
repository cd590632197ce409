//! What the server tells of the condition of the store.

use ledgerstone::cache::CacheHealth;

use crate::api::read_models::Trouble;
use crate::api::state::Api;

/// Tells that the log is damaged somewhere, if that is known.
pub(crate) fn damage(api: &Api) -> Option<Trouble> {
    let condition = api.app.condition.as_ref()?.now();
    (condition.damage_count() > 0).then_some(Trouble { read_model: None, kind: "log_damaged" })
}

/// Tells that the store takes no events, as far as the newest append shows.
pub(crate) fn refusal(api: &Api) -> Option<Trouble> {
    api.metrics.appends_fail().then_some(Trouble { read_model: None, kind: "appends_fail" })
}

/// Tells what nodes share and this one has lost: a cache serves from memory then, a limiter enforces its share.
pub(crate) fn degraded(api: &Api) -> Vec<Trouble> {
    let Some(outward) = &api.app.outward else { return Vec::new() };
    let caches = outward.caches().health().iter().any(CacheHealth::is_degraded);
    let limits = !outward.limits().degraded().is_empty();
    let told = [(caches, "cache_degraded"), (limits, "limits_degraded")];
    let told = told.into_iter().filter(|(is_so, _)| *is_so);
    told.map(|(_, kind)| Trouble { read_model: None, kind }).collect()
}

/// Puts the condition of the files into the metrics.
pub(crate) fn measure_files(api: &Api) {
    metrics::gauge!("ledgerstone_appends_fail").set(f64::from(u8::from(api.metrics.appends_fail())));
    let Some(condition) = api.app.condition.as_ref().map(|condition| condition.now()) else { return };
    metrics::gauge!("ledgerstone_log_damaged_places").set(condition.damage_count() as f64);
    metrics::counter!("ledgerstone_log_scrubbed_bytes_total").absolute(condition.scrubbed_bytes);
    metrics::counter!("ledgerstone_log_scrub_rounds_total").absolute(condition.rounds);
    metrics::counter!("ledgerstone_log_indexes_damaged_total").absolute(condition.indexes_damaged);
    metrics::counter!("ledgerstone_log_indexes_made_again_total").absolute(condition.indexes_made_again);
    if let Some(last) = condition.last_round {
        metrics::gauge!("ledgerstone_log_scrub_age_seconds").set(last.elapsed().as_secs_f64());
    }
}
