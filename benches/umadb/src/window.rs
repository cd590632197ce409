//! A window of load: tasks that each do one thing after another until the time is up.

use std::future::Future;
use std::time::{Duration, Instant};

use anyhow::Result;
use tokio::task::JoinSet;

/// What a window measured.
#[derive(Debug, Clone, Copy)]
pub struct Measured {
    /// What was done in a second.
    pub per_second: f64,
    /// Half of the waits were shorter, in microseconds.
    pub p50: u64,
    /// All but one of a hundred were shorter, in microseconds.
    pub p99: u64,
}

/// Runs tasks, made by `task` from their number, for so many seconds; each `step` says how much it did.
pub async fn window<T, S, F>(tasks: usize, seconds: f64, mut task: T) -> Result<Measured>
where
    T: FnMut(usize) -> S,
    S: FnMut() -> F + Send + 'static,
    F: Future<Output = Result<u64>> + Send,
{
    let span = Duration::from_secs_f64(seconds);
    let mut running = JoinSet::new();
    let started = Instant::now();
    for number in 0..tasks {
        let mut step = task(number);
        running.spawn(async move {
            let (mut done, mut waits) = (0, Vec::with_capacity(4_096));
            while started.elapsed() < span {
                let begun = Instant::now();
                let did = step().await?;
                // What ended after the window does not count.
                if started.elapsed() <= span {
                    done += did;
                    waits.push(u64::try_from(begun.elapsed().as_micros())?);
                }
            }
            anyhow::Ok((done, waits))
        });
    }
    let (mut done, mut waits) = (0, Vec::new());
    while let Some(ended) = running.join_next().await {
        let (did, waited) = ended??;
        done += did;
        waits.extend(waited);
    }
    waits.sort_unstable();
    let at = |share: f64| waits.get((waits.len() as f64 * share) as usize).copied().unwrap_or_default();
    Ok(Measured { per_second: done as f64 / seconds, p50: at(0.5), p99: at(0.99) })
}

/// Returns the middle, the lowest and the highest of several windows.
pub fn spread(windows: &[Measured]) -> (f64, f64, f64) {
    let mut rates: Vec<_> = windows.iter().map(|window| window.per_second).collect();
    rates.sort_unstable_by(f64::total_cmp);
    let at = |index: usize| rates.get(index).copied().unwrap_or_default();
    (at(rates.len() / 2), at(0), at(rates.len().saturating_sub(1)))
}
