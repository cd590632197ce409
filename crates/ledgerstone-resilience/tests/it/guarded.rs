//! Ports under a policy: they keep their contracts, and what may be repeated is repeated.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use ledgerstone_core::{
    Append, BackendError, Batch, DocumentStore, EventData, EventStore, EventType, ExpectedRevision,
    HttpClient, HttpRequest, HttpResponse, MarkChange, MarkName, Selection, StreamId, TenantScope,
};
use ledgerstone_resilience::{CircuitBreaker, Guarded, Policy, Retry};
use ledgerstone_stores::{Backend, Resources};
use ledgerstone_testkit::conformance::{Case, CaseError, Fresh, document_store, event_store};
use ledgerstone_testkit::{Call, Fault, Faults, Faulty, FixedClock};
use parking_lot::Mutex;

fn policy() -> Policy {
    Policy::builder("guarded")
        .total_timeout(Duration::from_secs(30))
        .retry(Retry::exponential(Duration::from_millis(1), Duration::from_millis(5)))
        .circuit_breaker(CircuitBreaker::default())
        .attempt_timeout(Duration::from_secs(10))
        .build()
        .expect("a policy")
}

async fn memory(clock: &Arc<FixedClock>) -> Backend {
    let resources = Resources { clock: Arc::clone(clock) as _, ..Resources::default() };
    let locator = "memory:".parse().expect("a locator");
    ledgerstone_stores::open(&locator, &resources).await.expect("a store")
}

/// Runs every case over stores of its own, and panics with the names of those that failed.
async fn passes<S: Send + 'static, F>(cases: &[Case<S>], open: impl Fn(Arc<FixedClock>) -> F)
where
    F: Future<Output = Result<Fresh<S>, CaseError>>,
{
    let run = cases.iter().map(|case| async {
        let fresh = open(Arc::new(FixedClock::default())).await.expect("a store");
        match case.concerns(&fresh.store) {
            true => (case.name(), case.run(fresh).await),
            false => (case.name(), Ok(())),
        }
    });
    let results: Vec<_> = stream::iter(run).buffer_unordered(8).collect().await;
    let failed: Vec<_> = results.into_iter().filter(|(_, result)| result.is_err()).collect();
    assert!(failed.is_empty(), "{failed:#?}");
}

#[tokio::test]
async fn a_guarded_event_store_keeps_every_promise() {
    let suite = event_store::suite();
    passes(suite.cases(), |clock| async move {
        let inner = memory(&clock).await.events;
        let store: Arc<dyn EventStore> = Arc::new(Guarded::new(inner, policy()));
        Ok(Fresh::new(store, clock))
    })
    .await;
}

#[tokio::test]
async fn a_guarded_document_store_keeps_every_promise() {
    let suite = document_store::suite();
    passes(suite.cases(), |clock| async move {
        let inner = memory(&clock).await.documents;
        let store: Arc<dyn DocumentStore> = Arc::new(Guarded::new(inner, policy()));
        Ok(Fresh::new(store.into(), clock))
    })
    .await;
}

async fn faulty() -> (Faults, Guarded<Faulty<dyn EventStore>>, Arc<dyn EventStore>) {
    let inner = memory(&Arc::new(FixedClock::default())).await.events;
    let faults = Faults::none();
    let store = Faulty::new(Arc::clone(&inner), faults.clone());
    (faults, Guarded::new(Arc::new(store), policy()), inner)
}

fn opened() -> Batch {
    let event_type = EventType::new("Opened").expect("a type");
    let event = EventData::json(uuid::Uuid::now_v7(), event_type, "{}");
    Batch::of(Append::to(
        StreamId::new("account-1").expect("a stream"),
        ExpectedRevision::NoStream,
        vec![event],
    ))
}

#[tokio::test]
async fn an_append_whose_answer_is_lost_is_made_again_and_recorded_once() {
    let (faults, store, inner) = faulty().await;
    faults.fail(Call::Append, Fault::After);
    faults.fail(Call::Append, Fault::Before);
    store.append(opened()).await.expect("appended");
    assert_eq!(inner.head().await.expect("a head").heads.application.0, 1);
}

#[tokio::test]
async fn a_batch_that_nobody_could_recognise_is_not_made_again() {
    let (faults, store, inner) = faulty().await;
    faults.fail(Call::Append, Fault::After);
    let rises = MarkChange::Rises { name: MarkName::new("relay").expect("a name"), to: 7 };
    let batch = Batch { marks: vec![rises], ..Batch::default() };
    store.append(batch).await.expect_err("nobody knows");
    let marks = inner.marks(TenantScope::default(), "relay").await.expect("marks");
    assert_eq!(marks.len(), 1);
}

#[tokio::test]
async fn a_reading_is_begun_again_and_what_breaks_later_is_told() {
    let (faults, store, _) = faulty().await;
    store.append(opened()).await.expect("appended");
    faults.fail(Call::Read, Fault::Before);
    let frames: Vec<_> = store.read(Selection::all()).try_collect().await.expect("read");
    assert_eq!(frames.iter().map(|frame| frame.events.len()).sum::<usize>(), 1);
    faults.fail(Call::Read, Fault::After);
    let broken: Result<Vec<_>, _> = store.read(Selection::all()).try_collect().await;
    assert!(broken.expect_err("it broke").is_retryable());
}

/// Answers with these statuses, one after the other.
#[derive(Debug)]
struct Scripted(Mutex<Vec<u16>>);

#[async_trait]
impl HttpClient for Scripted {
    async fn send(&self, _request: HttpRequest) -> Result<HttpResponse, BackendError> {
        let status = self.0.lock().remove(0);
        let headers = vec![("retry-after".to_owned(), "1".to_owned())];
        Ok(HttpResponse { status, headers, body: stream::empty().boxed() })
    }
}

async fn asked(method: &'static str, headers: &[(&str, &str)], statuses: &[u16]) -> (u16, usize) {
    let inner = Arc::new(Scripted(Mutex::new(statuses.to_vec())));
    let client = Guarded::new(Arc::clone(&inner), policy());
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let url = "http://127.0.0.1/".to_owned();
    let request = HttpRequest { method, url, headers, body: Bytes::new(), timeout: None };
    let response = client.send(request).await.expect("a response");
    let left = inner.0.lock().len();
    (response.status, statuses.len() - left)
}

#[tokio::test(start_paused = true)]
async fn a_request_is_repeated_by_its_method_or_its_key_and_a_response_stays_one() {
    assert_eq!(asked("GET", &[], &[503, 429, 200]).await, (200, 3));
    assert_eq!(asked("GET", &[], &[503, 503, 503, 200]).await, (503, 3));
    assert_eq!(asked("GET", &[], &[500, 200]).await, (500, 1));
    assert_eq!(asked("POST", &[], &[503, 200]).await, (503, 1));
    assert_eq!(asked("POST", &[("Idempotency-Key", "k")], &[503, 200]).await, (200, 2));
}
