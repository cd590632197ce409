//! Cases and suites: sentences about a store, and the code that tells whether they hold.

use std::any::Any;
use std::error::Error;
use std::fmt;
use std::time::Duration;

use futures_util::future::BoxFuture;
use ledgerstone_core::{BackendError, DocumentStoreError, EventStoreError};

use super::fresh::Fresh;

/// Why a case failed.
pub type CaseError = Box<dyn Error + Send + Sync>;

/// How a case ended; a panic is a failure too.
pub type CaseResult = Result<(), CaseError>;

type Run<S> = fn(Fresh<S>) -> BoxFuture<'static, CaseResult>;

/// One sentence about a store, and the code that tells whether it holds.
pub struct Case<S> {
    name: &'static str,
    promise: u32,
    needs: fn(&S) -> bool,
    run: Run<S>,
}

impl<S: Send + 'static> Case<S> {
    /// The time after which a case has failed.
    pub const TIMEOUT: Duration = Duration::from_secs(60);

    /// Makes a case that holds a store to the promise with this number.
    pub fn new(name: &'static str, promise: u32, run: Run<S>) -> Self {
        Self { name, promise, needs: |_| true, run }
    }

    /// Leaves the case out for stores that do not declare what it needs.
    #[must_use]
    pub fn needing(mut self, needs: fn(&S) -> bool) -> Self {
        self.needs = needs;
        self
    }

    /// Returns the sentence, with underscores for spaces.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Returns the number of the promise.
    pub fn promise(&self) -> u32 {
        self.promise
    }

    /// Tells whether the case concerns a store, by what the store declares of itself.
    pub fn concerns(&self, store: &S) -> bool {
        (self.needs)(store)
    }

    /// Runs the case; a panic in it, or more time than [`TIMEOUT`](Self::TIMEOUT), is an error.
    pub async fn run(&self, fresh: Fresh<S>) -> CaseResult {
        let task = tokio::spawn((self.run)(fresh));
        let stop = task.abort_handle();
        match tokio::time::timeout(Self::TIMEOUT, task).await {
            Ok(Ok(result)) => result,
            Ok(Err(ended)) => Err(panic_text(ended.into_panic()).into()),
            Err(_) => {
                stop.abort();
                Err(format!("it did not end within {} seconds", Self::TIMEOUT.as_secs()).into())
            }
        }
    }
}

/// Tells whether a case ended because the store failed beneath it, rather than by an answer that it found wrong.
///
/// A mutant that is only ever caught so proves nothing of the case.
pub fn is_failure_of_the_store(error: &CaseError) -> bool {
    match (error.downcast_ref::<EventStoreError>(), error.downcast_ref::<DocumentStoreError>()) {
        (Some(error), _) => matches!(error, EventStoreError::Backend(_) | EventStoreError::Indeterminate(_)),
        (_, Some(error)) => matches!(error, DocumentStoreError::Backend(_)),
        _ => error.is::<BackendError>(),
    }
}

fn panic_text(panic: Box<dyn Any + Send>) -> String {
    match panic.downcast::<String>() {
        Ok(text) => *text,
        Err(panic) => {
            panic.downcast::<&'static str>().map_or_else(|_| "it panicked".into(), |text| (*text).into())
        }
    }
}

impl<S> Clone for Case<S> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S> Copy for Case<S> {}

impl<S> fmt::Debug for Case<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (promise {})", self.name, self.promise)
    }
}

/// The cases that hold a store to the promises of its port.
#[derive(Debug)]
pub struct Suite<S> {
    name: &'static str,
    cases: Vec<Case<S>>,
}

impl<S> Suite<S> {
    /// Makes a suite; its name is the port's.
    pub fn new(name: &'static str, cases: Vec<Case<S>>) -> Self {
        Self { name, cases }
    }

    /// Returns the port's name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Returns the cases.
    pub fn cases(&self) -> &[Case<S>] {
        &self.cases
    }
}

/// Lists cases: the number of the promise, the function, and what it needs of the store, if anything.
macro_rules! cases {
    ($($promise:literal: $name:ident $(if $needs:expr)?),* $(,)?) => {
        vec![$(
            $crate::conformance::Case::new(stringify!($name), $promise, |fresh| Box::pin($name(fresh)))
                $(.needing($needs))?
        ),*]
    };
}
pub(crate) use cases;
