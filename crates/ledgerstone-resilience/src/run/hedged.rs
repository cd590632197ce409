//! An attempt and those begun beside it when it is late.

use std::future::Future;
use std::pin::{Pin, pin};

use futures_util::StreamExt as _;
use futures_util::future::Either;
use futures_util::stream::FuturesUnordered;
use ledgerstone_core::Retryable;
use tokio::time::{Instant, sleep_until, timeout};

use crate::call::Attempts;
use crate::failure::Failure;
use crate::hedge::Hedge;
use crate::run::{Answer, Run};

impl<A> Run<'_, A>
where
    A: Attempts,
    A::Error: Retryable,
{
    /// Makes an attempt, hedged if the policy and the call allow it.
    pub(crate) async fn hedged(&self) -> Answer<A> {
        let Some(hedge) = self.onion.slots.hedge.filter(|_| self.may_repeat) else {
            return self.attempt().await;
        };
        let mut first = pin!(self.attempt());
        // Most calls answer in time, and those pay for a timer and nothing else.
        match timeout(hedge.delay, first.as_mut()).await {
            Ok(answer) => answer,
            Err(_) => self.race(hedge, first).await,
        }
    }

    async fn race<F>(&self, hedge: Hedge, first: Pin<&mut F>) -> Answer<A>
    where
        F: Future<Output = Answer<A>>,
    {
        let mut under_way = FuturesUnordered::new();
        under_way.push(Either::Left(first));
        let (mut left, mut failed) = (hedge.most, None);
        loop {
            if left > 0 && self.onion.spend() {
                left -= 1;
                self.onion.metrics.hedged();
                under_way.push(Either::Right(self.attempt()));
            } else {
                left = 0;
            }
            let next = Instant::now() + hedge.delay;
            loop {
                let answer = tokio::select! {
                    biased;
                    answer = under_way.next() => answer,
                    () = sleep_until(next), if left > 0 => break,
                };
                match answer {
                    Some(Err(failure)) if !is_final(&failure) => {
                        let failure = more_telling(failed.take(), failure);
                        if under_way.is_empty() {
                            return Err(failure);
                        }
                        failed = Some(failure);
                    }
                    Some(answer) => return answer,
                    None => break,
                }
            }
        }
    }
}

/// Tells whether the failure is an answer, which another attempt would only repeat.
fn is_final<E: Retryable>(failure: &Failure<E>) -> bool {
    matches!(failure, Failure::Call(error) if !error.is_retryable())
}

/// Returns the failure to report: what the dependency said, rather than what a slot did.
fn more_telling<E>(earlier: Option<Failure<E>>, later: Failure<E>) -> Failure<E> {
    match earlier {
        Some(Failure::Call(error)) => Failure::Call(error),
        Some(refused @ Failure::Refused(_)) if later.refusal().is_some() => refused,
        _ => later,
    }
}
