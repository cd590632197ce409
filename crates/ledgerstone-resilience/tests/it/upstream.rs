//! A dependency that does as it is told, and counts who calls.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use ledgerstone_core::{
    BackendError, ErrorKind, RateAlgorithm, RateLimiter, RateOverride, RateRule, RateState, RateVerdict,
};

pub(crate) fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}

pub(crate) fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// Makes an error of this kind.
pub(crate) fn error(kind: ErrorKind) -> BackendError {
    BackendError::new(kind, "upstream", "call", "as it was told")
}

/// What the upstream does with a call.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Does {
    Answers,
    AnswersAfter(Duration),
    Fails(ErrorKind),
    AsksToWait(Duration),
    Hangs,
}

/// Does what its script says, call by call, and then always the last thing.
#[derive(Debug, Clone)]
pub(crate) struct Upstream {
    script: Arc<Mutex<VecDeque<Does>>>,
    calls: Arc<AtomicU32>,
    under_way: Arc<AtomicU32>,
    most_at_once: Arc<AtomicU32>,
}

impl Upstream {
    pub(crate) fn that(script: impl IntoIterator<Item = Does>) -> Self {
        Self {
            script: Arc::new(Mutex::new(script.into_iter().collect())),
            calls: Arc::default(),
            under_way: Arc::default(),
            most_at_once: Arc::default(),
        }
    }

    pub(crate) fn now_does(&self, does: Does) {
        *self.script.lock().unwrap() = VecDeque::from([does]);
    }

    /// How many calls have reached it.
    pub(crate) fn calls(&self) -> u32 {
        self.calls.load(Ordering::SeqCst)
    }

    /// How many calls it works on.
    pub(crate) fn under_way(&self) -> u32 {
        self.under_way.load(Ordering::SeqCst)
    }

    /// How many calls it has ever worked on at once.
    pub(crate) fn most_at_once(&self) -> u32 {
        self.most_at_once.load(Ordering::SeqCst)
    }

    /// Calls it; returns which call this was.
    pub(crate) async fn call(&self) -> Result<u32, BackendError> {
        let call = self.calls.fetch_add(1, Ordering::SeqCst) + 1;
        let under_way = self.under_way.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_at_once.fetch_max(under_way, Ordering::SeqCst);
        let _working = Working(&self.under_way);
        let does = {
            let mut script = self.script.lock().unwrap();
            if script.len() > 1 { script.pop_front() } else { script.front().copied() }
        };
        match does.unwrap_or(Does::Answers) {
            Does::Answers => Ok(call),
            Does::AnswersAfter(time) => {
                tokio::time::sleep(time).await;
                Ok(call)
            }
            Does::Fails(kind) => Err(error(kind)),
            Does::AsksToWait(time) => Err(error(ErrorKind::Throttled).with_retry_after(time)),
            Does::Hangs => std::future::pending().await,
        }
    }
}

struct Working<'a>(&'a AtomicU32);

impl Drop for Working<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A limiter that allows so many calls, whoever calls.
#[derive(Debug)]
pub(crate) struct Allows(pub(crate) AtomicU32);

impl Allows {
    pub(crate) fn calls(calls: u32) -> Arc<Self> {
        Arc::new(Self(AtomicU32::new(calls)))
    }
}

#[async_trait]
impl RateLimiter for Allows {
    fn rules(&self) -> Vec<RateRule> {
        let (name, limit) = ("per_minute".to_owned(), 100);
        vec![RateRule { name, limit, per: seconds(60), burst: None, algorithm: RateAlgorithm::Gcra }]
    }

    async fn take(&self, _key: &str, cost: u32) -> Result<RateVerdict, BackendError> {
        let left = self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(cost));
        let is_allowed = left.is_ok();
        let retry_after = (!is_allowed).then(|| seconds(7));
        Ok(RateVerdict { is_allowed, tightest: None, retry_after, is_degraded: false })
    }

    async fn states(&self, _key: &str) -> Result<Vec<RateState>, BackendError> {
        Ok(Vec::new())
    }

    async fn set_override(&self, _key: &str, _rules: Option<RateOverride>) -> Result<(), BackendError> {
        Ok(())
    }

    async fn reset(&self, _key: &str) -> Result<(), BackendError> {
        Ok(())
    }
}
