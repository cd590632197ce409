//! The rate limiter port: what a key may take of each rule, taken at once from all of them or from none.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::error::BackendError;

/// Decides how much each key may do in a time.
///
/// 1. `take` is all or nothing: either every rule that binds the key has room for the cost, and it is
///    taken from all of them, or from none.
/// 2. What is refused costs nothing: a caller that goes on asking is not locked out for longer.
/// 3. `retry_after` is true: the same cost is allowed after that time, if nobody else takes it first.
/// 4. A cost above what a rule can ever have at once is refused as [`Invalid`](crate::ErrorKind::Invalid)
///    rather than for a time; so is an empty key or one above [`RateRule::MAX_KEY_BYTES`].
/// 5. Keys do not touch one another, and so many as there are, memory is bounded: an idle key is forgotten
///    once it has everything again.
/// 6. An override binds one key at once on every node, and nothing else.
/// 7. No more than its limit passes a rule in its time, however many ask at once, on however many nodes;
///    a fixed window bounds each window, and a bucket besides lends its burst once.
/// 8. `states` tells what `take` would decide by, and takes nothing; `reset` gives everything back.
///
/// A cost of 0 takes nothing; it is allowed to whoever is not blocked.
#[async_trait]
pub trait RateLimiter: Debug + Send + Sync + 'static {
    /// Returns the rules that bind keys without an override.
    fn rules(&self) -> Vec<RateRule>;

    /// Takes `cost` for `key`, or says when it may be asked for again.
    async fn take(&self, key: &str, cost: u32) -> Result<RateVerdict, BackendError>;

    /// Returns where a key stands under each rule that binds it, and takes nothing.
    async fn states(&self, key: &str) -> Result<Vec<RateState>, BackendError>;

    /// Lets other rules bind this key from now on, or, with nothing, the common ones again.
    async fn set_override(&self, key: &str, rules: Option<RateOverride>) -> Result<(), BackendError>;

    /// Gives a key everything back.
    async fn reset(&self, key: &str) -> Result<(), BackendError>;
}

/// How many of something in a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RateRule {
    /// The name, such as `per_second`; it stands in headers, metrics and reports.
    pub name: String,
    /// How much may be taken in `per`.
    pub limit: u32,
    /// The time in which.
    pub per: Duration,
    /// How much may be taken at once by who waited; nothing for `limit`. Windows know no burst.
    pub burst: Option<u32>,
    /// How it is counted.
    pub algorithm: RateAlgorithm,
}

impl RateRule {
    /// The largest size in bytes of a key.
    pub const MAX_KEY_BYTES: usize = 512;
    /// The largest number of rules that bind a key at once.
    pub const MAX_RULES: usize = 8;
    /// The longest time of a rule: 366 days.
    pub const MAX_PER: Duration = Duration::from_secs(366 * 24 * 60 * 60);

    /// Returns the most that can ever be taken at once.
    pub fn most_at_once(&self) -> u32 {
        match self.algorithm {
            RateAlgorithm::FixedWindow | RateAlgorithm::SlidingWindow => self.limit,
            RateAlgorithm::TokenBucket | RateAlgorithm::Gcra => self.burst.unwrap_or(self.limit),
        }
    }
}

/// How a rule counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RateAlgorithm {
    /// Windows that begin at multiples of their length: cheap, and up to twice the limit around their edge.
    FixedWindow,
    /// The running window and the weighted rest of the one before it: close to exact.
    SlidingWindow,
    /// A bucket that fills evenly: bursts up to its size.
    TokenBucket,
    /// The generic cell rate algorithm: the same promise as a bucket, from one stored time.
    Gcra,
}

impl RateAlgorithm {
    /// Every algorithm.
    pub const ALL: &'static [Self] = &[Self::FixedWindow, Self::SlidingWindow, Self::TokenBucket, Self::Gcra];

    /// Returns the name as settings write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::FixedWindow => "fixed_window",
            Self::SlidingWindow => "sliding_window",
            Self::TokenBucket => "token_bucket",
            Self::Gcra => "gcra",
        }
    }
}

/// What was decided about a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RateVerdict {
    /// Whether it may go on, and its cost was taken.
    pub is_allowed: bool,
    /// The state of the rule that has the least left, or that refused; nothing where no rule binds the key.
    pub tightest: Option<RateState>,
    /// How long until the same cost may be allowed; nothing if it is allowed, or if waiting does not help.
    pub retry_after: Option<Duration>,
    /// Whether this node enforced its own share because the shared store is lost.
    pub is_degraded: bool,
}

/// Where a key stands under a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RateState {
    /// The rule, as it binds this key; shared, since a verdict is made for every call.
    pub rule: Arc<RateRule>,
    /// How much may be taken now.
    pub remaining: u32,
    /// How long until everything may be taken again.
    pub resets_in: Duration,
}

/// What binds one key instead of the common rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RateOverride {
    /// Nothing binds it.
    Unlimited,
    /// It may do nothing.
    Blocked,
    /// These rules bind it.
    Rules(Vec<RateRule>),
}
