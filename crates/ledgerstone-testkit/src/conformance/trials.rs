//! The run of suites over stores, listed and filtered like any other tests.

use std::fmt;
use std::future::Future;
use std::process::ExitCode;
use std::sync::Arc;

use futures_util::FutureExt;
use libtest_mimic::{Arguments, Failed, Trial};
use tokio::runtime::Runtime;

use super::case::{Case, CaseError, CaseResult, Suite};
use super::fresh::Fresh;
use crate::fixed_clock::FixedClock;

/// Runs suites over stores, from the `main` of a test without a harness.
///
/// A trial is called like `event_store::sqlite::append_is_all_or_nothing`, and the arguments are
/// those of `cargo test`: a part of a name, `--list`, `--test-threads`, and so on.
pub struct Trials {
    arguments: Arguments,
    trials: Vec<Trial>,
}

impl Trials {
    /// Creates a run without trials, with the arguments of this process.
    pub fn from_env() -> Self {
        Self { arguments: Arguments::from_args(), trials: Vec::new() }
    }

    /// Adds every case of a suite that concerns the store, by what the store declares of itself.
    ///
    /// `open` opens a store with nothing in it that reads the clock it is given; it is called once
    /// for each case, and once here to see what the store declares.
    pub fn run<S, F>(
        &mut self,
        backend: &str,
        suite: Suite<S>,
        open: impl Fn(Arc<FixedClock>) -> F + Send + Sync + 'static,
    ) where
        S: Send + 'static,
        F: Future<Output = Result<Fresh<S>, CaseError>> + Send + 'static,
    {
        let open = Arc::new(move || open(Arc::new(FixedClock::default())).boxed());
        let name = |case: &str| format!("{}::{backend}::{case}", suite.name());
        let concerning = in_runtime(async {
            let declared = open().await?;
            let concerns = |case: &&Case<S>| case.concerns(&declared.store);
            Ok(suite.cases().iter().filter(concerns).copied().collect::<Vec<_>>())
        });
        let cases = match concerning {
            Ok(cases) => cases,
            Err(error) => {
                let failed = format!("{backend} cannot be opened: {error}");
                self.trials.push(Trial::test(name("it_can_be_opened"), || Err(failed.into())));
                return;
            }
        };
        for case in cases {
            let open = Arc::clone(&open);
            let trial = move || in_runtime(async move { case.run(open().await?).await });
            self.trials.push(Trial::test(name(case.name()), move || trial().map_err(Failed::from)));
        }
    }

    /// Adds a test of its own beside the suites.
    pub fn add<F>(&mut self, name: &str, test: impl FnOnce() -> F + Send + 'static)
    where
        F: Future<Output = CaseResult> + Send + 'static,
    {
        self.trials.push(Trial::test(name, move || in_runtime(test().boxed()).map_err(Failed::from)));
    }

    /// Runs the trials, prints how they ended, and returns what `main` returns.
    pub fn conclude(self) -> ExitCode {
        libtest_mimic::run(&self.arguments, self.trials).exit_code()
    }
}

impl fmt::Debug for Trials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trials").field("trials", &self.trials.len()).finish_non_exhaustive()
    }
}

fn in_runtime<T>(future: impl Future<Output = Result<T, CaseError>>) -> Result<T, CaseError> {
    let runtime: Runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(future)
}
