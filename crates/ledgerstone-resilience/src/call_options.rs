//! What a single call may ask for besides its policy: another number of retries, another view of failure.

use ledgerstone_core::Retryable;

use crate::call::{Attempt, Attempts, Call};

/// A call with a number of retries of its own; made by [`Call::with_retries`].
#[derive(Debug, Clone)]
pub struct WithRetries<C> {
    pub(crate) call: C,
    pub(crate) retries: u32,
}

impl<C: Call> Call for WithRetries<C> {
    type Output = C::Output;
    type Error = C::Error;
    type Attempts = WithRetries<C::Attempts>;

    fn into_attempts(self) -> Self::Attempts {
        WithRetries { call: self.call.into_attempts(), retries: self.retries }
    }
}

impl<A: Attempts> Attempts for WithRetries<A> {
    type Output = A::Output;
    type Error = A::Error;
    type Future = A::Future;

    fn begin(&mut self, attempt: Attempt) -> Option<A::Future> {
        self.call.begin(attempt)
    }

    fn may_repeat(&self) -> bool {
        self.call.may_repeat()
    }

    fn retries(&self) -> Option<u32> {
        Some(self.retries)
    }

    fn is_failure(&self, error: &A::Error) -> bool
    where
        A::Error: Retryable,
    {
        self.call.is_failure(error)
    }
}

/// A call that decides which of its errors the circuit breaker counts; made by [`Call::counts_as_failure`].
#[derive(Clone)]
pub struct Counting<C, P> {
    pub(crate) call: C,
    pub(crate) counts: P,
}

impl<C: std::fmt::Debug, P> std::fmt::Debug for Counting<C, P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Counting").field("call", &self.call).finish_non_exhaustive()
    }
}

impl<C, P> Call for Counting<C, P>
where
    C: Call,
    P: Fn(&C::Error) -> bool,
{
    type Output = C::Output;
    type Error = C::Error;
    type Attempts = Counting<C::Attempts, P>;

    fn into_attempts(self) -> Self::Attempts {
        Counting { call: self.call.into_attempts(), counts: self.counts }
    }
}

impl<A, P> Attempts for Counting<A, P>
where
    A: Attempts,
    P: Fn(&A::Error) -> bool,
{
    type Output = A::Output;
    type Error = A::Error;
    type Future = A::Future;

    fn begin(&mut self, attempt: Attempt) -> Option<A::Future> {
        self.call.begin(attempt)
    }

    fn may_repeat(&self) -> bool {
        self.call.may_repeat()
    }

    fn retries(&self) -> Option<u32> {
        self.call.retries()
    }

    fn is_failure(&self, error: &A::Error) -> bool
    where
        A::Error: Retryable,
    {
        (self.counts)(error)
    }
}
