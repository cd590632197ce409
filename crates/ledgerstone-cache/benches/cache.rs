//! The cache against bare moka: a hit, and ten thousand who miss one key at once; windows by turns, medians, ratios.

#![expect(clippy::print_stdout, reason = "a benchmark prints what it measured")]
#![expect(clippy::expect_used, reason = "a benchmark that cannot run says so by a panic")]

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use ledgerstone_cache::{Cache, CacheSettings, Loaded};
use ledgerstone_core::{BackendError, Tag};
use tokio::runtime::Runtime;

const KEYS: usize = 1_000;
/// A hit costs at most so much more than moka's.
const BAR: f64 = 1.3;

struct Plan {
    windows: usize,
    length: Duration,
}

fn main() {
    let plan = plan();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let keys: Vec<String> = (0..KEYS).map(|n| format!("customer:{n:06}")).collect();
    println!("## cache\n");
    println!("| what | ns a call, median | ratio to moka, median of windows | bar |\n|---|---|---|---|");
    for threads in [1, 2] {
        hits(&plan, &runtime, &keys, threads);
    }
    misses(&runtime);
}

/// Reads `--windows N` and `--seconds S`.
fn plan() -> Plan {
    let mut plan = Plan { windows: 15, length: Duration::from_millis(200) };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().expect("a value");
        match argument.as_str() {
            "--bench" => {}
            "--windows" => plan.windows = value().parse().expect("a number"),
            "--seconds" => plan.length = Duration::from_secs_f64(value().parse().expect("a number")),
            other => panic!("unknown argument {other}; there are --windows N and --seconds S"),
        }
    }
    plan
}

type Window<'a> = Box<dyn Fn(Duration) -> f64 + Sync + 'a>;

fn hits(plan: &Plan, runtime: &Runtime, keys: &[String], threads: usize) {
    let settings =
        || CacheSettings { max_staleness: None, ..CacheSettings::with_ttl(Duration::from_secs(3_600)) };
    let bare: moka::sync::Cache<String, Arc<u64>> = moka::sync::Cache::new(10_000);
    let plain: Cache<u64> = Cache::builder("bench", settings()).build().expect("sound settings");
    let tagged: Cache<u64> = Cache::builder("bench_tagged", settings()).build().expect("sound settings");
    let tags = [Tag::new("customers").expect("a tag"), Tag::new("all").expect("a tag")];
    for (n, key) in keys.iter().enumerate() {
        bare.insert(key.clone(), Arc::new(n as u64));
        runtime.block_on(plain.set(key, n as u64)).expect("set");
        runtime.block_on(tagged.set(key, Loaded::new(n as u64).tags(tags.clone()))).expect("set");
    }
    let get = |cache: &Cache<u64>, key: &str| {
        runtime.block_on(cache.get(key)).expect("no error").map(|value| *value)
    };
    assert_eq!(get(&plain, &keys[7]), Some(7));
    let load = || async { Ok::<_, BackendError>(0_u64) };
    let contenders: Vec<(&str, Window<'_>)> = vec![
        ("moka get", Box::new(|length| each(keys, length, |key| bare.get(key)))),
        ("peek", Box::new(|length| each(keys, length, |key| plain.peek(key)))),
        (
            "get",
            Box::new(|length| polled(runtime, keys, length, async |key| plain.get(key).await.ok().flatten())),
        ),
        (
            "get_or_load, two tags",
            Box::new(|length| {
                polled(runtime, keys, length, async |key| tagged.get_or_load(key, load).await.ok())
            }),
        ),
    ];
    let mut taken: Vec<Vec<f64>> = vec![Vec::new(); contenders.len()];
    // The first round warms up.
    for round in 0..=plan.windows {
        for (times, (_, window)) in taken.iter_mut().zip(&contenders) {
            let nanos = on_threads(threads, || window(plan.length));
            if round > 0 {
                times.push(nanos);
            }
        }
    }
    for ((name, _), times) in contenders.iter().zip(&taken) {
        let ratios = times.iter().zip(&taken[0]).map(|(ours, moka)| ours / moka).collect();
        println!(
            "| {name}, {threads} threads | {:.1} | {:.2} | {BAR} |",
            median(times.clone()),
            median(ratios)
        );
    }
}

fn on_threads(threads: usize, window: impl Fn() -> f64 + Sync) -> f64 {
    std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(&window)).collect();
        let here = window();
        others.into_iter().map(|other| other.join().expect("no panic")).fold(here, f64::max)
    })
}

/// Returns the nanoseconds of a call.
fn each<R>(keys: &[String], length: Duration, call: impl Fn(&str) -> R) -> f64 {
    let (started, mut calls) = (Instant::now(), 0_u64);
    while started.elapsed() < length {
        for key in keys {
            black_box(call(black_box(key)));
        }
        calls += keys.len() as u64;
    }
    started.elapsed().as_nanos() as f64 / calls as f64
}

/// The same for calls that are awaited.
fn polled<R>(runtime: &Runtime, keys: &[String], length: Duration, call: impl AsyncFn(&str) -> R) -> f64 {
    runtime.block_on(async {
        let (started, mut calls) = (Instant::now(), 0_u64);
        while started.elapsed() < length {
            for key in keys {
                black_box(call(black_box(key)).await);
            }
            calls += keys.len() as u64;
        }
        started.elapsed().as_nanos() as f64 / calls as f64
    })
}

fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Ten thousand who miss one key at once.
fn misses(runtime: &Runtime) {
    let settings = CacheSettings::with_ttl(Duration::from_secs(3_600));
    let cache: Cache<u64> = Cache::builder("bench_misses", settings).build().expect("sound settings");
    let loads = Arc::new(AtomicU64::new(0));
    let took = runtime.block_on(async {
        let started = Instant::now();
        let callers: Vec<_> = (0..10_000)
            .map(|_| {
                let (cache, loads) = (cache.clone(), Arc::clone(&loads));
                tokio::spawn(async move {
                    let load = move || async move {
                        loads.fetch_add(1, Ordering::SeqCst);
                        tokio::time::sleep(Duration::from_millis(50)).await;
                        Ok::<_, BackendError>(7)
                    };
                    cache.get_or_load("k", load).await.expect("loaded")
                })
            })
            .collect();
        for caller in callers {
            caller.await.expect("it ends");
        }
        started.elapsed()
    });
    let loads = loads.load(Ordering::SeqCst);
    println!("\n10,000 concurrent misses of one key, a load of 50 ms: {loads} load, {} ms", took.as_millis());
    assert_eq!(loads, 1);
}
