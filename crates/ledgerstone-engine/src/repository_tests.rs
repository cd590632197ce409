//! Tests of the repository.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use proptest::prelude::*;

use ledgerstone_core::{
    BackendError, Capabilities, Code, ErrorKind, EventStore, ExpectedRevision, Frames, Heads, LogHead, Mark,
    MarkChange, MarkName, OffsetTime, TenantScope, Timestamp,
};

use crate::account::{Account, AccountEvent, Command, Deposited, Opened, Refused, events, read};

use crate::codec::Codec;

use super::*;

fn accounts(store: &Arc<dyn EventStore>) -> Repository<Account> {
    Repository::new(Arc::clone(store))
}

fn nothing() -> Context {
    Context::new()
}

async fn opened(accounts: &Repository<Account>, id: &str, deposits: &[i64]) {
    accounts.handle(id, Command::Open("Ada"), &nothing()).await.expect("opens");
    for amount in deposits {
        accounts.handle(id, Command::Deposit(*amount), &nothing()).await.expect("deposits");
    }
}

#[tokio::test]
async fn what_a_command_led_to_is_loaded_again() {
    let accounts = accounts(&events().await);
    assert!(!accounts.exists("1").await.expect("reads"));
    assert!(!accounts.load("1").await.expect("loads").exists());
    opened(&accounts, "1", &[5, 7]).await;
    let outcome = accounts.handle("1", Command::Withdraw(2), &nothing()).await.expect("withdraws");
    assert_eq!((outcome.state.balance, outcome.revision), (10, StreamState::At(Revision(3))));
    assert!(outcome.appended.and_then(|appended| appended.point()).is_some());
    let loaded = accounts.load("1").await.expect("loads");
    assert_eq!((loaded.state, loaded.revision), (outcome.state, outcome.revision));
    assert!(accounts.exists("1").await.expect("reads"));
}

#[tokio::test]
async fn a_refused_command_and_one_with_nothing_to_do_append_nothing() {
    let store = events().await;
    let accounts = accounts(&store);
    let refused = accounts.handle("1", Command::Deposit(1), &nothing()).await.expect_err("not open");
    assert_eq!(refused.refusal(), Some(&Refused::NotOpen));
    opened(&accounts, "1", &[]).await;
    let outcome = accounts.handle("1", Command::Deposit(0), &nothing()).await.expect("nothing to do");
    assert!(outcome.events.is_empty() && outcome.appended.is_none());
    assert_eq!(read(&store, Selection::all()).await.len(), 1);
}

#[tokio::test]
async fn the_context_stands_on_every_event() {
    let store = events().await;
    let accounts = accounts(&store);
    let at = OffsetTime::parse("2020-02-29T12:00:00+02:00", None).expect("a time");
    let tag = ledgerstone_core::Tag::new("branch:1").expect("a tag");
    let context = Context::new().correlation("c").causation("b").actor("u-7").source("crm");
    let context = context.occurred_at(at).entry("ip", "none").tag(tag);
    let context = context.validation(&serde_json::json!({"ok": true})).expect("json");
    accounts.handle("1", Command::Open("Ada"), &context).await.expect("opens");
    let event = read(&store, Selection::all()).await.remove(0);
    assert_eq!(event.metadata(), context.metadata);
    assert!(event.has_tag("branch:1") && event.has_tag("$category:account"));
    let caused = Context::caused_by(&event);
    assert_eq!(caused.metadata.correlation.as_deref(), Some("c"));
    assert_eq!(caused.metadata.causation, Some(event.id().to_string()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_handlers_yield_a_gapless_stream_and_lose_nothing() {
    const HANDLERS: i64 = 24;
    let store = events().await;
    let accounts = accounts(&store);
    opened(&accounts, "1", &[]).await;
    let tasks: Vec<_> = (1..=HANDLERS)
        .map(|amount| {
            let accounts = accounts.clone();
            tokio::spawn(async move { accounts.handle("1", Command::Deposit(amount), &nothing()).await })
        })
        .collect();
    for task in tasks {
        task.await.expect("no panic").expect("deposits after all");
    }
    let loaded = accounts.load("1").await.expect("loads");
    assert_eq!(loaded.state.balance, (1..=HANDLERS).sum::<i64>());
    let revisions: Vec<_> = read(&store, Selection::all()).await.iter().map(|e| e.revision()).collect();
    let gapless: Vec<_> = (0..=24).map(|revision| Some(Revision(revision))).collect();
    assert_eq!(revisions, gapless);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_decision_after_a_conflict_sees_what_others_did() {
    let accounts = accounts(&events().await);
    opened(&accounts, "1", &[10]).await;
    let tasks: Vec<_> = (0..24)
        .map(|_| {
            let accounts = accounts.clone();
            tokio::spawn(async move { accounts.handle("1", Command::Withdraw(1), &nothing()).await })
        })
        .collect();
    let mut refused = 0;
    for task in tasks {
        if let Err(error) = task.await.expect("no panic") {
            assert_eq!(error.refusal(), Some(&Refused::Overdrawn(0)), "{error}");
            refused += 1;
        }
    }
    assert_eq!((refused, accounts.load("1").await.expect("loads").state.balance), (14, 0));
}

#[tokio::test]
async fn a_saved_decision_is_refused_if_others_were_faster() {
    let accounts = accounts(&events().await);
    opened(&accounts, "1", &[]).await;
    let early = accounts.load("1").await.expect("loads");
    let deposit = || vec![AccountEvent::from(Deposited { amount: 3 })];
    let outcome = accounts.save(early.clone(), deposit(), &nothing()).await.expect("saves");
    assert_eq!(outcome.state.balance, 3);
    let late = accounts.save(early, deposit(), &nothing()).await.expect_err("late");
    assert_eq!((late.code(), late.is_retryable()), (Code::WrongRevision, true));
    assert_eq!(accounts.load("1").await.expect("loads").state.balance, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn conflicts_are_given_up_after_a_bounded_number_of_attempts() {
    let ledger = Ledger::new(events().await).with_conflicts(ledgerstone_core::Retry {
        attempts: 3,
        base: std::time::Duration::ZERO,
        cap: std::time::Duration::ZERO,
    });
    let accounts: Repository<Account> = ledger.repository();
    opened(&accounts, "1", &[]).await;
    let other = accounts.clone();
    let outcome = accounts
        .decide("1", &nothing(), |_| {
            // Somebody else is always faster.
            let deposit = async {
                let (events, loaded) = (vec![Deposited { amount: 1 }.into()], other.load("1").await?);
                other.save(loaded, events, &nothing()).await
            };
            let handle = tokio::runtime::Handle::current();
            tokio::task::block_in_place(|| handle.block_on(deposit)).expect("the other saves");
            Ok(vec![Deposited { amount: 100 }.into()])
        })
        .await;
    let error = outcome.expect_err("given up");
    assert!(matches!(error, RepositoryError::Conflict { attempts: 3, .. }), "{error}");
    assert_eq!(accounts.load("1").await.expect("loads").state.balance, 3);
}

#[tokio::test]
async fn history_tells_every_event_and_stops_at_one_that_no_decoder_knows() {
    let store = events().await;
    let accounts = accounts(&store);
    opened(&accounts, "1", &[4]).await;
    let pasts: Vec<_> = accounts.history("1").try_collect().await.expect("tells");
    let events: Vec<_> = pasts.into_iter().map(|past| past.event).collect();
    assert_eq!(events, [Opened { owner: "Ada".to_owned() }.into(), Deposited { amount: 4 }.into()]);
    let stranger = ledgerstone_core::EventType::new("Stranger").expect("a type");
    let stranger = ledgerstone_core::EventData::json(uuid::Uuid::now_v7(), stranger, "{}");
    let stream = accounts.stream("1").expect("a stream");
    let append = Append::to(stream, ExpectedRevision::Any, vec![stranger]);
    store.append(Batch::of(append)).await.expect("appends");
    let pasts: Vec<_> = accounts.history("1").collect().await;
    assert_eq!(pasts.len(), 3);
    let error = accounts.load("1").await.expect_err("unknown");
    assert_eq!(error.code(), Code::UnknownEventType);
    assert!(error.to_string().contains("account-1") && error.to_string().contains("Stranger"), "{error}");
}

#[tokio::test]
async fn an_aggregate_is_told_as_of_a_time() {
    let accounts = accounts(&events().await);
    let day = |day: i64| Timestamp::from_micros(day * 86_400_000_000);
    let on = |at| Context::new().occurred_at(OffsetTime::utc(at));
    accounts.handle("1", Command::Open("Ada"), &on(day(1))).await.expect("opens");
    accounts.handle("1", Command::Deposit(5), &on(day(9))).await.expect("deposits");
    let late = accounts.handle("1", Command::Deposit(7), &on(day(3))).await.expect("deposits");
    let occurred = |at| accounts.load_at("1", AsOf::OccurredAt(at));
    assert_eq!(occurred(day(0)).await.expect("loads").state, Account::default());
    assert_eq!(occurred(day(3)).await.expect("loads").state.balance, 7);
    assert_eq!(occurred(day(9)).await.expect("loads").state.balance, 12);
    let recorded_at = late.appended.expect("appended").recorded_at;
    let recorded = |at| accounts.load_at("1", AsOf::RecordedAt(at));
    assert_eq!(recorded(recorded_at).await.expect("loads").state.balance, 12);
    assert_eq!(recorded(day(9)).await.expect("loads").state, Account::default());
}

#[tokio::test]
async fn a_revision_beyond_the_stream_or_before_its_truncation_is_an_error() {
    let ledger =
        Ledger::new(events().await).with_codec(Codec::default().with_state_types(["AccountBalanced"]));
    let accounts: Repository<Account> = ledger.repository();
    opened(&accounts, "1", &[5]).await;
    let beyond = accounts.load_at("1", AsOf::Revision(Revision(2))).await.expect_err("beyond");
    assert!(beyond.to_string().contains("does not exist"), "{beyond}");
    accounts.handle("1", Command::Balance, &nothing()).await.expect("balances");
    let stream = accounts.stream("1").expect("a stream");
    ledger.admin().truncate(&stream, Revision(2)).await.expect("truncates");
    assert_eq!(accounts.load("1").await.expect("loads").state.balance, 5);
    let removed = accounts.load_at("1", AsOf::Revision(Revision(1))).await.expect_err("removed");
    assert!(removed.to_string().contains("begins at revision 2"), "{removed}");
    accounts.handle("1", Command::Deposit(1), &nothing()).await.expect("deposits behind the truncation");
    assert_eq!(accounts.load("1").await.expect("loads").state.balance, 6);
}

async fn remove_all(ledger: &Ledger, stream: &StreamId, count: u64) {
    ledger.admin().declare_transient(stream).await.expect("declares");
    ledger.admin().truncate(stream, Revision(count)).await.expect("truncates");
}

#[tokio::test]
async fn a_stream_whose_events_are_all_removed_takes_events_again() {
    let ledger = Ledger::new(events().await);
    let accounts: Repository<Account> = ledger.repository();
    for id in ["1", "2"] {
        opened(&accounts, id, &[5]).await;
        remove_all(&ledger, &accounts.stream(id).expect("a stream"), 2).await;
    }
    let outcome = accounts.handle("1", Command::Open("Bo"), &nothing()).await.expect("opens again");
    assert_eq!((outcome.revision, outcome.attempts), (StreamState::At(Revision(2)), 1));
    let loaded = accounts.load("2").await.expect("loads");
    assert!(!loaded.exists(), "no event is left");
    let saved = accounts.save(loaded, vec![Opened { owner: "Bo".to_owned() }.into()], &nothing()).await;
    assert_eq!(saved.expect("saves").revision, StreamState::At(Revision(2)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decision_goes_on_behind_events_that_were_added_and_removed_meanwhile() {
    let ledger = Ledger::new(events().await);
    let accounts: Repository<Account> = ledger.repository();
    opened(&accounts, "1", &[]).await;
    let stream = accounts.stream("1").expect("a stream");
    let (mut first, context) = (true, nothing());
    let outcome = accounts.decide("1", &context, |_| {
        let meanwhile = async {
            accounts.handle("1", Command::Deposit(1), &nothing()).await.expect("deposits");
            remove_all(&ledger, &stream, 2).await;
        };
        if std::mem::take(&mut first) {
            let handle = tokio::runtime::Handle::current();
            tokio::task::block_in_place(|| handle.block_on(meanwhile));
        }
        Ok(vec![Deposited { amount: 100 }.into()])
    });
    let outcome = outcome.await.expect("deposits");
    assert_eq!((outcome.revision, outcome.attempts), (StreamState::At(Revision(2)), 2));
}

#[tokio::test]
async fn a_category_or_an_id_that_makes_no_stream_is_refused() {
    let accounts = accounts(&events().await);
    for id in ["", "a\nb", &"x".repeat(600)] {
        let error = accounts.load(id).await.expect_err("no stream");
        assert_eq!(error.code(), Code::InvalidInput);
    }
}

/// Loses the answer of every first append, after it was recorded, and of as many readings as it is told.
#[derive(Debug)]
struct Forgetful(Arc<dyn EventStore>, AtomicU32, Arc<AtomicU32>);

fn lost(operation: &'static str) -> BackendError {
    BackendError::new(ErrorKind::Unavailable, "test", operation, "the answer was lost")
}

#[async_trait]
impl EventStore for Forgetful {
    fn capabilities(&self) -> Capabilities {
        self.0.capabilities()
    }

    async fn append(&self, batch: Batch) -> Result<Appended, EventStoreError> {
        let appended = self.0.append(batch).await?;
        if self.1.fetch_add(1, Ordering::Relaxed).is_multiple_of(2) {
            return Err(EventStoreError::Indeterminate(lost("append")));
        }
        Ok(appended)
    }

    fn read(&self, selection: Selection) -> Frames {
        let left = self.2.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        if left.is_ok() {
            return stream::once(async { Err(lost("read").into()) }).boxed();
        }
        self.0.read(selection)
    }

    async fn head(&self) -> Result<LogHead, EventStoreError> {
        self.0.head().await
    }

    fn changes(&self) -> BoxStream<'static, Heads> {
        self.0.changes()
    }

    async fn marks(&self, tenant: TenantScope, prefix: &str) -> Result<Vec<Mark>, EventStoreError> {
        self.0.marks(tenant, prefix).await
    }
}

#[tokio::test]
async fn an_append_whose_answer_was_lost_is_repeated_and_recorded_once() {
    let store: Arc<dyn EventStore> = Arc::new(Forgetful(events().await, AtomicU32::new(0), Arc::default()));
    let accounts = accounts(&store);
    opened(&accounts, "1", &[5, 5]).await;
    assert_eq!(read(&store, Selection::all()).await.len(), 3);
    assert_eq!(accounts.load("1").await.expect("loads").state.balance, 10);
}

#[tokio::test]
async fn a_reading_that_failed_is_begun_again_a_bounded_number_of_times() {
    let failures = Arc::new(AtomicU32::new(0));
    let store = Forgetful(events().await, AtomicU32::new(1), Arc::clone(&failures));
    let retry = ledgerstone_core::Retry { base: std::time::Duration::ZERO, ..Default::default() };
    let accounts: Repository<Account> = Ledger::new(Arc::new(store)).with_retry(retry).repository();
    opened(&accounts, "1", &[5]).await;
    failures.store(retry.attempts - 1, Ordering::Relaxed);
    assert!(accounts.exists("1").await.expect("reads"));
    failures.store(retry.attempts - 1, Ordering::Relaxed);
    assert_eq!(accounts.load("1").await.expect("loads").state.balance, 5);
    failures.store(retry.attempts, Ordering::Relaxed);
    assert!(accounts.exists("1").await.expect_err("given up").is_retryable());
}

#[tokio::test]
async fn a_change_of_marks_alone_whose_answer_was_lost_is_not_repeated() {
    let store: Arc<dyn EventStore> = Arc::new(Forgetful(events().await, AtomicU32::new(0), Arc::default()));
    let name = MarkName::new("relay").expect("a name");
    let rises = MarkChange::Rises { name: name.clone(), to: 7 };
    let batch = Batch { marks: vec![rises], ..Batch::default() };
    let error = Ledger::new(Arc::clone(&store)).append(batch).await.expect_err("the answer was lost");
    assert_eq!(error.code(), Code::Indeterminate, "{error}");
    let marks = store.marks(TenantScope::default(), "").await.expect("marks");
    assert_eq!(marks.iter().map(|mark| (&mark.name, mark.number)).collect::<Vec<_>>(), [(&name, 7)]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn load_at_a_revision_equals_the_fold_of_the_prefix(amounts in prop::collection::vec(1..100_i64, 0..12)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let accounts = accounts(&events().await);
            opened(&accounts, "1", &amounts).await;
            let mut balance = 0;
            for (revision, amount) in std::iter::once(&0).chain(&amounts).enumerate() {
                balance += amount;
                let as_of = AsOf::Revision(Revision(revision as u64));
                let loaded = accounts.load_at("1", as_of).await.expect("loads");
                assert_eq!((loaded.state.balance, loaded.revision), (balance, StreamState::At(Revision(revision as u64))));
            }
        });
    }
}
