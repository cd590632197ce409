//! The local limiter against bare governor: `cargo bench -p ledgerstone-resilience --bench rate_limit`.
//!
//! One GCRA rule, a thousand keys, one thread and several; windows take turns, so that a noisy moment hits both.

#![expect(clippy::print_stdout, reason = "a benchmark prints what it measured")]
#![expect(clippy::expect_used, reason = "a benchmark that cannot run says so by a panic")]

use std::hint::black_box;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter as Governor};
use ledgerstone_core::RateLimiter;
use ledgerstone_resilience::{CounterClock, LocalRateLimiter, parse_rate_rule};

const WINDOW: Duration = Duration::from_millis(150);
const ROUNDS: usize = 15;
const KEYS: usize = 1_000;
/// The house's bar: the local limiter costs at most so much more than bare governor.
const BAR: f64 = 1.3;

type Call<'a> = &'a (dyn Fn(&String) -> bool + Sync);

fn main() {
    let keys: Vec<String> = (0..KEYS).map(|key| format!("tenant-{key:06}")).collect();
    // A rule that never refuses, and one that nearly always does.
    for (what, limit) in [("allowed", 1_000_000_u32), ("refused", 10)] {
        let per = if what == "allowed" { "s" } else { "h" };
        let rule = parse_rate_rule(&format!("{limit}/{per}")).expect("a rule");
        let limit = NonZeroU32::new(limit).expect("not 0");
        let quota = if what == "allowed" { Quota::per_second(limit) } else { Quota::per_hour(limit) };
        let bare: DefaultKeyedRateLimiter<String> = Governor::keyed(quota);
        let ours = LocalRateLimiter::new("bench", &[rule], Arc::new(CounterClock::new())).expect("a limiter");
        let port: Arc<dyn RateLimiter> = Arc::new(ours.clone());
        let bare = |key: &String| bare.check_key(key).is_ok();
        let ours = |key: &String| ours.try_take(key, 1).is_ok_and(|verdict| verdict.is_allowed);
        let port = |key: &String| {
            port.take(key, 1)
                .now_or_never()
                .is_some_and(|taken| taken.is_ok_and(|verdict| verdict.is_allowed))
        };
        let calls: [(&str, Call<'_>); 3] =
            [("bare governor", &bare), ("local limiter", &ours), ("local limiter behind the port", &port)];
        for threads in [1, 2, 4] {
            println!("\n{what}, {threads} threads");
            let nanos = medians(&calls, threads, &keys);
            for ((name, _), nanos_of_one) in calls.iter().zip(&nanos) {
                let ratio = nanos_of_one / nanos[0];
                println!("  {name:<30} {nanos_of_one:>7.1} ns a call  {ratio:>5.2}");
            }
            let holds = nanos[1] <= nanos[0] * BAR;
            println!("  at most {BAR}: {}", if holds { "holds" } else { "MISSED" });
        }
    }
}

/// Measures the calls in turns, and returns the median time of each.
fn medians(calls: &[(&str, Call<'_>)], threads: u64, keys: &[String]) -> Vec<f64> {
    let mut measured = vec![Vec::new(); calls.len()];
    for round in 0..=ROUNDS {
        for (index, (_, call)) in calls.iter().enumerate() {
            let nanos = window(*call, threads, keys);
            // The first round fills maps and caches.
            if round > 0 {
                measured[index].push(nanos);
            }
        }
    }
    measured
        .into_iter()
        .map(|mut nanos| {
            nanos.sort_by(f64::total_cmp);
            nanos[nanos.len() / 2]
        })
        .collect()
}

/// Calls on all threads for a while, and returns the nanoseconds that one call took one thread.
fn window(call: Call<'_>, threads: u64, keys: &[String]) -> f64 {
    let (stop, calls) = (AtomicBool::new(false), AtomicU64::new(0));
    let begun = Instant::now();
    thread::scope(|scope| {
        for number in 0..threads {
            let (stop, calls) = (&stop, &calls);
            scope.spawn(move || {
                let mut made = 0_u64;
                let mut place = usize::try_from(number).unwrap_or_default() * 331;
                while !stop.load(Ordering::Relaxed) {
                    for _ in 0..256 {
                        place = (place + 7) % keys.len();
                        black_box(call(black_box(&keys[place])));
                    }
                    made += 256;
                }
                calls.fetch_add(made, Ordering::Relaxed);
            });
        }
        thread::sleep(WINDOW);
        stop.store(true, Ordering::Relaxed);
    });
    let made = calls.into_inner().max(1);
    begun.elapsed().as_secs_f64() * 1e9 * threads as f64 / made as f64
}
