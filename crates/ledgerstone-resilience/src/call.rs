//! What a policy runs: a call whose type says whether it may be repeated.

use std::fmt::Debug;
use std::future::Future;

use ledgerstone_core::Retryable;

use crate::call_options::{Counting, WithRetries};
use crate::deadline::Deadline;
use crate::idempotency_key::IdempotencyKey;

/// A call that a policy can run.
///
/// Whether it may be repeated is its type, and no policy can overrule it:
///
/// - a bare closure, or [`Once`], runs once: it is neither retried nor hedged under any policy;
/// - [`Idempotent`] may run again, since running it twice does what running it once does;
/// - [`Keyed`] may run again, since every attempt carries the same key and the other side drops doubles.
pub trait Call: Sized {
    /// What the call returns.
    type Output;
    /// How the call fails.
    type Error;
    /// What begins its attempts.
    type Attempts: Attempts<Output = Self::Output, Error = Self::Error>;

    /// Turns the call into what begins its attempts.
    fn into_attempts(self) -> Self::Attempts;

    /// Lets this call be retried `retries` times instead of as often as the policy says; 0 means never.
    ///
    /// A policy without a retry slot does not retry, whatever is asked for here.
    fn with_retries(self, retries: u32) -> WithRetries<Self> {
        WithRetries { call: self, retries }
    }

    /// Lets `counts` decide which errors of this call are failures to the circuit breaker.
    ///
    /// Without it those count that [`is_retryable`](Retryable::is_retryable) accepts.
    fn counts_as_failure<P>(self, counts: P) -> Counting<Self, P>
    where
        P: Fn(&Self::Error) -> bool,
    {
        Counting { call: self, counts }
    }
}

/// Begins the attempts of one call.
pub trait Attempts {
    /// What an attempt returns.
    type Output;
    /// How an attempt fails.
    type Error;
    /// An attempt under way.
    type Future: Future<Output = Result<Self::Output, Self::Error>>;

    /// Begins an attempt; nothing if the call may not run again.
    fn begin(&mut self, attempt: Attempt) -> Option<Self::Future>;

    /// Tells whether the call may run more than once.
    fn may_repeat(&self) -> bool;

    /// Returns how many retries this call asks for instead of the policy's number.
    fn retries(&self) -> Option<u32> {
        None
    }

    /// Tells whether the circuit breaker counts the error as a failure.
    fn is_failure(&self, error: &Self::Error) -> bool
    where
        Self::Error: Retryable,
    {
        error.is_retryable()
    }
}

/// Which attempt of a call this is, and until when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Attempt {
    /// The number of the attempt, from 1; hedges count.
    pub number: u32,
    /// When the attempt is given up, if it ever is.
    pub deadline: Option<Deadline>,
}

impl Attempt {
    /// Describes the attempt with this number; also for those who test what they give to a policy.
    pub fn new(number: u32, deadline: Option<Deadline>) -> Self {
        Self { number, deadline }
    }
}

impl<F, Fut, T, E> Call for F
where
    F: FnOnce() -> Fut,
    Fut: Future<Output = Result<T, E>>,
{
    type Output = T;
    type Error = E;
    type Attempts = OnceAttempts<F>;

    fn into_attempts(self) -> OnceAttempts<F> {
        OnceAttempts(Some(self))
    }
}

/// A call that runs once, under any policy.
#[derive(Debug, Clone)]
pub struct Once<F>(pub F);

impl<F, Fut, T, E> Call for Once<F>
where
    F: FnOnce() -> Fut,
    Fut: Future<Output = Result<T, E>>,
{
    type Output = T;
    type Error = E;
    type Attempts = OnceAttempts<F>;

    fn into_attempts(self) -> OnceAttempts<F> {
        OnceAttempts(Some(self.0))
    }
}

/// The one attempt of a call that runs once.
#[derive(Debug)]
pub struct OnceAttempts<F>(Option<F>);

impl<F, Fut, T, E> Attempts for OnceAttempts<F>
where
    F: FnOnce() -> Fut,
    Fut: Future<Output = Result<T, E>>,
{
    type Output = T;
    type Error = E;
    type Future = Fut;

    fn begin(&mut self, _attempt: Attempt) -> Option<Fut> {
        self.0.take().map(|call| call())
    }

    fn may_repeat(&self) -> bool {
        false
    }
}

/// A call that does the same however often it runs: it may be retried and hedged.
#[derive(Debug, Clone)]
pub struct Idempotent<F>(pub F);

impl<F, Fut, T, E> Call for Idempotent<F>
where
    F: FnMut(Attempt) -> Fut,
    Fut: Future<Output = Result<T, E>>,
{
    type Output = T;
    type Error = E;
    type Attempts = Self;

    fn into_attempts(self) -> Self {
        self
    }
}

impl<F, Fut, T, E> Attempts for Idempotent<F>
where
    F: FnMut(Attempt) -> Fut,
    Fut: Future<Output = Result<T, E>>,
{
    type Output = T;
    type Error = E;
    type Future = Fut;

    fn begin(&mut self, attempt: Attempt) -> Option<Fut> {
        Some((self.0)(attempt))
    }

    fn may_repeat(&self) -> bool {
        true
    }
}

/// A call whose attempts all carry the same key, by which the other side drops doubles.
#[derive(Debug, Clone)]
pub struct Keyed<F> {
    key: IdempotencyKey,
    call: F,
}

impl<F> Keyed<F> {
    /// Makes a call that is given `key` with every attempt.
    pub fn new(key: impl Into<IdempotencyKey>, call: F) -> Self {
        Self { key: key.into(), call }
    }
}

impl<F, Fut, T, E> Call for Keyed<F>
where
    F: FnMut(&IdempotencyKey, Attempt) -> Fut,
    Fut: Future<Output = Result<T, E>>,
{
    type Output = T;
    type Error = E;
    type Attempts = Self;

    fn into_attempts(self) -> Self {
        self
    }
}

impl<F, Fut, T, E> Attempts for Keyed<F>
where
    F: FnMut(&IdempotencyKey, Attempt) -> Fut,
    Fut: Future<Output = Result<T, E>>,
{
    type Output = T;
    type Error = E;
    type Future = Fut;

    fn begin(&mut self, attempt: Attempt) -> Option<Fut> {
        Some((self.call)(&self.key, attempt))
    }

    fn may_repeat(&self) -> bool {
        true
    }
}
