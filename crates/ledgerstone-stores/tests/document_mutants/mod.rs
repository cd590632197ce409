//! Proof that each case of the document suite can fail: a store that breaks its promise, for every case.

mod fault;
mod mutant;
mod rewriting;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::{panic, thread};

use ledgerstone_core::{
    Alteration, Body, CollectionId, Commit, Definition, DefinitionHash, DocumentKey, Tenant, Write,
};
use ledgerstone_testkit::FixedClock;
use ledgerstone_testkit::conformance::document_store::{Documents, suite};
use ledgerstone_testkit::conformance::{Case, CaseError, CaseResult, Fresh, Trials, is_failure_of_the_store};
use tokio::runtime::Builder;

use self::fault::{ALL_FAULTS, Fault};
use self::mutant::Mutant;

/// Which fault each case must catch, at least.
const CAUGHT: &[(&str, Fault)] = &[
    ("a_commit_applies_its_writes_and_moves_the_checkpoint", Fault::ForgetsTheCheckpoint),
    ("a_commit_writes_to_several_collections", Fault::WritesToOneCollection),
    ("a_refused_document_takes_the_whole_commit_with_it", Fault::CommitsOneByOne),
    ("a_write_to_an_unknown_generation_takes_the_whole_commit_with_it", Fault::CommitsOneByOne),
    ("the_last_write_for_a_key_wins", Fault::FirstWriteWins),
    ("a_deleted_document_is_nowhere_to_be_found", Fault::KeepsDeleted),
    ("a_commit_from_another_checkpoint_changes_nothing", Fault::IgnoresFrom),
    ("a_commit_from_another_log_changes_nothing", Fault::ComparesPositionsOnly),
    ("every_generation_has_its_own_checkpoint", Fault::SharesCheckpoints),
    ("of_concurrent_projectors_at_one_checkpoint_exactly_one_wins", Fault::ChecksThenWrites),
    ("a_changed_document_is_found_by_its_new_values_only", Fault::LeavesStaleEntries),
    ("filters_hold_after_many_random_changes", Fault::LeavesStaleEntries),
    ("indexes_change_under_the_documents_that_are_there", Fault::IgnoresIndexChanges),
    ("the_first_generation_is_live_at_once", Fault::FirstIsBuilding),
    ("another_generation_is_invisible_until_it_is_promoted", Fault::NewestIsLive),
    ("a_promotion_drops_the_generation_that_was_live", Fault::KeepsDroppedRows),
    ("a_generation_behind_the_live_one_is_not_promoted", Fault::PromotesAnywhere),
    ("a_generation_of_a_later_epoch_is_promoted_at_any_position", Fault::ComparesPositionsOfEpochs),
    ("declaring_again_keeps_the_rows", Fault::DeclaringEmpties),
    ("other_fields_under_the_same_hash_are_refused", Fault::AcceptsAnyDefinition),
    ("a_dropped_generation_is_gone", Fault::KeepsDroppedRows),
    ("an_unknown_collection_is_refused_with_the_nearest_name", Fault::UnknownIsEmpty),
    ("a_declared_field_takes_its_type_or_nothing", Fault::AcceptsAnyDocument),
    ("a_definition_declares_sound_fields", Fault::AcceptsAnyDefinition),
    ("a_document_above_the_limit_is_refused", Fault::AcceptsAnyDocument),
    ("a_commit_above_the_limit_is_refused", Fault::SplitsCommits),
    ("documents_and_checkpoints_outlive_the_process", Fault::ForgetsAllOnReopening),
    ("generations_and_indexes_outlive_the_process", Fault::ForgetsBuildingOnReopening),
    ("a_body_comes_back_equal", Fault::RoundsNumbers),
    ("random_bodies_come_back_equal", Fault::DropsUndeclared),
    ("get_answers_in_the_order_of_the_keys", Fault::GetDropsMissing),
    ("a_body_takes_the_place_of_the_one_before", Fault::MergesBodies),
    ("many_keys_are_read_at_once", Fault::GetsAThousand),
    ("random_filters_select_as_in_memory", Fault::ThreeValues),
    ("a_filter_and_its_opposite_share_all_documents", Fault::ThreeValues),
    ("a_missing_value_is_null_and_lies_in_no_range", Fault::MissingIsSmall),
    ("ranges_include_their_beginning_and_not_their_end", Fault::RangesIncludeTheirEnd),
    ("prefixes_and_equality_know_no_case_and_no_wildcards", Fault::PrefixesIgnoreCase),
    ("an_array_is_found_by_its_elements", Fault::ElementsIgnoreCase),
    ("words_are_found_whatever_their_case_and_accents", Fault::SearchKnowsCase),
    ("a_search_needs_all_words", Fault::SearchNeedsAnyWord),
    ("filters_of_the_largest_size_are_answered", Fault::RefusesLargeFilters),
    ("documents_without_an_order_come_by_key", Fault::KeysBackwards),
    ("missing_values_come_first_and_last_when_descending", Fault::MissingComesLast),
    ("ties_are_broken_by_the_key", Fault::TiesBackwardsWhenDescending),
    ("random_orders_and_pages_are_as_in_memory", Fault::OrdersByOneStep),
    ("every_tenants_documents_come_by_tenant_and_key", Fault::KeysBeforeTenants),
    ("pages_neither_lose_nor_repeat_while_others_change", Fault::PagesByOffset),
    ("a_cursor_continues_with_another_size_of_page", Fault::CursorsHoldTheSize),
    ("a_cursor_of_another_filter_is_refused", Fault::CursorsForgetTheFilter),
    ("a_cursor_of_another_order_is_refused", Fault::CursorsForgetTheOrder),
    ("a_cursor_of_another_tenant_is_refused", Fault::CursorsForgetTheTenant),
    ("a_cursor_of_another_collection_or_generation_is_refused", Fault::CursorsForgetTheGeneration),
    ("a_damaged_cursor_is_refused", Fault::DamagedCursorsBeginAnew),
    ("a_count_equals_what_all_pages_yield", Fault::CountsOneMore),
    ("a_count_keeps_to_its_tenant", Fault::CountsAllTenants),
    ("unknown_fields_are_refused_with_the_nearest_name", Fault::InvalidIsEmpty),
    ("values_of_another_type_are_refused", Fault::InvalidIsEmpty),
    ("comparisons_that_a_field_does_not_know_are_refused", Fault::InvalidIsEmpty),
    ("a_page_outside_its_limits_is_refused", Fault::ClampsPages),
    ("a_filter_above_its_limits_is_refused", Fault::InvalidIsEmpty),
    ("the_same_key_of_two_tenants_is_two_documents", Fault::GetIgnoresTheTenant),
    ("queries_see_their_tenant_only", Fault::QueriesAllTenants),
    ("a_tenant_without_documents_finds_none", Fault::QueriesAllTenants),
];

/// The name of the threads on which cases are meant to panic.
const MUTED: &str = "mutant";

/// Adds a test for each case: it holds for the sound store and fails for its mutant.
pub(crate) fn add(trials: &mut Trials) {
    let report = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        if thread::current().name() != Some(MUTED) {
            report(panic);
        }
    }));
    trials.add("document_store::mutants::every_case_and_every_fault_has_its_row", || async { complete() });
    for case in suite().cases().iter().copied() {
        let name = format!("document_store::mutants::{}", case.name());
        trials.add(&name, move || prove(case));
    }
}

async fn prove(case: Case<Documents>) -> CaseResult {
    case.run(fresh(Fault::None)).await.map_err(|error| format!("the sound store fails: {error}"))?;
    let row = CAUGHT.iter().find(|(name, _)| *name == case.name());
    let (_, fault) = *row.ok_or("the case has no row in the table")?;
    works(fault).await.map_err(|error| format!("a store with the fault {fault:?} does nothing: {error}"))?;
    let caught = tokio::task::spawn_blocking(move || {
        let runtime =
            Builder::new_multi_thread().worker_threads(1).thread_name(MUTED).enable_all().build()?;
        Ok::<_, CaseError>(runtime.block_on(case.run(fresh(fault))))
    });
    match caught.await?? {
        Ok(()) => Err(format!("a store with the fault {fault:?} passes").into()),
        // A mutant that only ever hangs proves nothing of the case.
        Err(error) if error.to_string().starts_with("it did not end") => Err(error),
        // Nor does one that only ever fails.
        Err(error) if is_failure_of_the_store(&error) => Err(error),
        Err(_) => Ok(()),
    }
}

/// Commits a document and gets it: what a store can do that breaks one promise, and not all of them.
async fn works(fault: Fault) -> CaseResult {
    let store = fresh(fault).store.writer;
    let id = CollectionId { name: "plain".try_into()?, definition: DefinitionHash::of(b"plain") };
    let definition = Definition { id: id.clone(), fields: Vec::new() };
    store.alter(vec![Alteration::Declare(definition)]).await?;
    let key = DocumentKey::try_from("1")?;
    let (tenant, body) = (Tenant::default(), Some(Body::new()));
    let put = Write { collection: id.clone(), tenant: tenant.clone(), key: key.clone(), body };
    store.commit(Commit { writes: vec![put], checkpoint: None }).await?;
    match store.get(&id.into(), &tenant, &[key]).await?.as_slice() {
        [Some(_)] => Ok(()),
        other => Err(format!("got {other:?}").into()),
    }
}

fn complete() -> CaseResult {
    let suite = suite();
    let cases: BTreeSet<_> = suite.cases().iter().map(|case| case.name()).collect();
    let rows: BTreeSet<_> = CAUGHT.iter().map(|(name, _)| *name).collect();
    assert_eq!(rows, cases, "the table's cases and the suite's");
    assert_eq!(rows.len(), CAUGHT.len(), "a case has two rows");
    for fault in ALL_FAULTS {
        let caught = CAUGHT.iter().any(|(_, row)| row == fault);
        assert_eq!(caught, *fault != Fault::None, "{fault:?}");
    }
    let promises: BTreeSet<_> = suite.cases().iter().map(|case| case.promise()).collect();
    assert_eq!(promises, (1..=11).collect(), "the promises that have cases");
    Ok(())
}

fn fresh(fault: Fault) -> Fresh<Documents> {
    let mutant = Mutant::new(fault);
    let reopened = mutant.reopened();
    let documents = |mutant: Mutant| Documents::from(Arc::new(mutant) as Arc<_>);
    let clock = Arc::new(FixedClock::default());
    let again = Arc::clone(&clock);
    Fresh::new(documents(mutant), clock)
        .reopened_by(move || async move { Ok(Fresh::new(documents(reopened.await?), again)) })
}
