//! A policy: how calls to one dependency are limited, timed, repeated, stopped and spaced.
// SKELETON: the signatures stand; the bodies follow.

/// A policy of named slots around calls to one dependency. Cheap to clone; clones share everything.
pub struct Policy;

impl Policy {
    /// Begins a policy; slots are methods named after them, in any order: the onion is always the same.
    pub fn builder(name: &str) -> PolicyBuilder;
    /// Makes a policy without any slot; it still keeps to the deadline of the task.
    pub fn none(name: &str) -> Self;
    pub fn name(&self) -> &str;
    pub fn explain(&self) -> String;
    pub async fn run<C>(&self, call: C) -> Result<C::Output, C::Error>
    where C: Call, C::Error: Retryable + From<BackendError>;
    pub async fn try_run<C>(&self, call: C) -> Result<C::Output, Failure<C::Error>>
    where C: Call, C::Error: Retryable;
    /// As run, but a failure of the kind that the fallback slot names (default: retryable ones and refusals) becomes `value`.
    pub async fn run_or<C>(&self, call: C, value: C::Output) -> Result<C::Output, C::Error>;
    /// As run, with an async function of the failure.
    pub async fn run_or_else<C, F, Fut>(&self, call: C, fallback: F) -> Result<C::Output, C::Error>
    where F: FnOnce(Failure<C::Error>) -> Fut, Fut: Future<Output = Result<C::Output, C::Error>>;
}

/// Per call: `call.with_retries(0)` (0 = none), `call.counts_as_failure(|e| ..)` for the breaker,
/// per-call timeout: `Deadline::after(d).scope(policy.run(call))`.
///
/// PolicyBuilder:
///   .dependency("orders")                      // whose breaker, budget, bulkhead; default: the policy's name
///   .fallback(FallbackOn::Retryable)
///   .rate_limit(RateLimit::new(Arc<dyn RateLimiter>, "key"))   // or ::by(limiter, || key)
///   .total_timeout(d)
///   .retry(Retry::exponential(base, cap).with_attempts(3))     // ::fixed(wait) ::decorrelated(base, cap) ::custom(impl Backoff)
///   .budget(RetryBudget{..}) / .without_budget()
///   .hedge(Hedge::after(delay))
///   .circuit_breaker(CircuitBreaker::default())
///   .bulkhead(Bulkhead::of(concurrency))
///   .attempt_timeout(d)
///   .build() -> Result<Policy, InvalidPolicy>       // state of its own
///   .build_in(&Dependencies) -> Result<..>          // state shared by name
///
/// Policies::from_settings(&BTreeMap<String, PolicySettings>, limiters: BTreeMap<String, Arc<dyn RateLimiter>>)
///   .get(name) -> Option<Policy>; .reload(&BTreeMap<..>); .breakers() -> Vec<BreakerReport>; .isolate(name); .close(name)
///   a `Policy` taken from `Policies` follows reloads.
pub struct PolicyBuilder;
