//! Cache stores that each break one promise, and the cases that must find them out.

mod broken;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use ledgerstone_core::{CacheEntry, CachePut, CacheStore as _, CacheTarget};
use ledgerstone_testkit::FixedClock;
use ledgerstone_testkit::conformance::{CaseResult, Trials, cache, is_failure_of_the_store};

use broken::{Beneath, Mutant, broken};

/// Adds the proofs.
pub(crate) fn add(trials: &mut Trials) {
    trials.add("cache_mutants::every_mutant_is_caught_by_the_cases_meant_for_it", every_mutant_is_caught);
    trials.add("cache_mutants::every_case_catches_a_mutant_and_every_promise_has_a_case", every_case_catches);
    trials.add("cache_mutants::a_store_with_nothing_wrong_passes", nothing_wrong_passes);
}

async fn every_mutant_is_caught() -> CaseResult {
    let suite = cache::suite();
    let mut survived = Vec::new();
    for mutant in all() {
        for name in mutant.caught_by.clone() {
            let case = suite.cases().iter().find(|case| case.name() == name);
            let case = case.ok_or_else(|| format!("there is no case {name}"))?;
            match case.run(mutant.clone().open(Arc::new(FixedClock::default()))).await {
                Ok(()) => survived.push(format!("{} survives {name}", mutant.name)),
                Err(error) if is_failure_of_the_store(&error) => {
                    survived.push(format!("{} only fails in {name}: {error}", mutant.name));
                }
                Err(_) => {}
            }
        }
    }
    if survived.is_empty() { Ok(()) } else { Err(format!("{survived:#?}").into()) }
}

async fn every_case_catches() -> CaseResult {
    let suite = cache::suite();
    let catching: BTreeSet<_> = all().into_iter().flat_map(|mutant| mutant.caught_by).collect();
    let idle: Vec<_> =
        suite.cases().iter().map(|case| case.name()).filter(|name| !catching.contains(name)).collect();
    assert!(idle.is_empty(), "cases that no mutant is meant for: {idle:#?}");
    let promises: BTreeSet<_> = suite.cases().iter().map(|case| case.promise()).collect();
    assert_eq!(promises, (1..=10).collect());
    Ok(())
}

async fn nothing_wrong_passes() -> CaseResult {
    let suite = cache::suite();
    let runs = suite.cases().iter().map(|case| async move {
        let sound = Mutant::new("nothing").open(Arc::new(FixedClock::default()));
        case.run(sound).await.map_err(|error| format!("{case:?}: {error}"))
    });
    join_all(runs).await.into_iter().collect::<Result<Vec<_>, _>>()?;
    Ok(())
}

fn all() -> Vec<Mutant> {
    [keeping(), invalidating(), ordering(), leasing(), bounding()].into_iter().flatten().collect()
}

/// Changes entries on their way in.
async fn put_changed(
    beneath: Arc<Beneath>,
    mut entries: Vec<(String, CacheEntry)>,
    change: fn(&mut CacheEntry),
) -> broken::Put {
    entries.iter_mut().for_each(|(_, entry)| change(entry));
    beneath.store.put(entries).await
}

fn keeping() -> Vec<Mutant> {
    vec![
        Mutant::new("forgets tags")
            .put(broken!(|beneath, entries| put_changed(beneath, entries, |entry| entry.tags.clear()).await))
            .caught_by(&[
                "what_was_put_is_read_back_as_it_was",
                "an_invalidated_tag_takes_all_that_carry_it_and_nothing_else",
            ]),
        Mutant::new("takes nothing for not there")
            .read(broken!(|beneath, keys| {
                let mut read = beneath.read(&keys).await?;
                read.found
                    .iter_mut()
                    .for_each(|hit| *hit = hit.take().filter(|hit| !hit.entry.value.is_empty()));
                Ok(read)
            }))
            .caught_by(&["no_bytes_at_all_are_a_value_too"]),
        Mutant::new("keeps the first")
            .put(broken!(|beneath, entries| {
                let keys: Vec<_> = entries.iter().map(|(key, _)| key.as_str()).collect();
                let held = beneath.store.read(&keys).await?;
                if held.found.iter().any(Option::is_some) {
                    return Ok(vec![CachePut::Stored; entries.len()]);
                }
                beneath.store.put(entries).await
            }))
            .caught_by(&["an_entry_replaces_the_one_before"]),
        Mutant::new("folds the case of keys")
            .put(broken!(|beneath, mut entries| {
                entries.iter_mut().for_each(|(key, _)| *key = key.to_lowercase());
                beneath.store.put(entries).await
            }))
            .read(broken!(|beneath, keys| {
                let keys: Vec<_> = keys.iter().map(|key| key.to_lowercase()).collect();
                beneath.read(&keys).await
            }))
            .caught_by(&["what_was_never_put_is_not_there"]),
        Mutant::new("serves what is over")
            .put(broken!(|beneath, entries| {
                let longer = |entry: &mut CacheEntry| entry.expires_after += Duration::from_secs(1);
                put_changed(beneath, entries, longer).await
            }))
            .caught_by(&["an_entry_is_not_read_once_its_time_is_over"]),
        Mutant::new("knows no age")
            .read(broken!(|beneath, keys| {
                let mut read = beneath.read(&keys).await?;
                read.found.iter_mut().flatten().for_each(|hit| hit.age = Duration::ZERO);
                Ok(read)
            }))
            .caught_by(&["the_age_is_counted_from_the_put"]),
        Mutant::new("answers each key once")
            .read(broken!(|beneath, keys| {
                let once: BTreeSet<_> = keys.iter().cloned().collect();
                beneath.read(&once.into_iter().collect::<Vec<_>>()).await
            }))
            .caught_by(&["answers_stand_in_the_order_of_the_question_with_its_doubles"]),
        Mutant::new("puts all or nothing")
            .put(broken!(|beneath, entries| {
                let count = entries.len();
                let answers = beneath.store.put(entries).await?;
                if answers.contains(&CachePut::Overtaken) {
                    return Ok(vec![CachePut::Overtaken; count]);
                }
                Ok(answers)
            }))
            .caught_by(&["of_many_entries_each_is_put_by_itself"]),
    ]
}

fn invalidating() -> Vec<Mutant> {
    let as_prefix = |target: CacheTarget| match target {
        CacheTarget::Key(key) => CacheTarget::Prefix(key),
        other => other,
    };
    let as_key = |target: CacheTarget| match target {
        CacheTarget::Prefix(prefix) => CacheTarget::Key(prefix),
        other => other,
    };
    let up_to_a_star = |target: CacheTarget| match target {
        CacheTarget::Prefix(prefix) => {
            let plain = prefix.split(['*', '[']).next().unwrap_or_default().to_owned();
            if plain.is_empty() { CacheTarget::All } else { CacheTarget::Prefix(plain) }
        }
        other => other,
    };
    vec![
        Mutant::new("takes a key for a prefix")
            .targets(as_prefix)
            .caught_by(&["an_invalidated_key_is_gone_and_others_stay"]),
        Mutant::new("takes a prefix for a key")
            .targets(as_key)
            .caught_by(&["an_invalidated_prefix_takes_all_keys_that_begin_with_it"]),
        Mutant::new("takes a prefix for a pattern")
            .targets(up_to_a_star)
            .caught_by(&["a_prefix_is_bytes_and_no_pattern"]),
        Mutant::new("knows the first tag only")
            .put(broken!(
                |beneath, entries| put_changed(beneath, entries, |entry| entry.tags.truncate(1)).await
            ))
            .caught_by(&["any_of_its_tags_takes_an_entry"]),
        Mutant::new("clears nothing")
            .targets(
                |target| if target == CacheTarget::All { CacheTarget::Key("none".into()) } else { target },
            )
            .caught_by(&["all_is_everything"]),
        Mutant::new("takes the first target only")
            .invalidate(broken!(|beneath, told| {
                beneath.store.invalidate(&told.0[..told.0.len().min(1)], told.1).await
            }))
            .caught_by(&["several_targets_are_taken_at_once"]),
        Mutant::new("forgets the first of many")
            .invalidate(broken!(|beneath, told| {
                let skipped = told.0.len().saturating_sub(100);
                beneath.store.invalidate(&told.0[skipped..], told.1).await
            }))
            .caught_by(&["very_many_targets_are_all_taken"]),
        Mutant::new("bans what was invalidated")
            .put(broken!(|beneath, entries| {
                let banned = beneath.told.lock().clone();
                let is_banned = |(key, entry): &(String, CacheEntry)| {
                    banned.iter().any(|target: &CacheTarget| target.covers(key, &entry.tags))
                };
                if entries.iter().any(is_banned) {
                    return Ok(vec![CachePut::Overtaken; entries.len()]);
                }
                beneath.store.put(entries).await
            }))
            .caught_by(&[
                "what_is_put_after_an_invalidation_stays",
                "a_value_without_a_stamp_is_stored_whatever_was_invalidated",
            ]),
    ]
}

fn ordering() -> Vec<Mutant> {
    vec![
        Mutant::new("ignores stamps")
            .put(broken!(|beneath, mut entries| {
                let now = beneath.store.read(&[]).await?.stamp;
                let stamped = entries.iter_mut().filter(|(_, entry)| entry.stamp.is_some());
                stamped.for_each(|(_, entry)| entry.stamp = Some(now));
                beneath.store.put(entries).await
            }))
            .caught_by(&[
                "a_load_that_began_before_an_invalidation_is_refused",
                "a_refused_load_leaves_what_is_there",
                "a_stamp_of_a_store_that_lost_its_memory_is_refused",
                "a_value_without_a_stamp_overtakes_what_began_before",
                "an_invalidation_at_a_position_takes_what_is_stamped_before_it",
                "a_load_stamped_by_another_log_is_refused",
            ]),
        Mutant::new("clears everything always")
            .invalidate(broken!(|beneath, told| {
                beneath.store.invalidate(&told.0, told.1).await?;
                beneath.store.invalidate(&[CacheTarget::All], None).await
            }))
            .caught_by(&[
                "a_load_that_nothing_concerned_is_kept",
                "an_invalidation_at_a_position_spares_what_is_stamped_at_it",
                "positions_are_compared_as_numbers",
            ]),
        Mutant::new("forgets positions")
            .invalidate(broken!(|beneath, told| beneath.store.invalidate(&told.0, None).await))
            .caught_by(&[
                "the_position_that_was_told_is_in_later_stamps",
                "another_log_clears_everything",
                "a_later_life_of_the_log_clears_everything",
            ]),
        Mutant::new("counts positions as arrivals")
            .invalidate(broken!(|beneath, told| {
                beneath.store.invalidate(&[], told.1).await?;
                beneath.store.invalidate(&told.0, None).await
            }))
            .caught_by(&["positions_may_be_told_twice_and_in_any_order"]),
        Mutant::new("does not believe an earlier life at all")
            .invalidate(broken!(|beneath, told| {
                let known = beneath.store.read(&[]).await?.stamp;
                match (known.log, told.1) {
                    (Some(known_log), Some(at)) if known_log.log.epoch > at.log.epoch => Ok(known),
                    _ => beneath.store.invalidate(&told.0, told.1).await,
                }
            }))
            .caught_by(&["an_earlier_life_that_is_told_late_moves_no_position_and_still_invalidates"]),
    ]
}

fn leasing() -> Vec<Mutant> {
    vec![
        Mutant::new("leases to everybody")
            .lease(broken!(|beneath, asked| {
                let own = format!("{} of {}", asked.0, beneath.next());
                let lease = beneath.store.lease(&own, asked.1).await?;
                Ok(lease.map(|lease| ledgerstone_core::CacheLease { key: asked.0, ..lease }))
            }))
            .caught_by(&[
                "of_many_who_ask_at_once_one_gets_the_lease",
                "fences_rise_and_one_of_before_releases_nothing",
            ]),
        Mutant::new("releases nothing")
            .release(broken!(|beneath, lease| {
                let _ = (beneath, lease);
                Ok(())
            }))
            .caught_by(&["a_released_lease_is_to_be_had_again"]),
        Mutant::new("leases for ever")
            .lease(broken!(|beneath, asked| beneath.store.lease(&asked.0, asked.1 * 1_000).await))
            .caught_by(&["a_lease_is_over_after_its_time"]),
        Mutant::new("has one lease for all keys")
            .lease(broken!(|beneath, asked| {
                // What is no key stays one that is refused.
                let key = if asked.0.len() < 100 && !asked.0.is_empty() { "all" } else { &asked.0 };
                beneath.store.lease(key, asked.1).await
            }))
            .caught_by(&["leases_of_different_keys_do_not_touch"]),
        Mutant::new("ignores fences")
            .put(broken!(|beneath, entries| put_changed(beneath, entries, |entry| entry.fence = None).await))
            .caught_by(&["an_entry_under_an_earlier_lease_does_not_replace_one_under_a_later"]),
    ]
}

fn bounding() -> Vec<Mutant> {
    vec![
        Mutant::new("cuts and mends whatever is too large")
            .put(broken!(|beneath, mut entries| {
                for (key, entry) in &mut entries {
                    *key = key.replace('\n', " ").chars().take(500).collect();
                    if key.is_empty() {
                        key.push('-');
                    }
                    entry.tags.truncate(10);
                    entry.value.truncate(1_000);
                    entry.expires_after =
                        entry.expires_after.clamp(Duration::from_secs(1), Duration::from_secs(60));
                }
                beneath.store.put(entries).await
            }))
            .caught_by(&[
                "a_key_that_cannot_be_one_is_refused",
                "the_longest_key_is_taken",
                "too_many_tags_are_refused",
                "a_value_above_the_limit_is_refused",
                "an_entry_that_lives_for_ever_or_not_at_all_is_refused",
            ]),
        Mutant::new("writes what it can")
            .put(broken!(|beneath, entries| {
                let mut answers = Vec::new();
                for entry in entries {
                    answers.extend(beneath.store.put(vec![entry]).await?);
                }
                Ok(answers)
            }))
            .caught_by(&["one_refused_entry_leaves_those_beside_it_unwritten"]),
    ]
}
