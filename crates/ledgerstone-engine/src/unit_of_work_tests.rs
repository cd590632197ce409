//! Tests of the unit of work.

use proptest::prelude::*;

use ledgerstone_core::{Code, EventData, EventType, ExpectedRevision, MarkName, Query, Revision, Selection};

use crate::account::{Account, AccountEvent, Command, Deposited, Refused, events, read};

use super::*;

#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error(transparent)]
    Account(#[from] RepositoryError<Refused>),
    #[error(transparent)]
    Store(#[from] EventStoreError),
    #[error("by choice")]
    Chosen,
}

async fn world() -> (Ledger, Repository<Account>) {
    let ledger = Ledger::new(events().await);
    let accounts = ledger.repository();
    for id in ["1", "2"] {
        accounts.handle(id, Command::Open("Ada"), &Context::new()).await.expect("opens");
        accounts.handle(id, Command::Deposit(100), &Context::new()).await.expect("deposits");
    }
    (ledger, accounts)
}

async fn balances(accounts: &Repository<Account>) -> (i64, i64) {
    let balance = async |id| accounts.load(id).await.expect("loads").state.balance;
    (balance("1").await, balance("2").await)
}

async fn transfer(
    unit: &UnitOfWork,
    accounts: &Repository<Account>,
    amount: i64,
) -> Result<(), RepositoryError<Refused>> {
    let context = Context::new();
    unit.handle(accounts, "1", Command::Withdraw(amount), &context).await?;
    unit.handle(accounts, "2", Command::Deposit(amount), &context).await?;
    Ok(())
}

#[tokio::test]
async fn a_stream_whose_events_are_all_removed_is_written_to_in_a_unit_of_work() {
    let (ledger, accounts) = world().await;
    let stream = accounts.stream("1").expect("a stream");
    ledger.admin().declare_transient(&stream).await.expect("declares");
    ledger.admin().truncate(&stream, Revision(2)).await.expect("truncates");
    let committed = ledger.transaction(async |unit: UnitOfWork| {
        unit.handle(&accounts, "1", Command::Open("Bo"), &Context::new()).await?;
        Ok::<_, Failed>(())
    });
    assert_eq!(committed.await.expect("commits").attempts, 1);
    assert_eq!(accounts.load("1").await.expect("loads").revision, StreamState::At(Revision(2)));
}

#[tokio::test]
async fn several_aggregates_change_in_one_batch_and_see_their_own_stage() {
    let (ledger, accounts) = world().await;
    let unit = ledger.begin();
    transfer(&unit, &accounts, 60).await.expect("stages");
    let overdrawn = transfer(&unit, &accounts, 60).await.expect_err("only 40 are left");
    assert_eq!(overdrawn.refusal(), Some(&Refused::Overdrawn(40)));
    transfer(&unit, &accounts, 40).await.expect("stages");
    assert_eq!(unit.load(&accounts, "2").await.expect("loads").balance, 200);
    assert_eq!(balances(&accounts).await, (100, 100));
    let appended = unit.commit().await.expect("commits").expect("something");
    assert_eq!(appended.ranges.len(), 2);
    assert_eq!(balances(&accounts).await, (0, 200));
    assert!(ledger.begin().commit().await.expect("nothing").is_none());
}

#[tokio::test]
async fn what_is_dropped_or_refused_leaves_nothing() {
    let (ledger, accounts) = world().await;
    let unit = ledger.begin();
    transfer(&unit, &accounts, 10).await.expect("stages");
    drop(unit);
    assert_eq!(balances(&accounts).await, (100, 100));

    let unit = ledger.begin();
    transfer(&unit, &accounts, 10).await.expect("stages");
    let name = MarkName::new("transfers").expect("a name");
    unit.mark(MarkChange::Rises { name, to: 1 }).expect("stages");
    accounts.handle("2", Command::Deposit(1), &Context::new()).await.expect("somebody is faster");
    let refused = unit.commit().await.expect_err("refused");
    assert_eq!(refused.code(), Code::WrongRevision);
    assert_eq!(balances(&accounts).await, (100, 101));
    let marks = ledger.store().marks(Default::default(), "").await.expect("reads");
    assert!(marks.is_empty());
}

#[tokio::test]
async fn a_condition_and_marks_are_committed_with_the_events() {
    let (ledger, accounts) = world().await;
    let name = MarkName::new("transfers").expect("a name");
    for (attempt, expected) in [(1, true), (2, false)] {
        let unit = ledger.begin();
        transfer(&unit, &accounts, attempt).await.expect("stages");
        unit.mark(MarkChange::Rises { name: name.clone(), to: 7 }).expect("stages");
        assert_eq!(unit.commit().await.is_ok(), expected);
    }
    let unit = ledger.begin();
    transfer(&unit, &accounts, 3).await.expect("stages");
    let after = ledgerstone_core::Position::START;
    unit.require(AppendCondition { fail_if_match: Query::all(), after }).expect("stages");
    let refused = unit.commit().await.expect_err("refused");
    assert_eq!(refused.code(), Code::ConditionFailed);
    assert_eq!(balances(&accounts).await, (99, 101));
}

#[tokio::test]
async fn savepoints_nest_and_roll_back_the_stage() {
    let (ledger, accounts) = world().await;
    let unit = ledger.begin();
    transfer(&unit, &accounts, 1).await.expect("stages");
    let outer = unit.savepoint();
    transfer(&unit, &accounts, 2).await.expect("stages");
    let inner = unit.savepoint();
    transfer(&unit, &accounts, 4).await.expect("stages");
    unit.rollback_to(inner).expect("stands");
    assert_eq!(unit.load(&accounts, "1").await.expect("loads").balance, 97);
    unit.rollback_to(outer).expect("stands");
    assert_eq!(unit.rollback_to(inner), Err(SavepointGone));
    transfer(&unit, &accounts, 8).await.expect("stages");
    unit.release(outer).expect("stands");
    assert_eq!(unit.rollback_to(outer), Err(SavepointGone));
    let failing = async {
        transfer(&unit, &accounts, 16).await?;
        Err::<(), _>(Failed::Chosen)
    };
    assert!(unit.nested(failing).await.is_err());
    unit.nested(transfer(&unit, &accounts, 32)).await.expect("stages");
    unit.commit().await.expect("commits");
    assert_eq!(balances(&accounts).await, (100 - 41, 100 + 41));
}

#[tokio::test]
async fn one_stream_staged_twice_becomes_one_append() {
    let (ledger, accounts) = world().await;
    let unit = ledger.begin();
    for amount in [1, 2] {
        let events = [AccountEvent::from(Deposited { amount })];
        unit.stage(&accounts, "1", &events, &Context::new()).await.expect("stages");
    }
    let raw = |expected| {
        let event_type = EventType::new("Noted").expect("a type");
        let event = EventData::json(uuid::Uuid::now_v7(), event_type, "{}");
        Append::to(StreamId::new("notes-1").expect("a stream"), expected, vec![event])
    };
    unit.append(raw(ExpectedRevision::NoStream)).expect("stages");
    unit.append(raw(ExpectedRevision::At(Revision(0)))).expect("stages");
    unit.append(raw(ExpectedRevision::Any)).expect("stages");
    let refused = unit.append(raw(ExpectedRevision::NoStream)).expect_err("it has three");
    assert_eq!(refused.code(), Code::WrongRevision);
    let loaded = StreamId::new("account-1").expect("a stream");
    let twice = unit.append(Append { stream: Some(loaded), ..raw(ExpectedRevision::Any) });
    assert_eq!(twice.expect_err("it is loaded").code(), Code::InvalidInput);
    let appended = unit.commit().await.expect("commits").expect("something");
    let revisions: Vec<_> = appended.ranges.iter().filter_map(|range| range.revision).collect();
    assert_eq!(revisions, [Revision(3), Revision(2)]);
}

#[tokio::test]
async fn a_repository_of_another_store_is_refused() {
    let (ledger, _) = world().await;
    let (_, foreign) = world().await;
    let error = ledger.begin().load(&foreign, "1").await.map(drop).expect_err("foreign");
    assert_eq!(error.code(), Code::Configuration);
}

#[tokio::test]
async fn a_unit_of_work_is_over_after_its_commit() {
    let (ledger, accounts) = world().await;
    let unit = ledger.begin();
    let (clone, savepoint) = (unit.clone(), unit.savepoint());
    unit.commit().await.expect("nothing to do");
    assert_eq!(transfer(&clone, &accounts, 1).await.expect_err("over").code(), Code::Configuration);
    assert_eq!(clone.rollback_to(savepoint), Err(SavepointGone));
    assert!(clone.commit().await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn transactions_are_done_again_after_conflicts() {
    let (ledger, accounts) = world().await;
    let tasks: Vec<_> = (0..10)
        .map(|_| {
            let (ledger, accounts) = (ledger.clone(), accounts.clone());
            tokio::spawn(async move {
                let accounts = &accounts;
                ledger.transaction(|unit| async move { transfer(&unit, accounts, 10).await }).await
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("no panic").expect("transfers after all");
    }
    assert_eq!(balances(&accounts).await, (0, 200));
    let accounts = &accounts;
    let failing = async |unit: UnitOfWork| {
        transfer(&unit, accounts, 0).await?;
        Err::<(), _>(Failed::Chosen)
    };
    let failed = ledger.transaction(failing).await;
    assert!(matches!(failed, Err(Failed::Chosen)));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn a_unit_of_work_is_all_or_nothing(
        amounts in prop::collection::vec(1..60_i64, 1..5),
        disturbed in prop::option::of(1..3_u32),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let (ledger, accounts) = world().await;
            let unit = ledger.begin();
            let mut moved = 0;
            for amount in &amounts {
                if transfer(&unit, &accounts, *amount).await.is_ok() {
                    moved += amount;
                }
            }
            if let Some(id) = disturbed {
                let disturbed = accounts.handle(&id.to_string(), Command::Deposit(1), &Context::new()).await;
                disturbed.expect("deposits");
            }
            let before = read(ledger.store(), Selection::all()).await.len();
            let committed = unit.commit().await;
            let after = read(ledger.store(), Selection::all()).await.len();
            match committed {
                Ok(_) => assert_eq!(balances(&accounts).await, (100 - moved, 100 + moved)),
                Err(_) => assert!(disturbed.is_some() && before == after),
            }
        });
    }
}
