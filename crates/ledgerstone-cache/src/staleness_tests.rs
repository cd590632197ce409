//! The checker of the stated bound: several nodes read while values change and everything between them fails.
//!
//! Every change is recorded with the time at which its invalidation had answered. A reading is wrong if it
//! returns a value that was replaced longer ago than the bound: the delay of a message while the backplane works,
//! and `max_staleness` whatever happens to it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ledgerstone_core::{BackendError, CacheTarget, LogIdentity, LogPoint, Position, Tag};
use parking_lot::Mutex;
use tokio::time::{Instant, sleep};

use crate::cache::Cache;
use crate::loaded::Loaded;
use crate::local_backplane::LocalBackplane;
use crate::nodes_tests::{SharedStub, node, plain};
use crate::settings::CacheSettings;

const NODES: usize = 4;
const KEYS: usize = 5;
const DELAY: Duration = Duration::from_millis(20);
const BOUND: Duration = Duration::from_millis(500);

/// What goes wrong while the nodes read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Weather {
    Fair,
    /// Plugs are pulled, silenced, and put in again.
    Cables,
    /// And the shared tier is cut off, too.
    Everything,
}

/// The truth: the value of each key, and when each change was done and told.
#[derive(Debug)]
struct World {
    values: [AtomicU64; KEYS],
    /// By key: since when, having been told, a value is the least that may be read.
    told: Mutex<Vec<Vec<(Instant, u64)>>>,
    position: AtomicU64,
    reads: AtomicU64,
    wrong: Mutex<Vec<String>>,
}

fn point(position: u64) -> LogPoint {
    let log: LogIdentity = "00000000000000000000000000000007.1".parse().expect("an identity");
    LogPoint { log, position: Position(position) }
}

fn tag(key: usize) -> Tag {
    Tag::new(format!("tag:{key}")).expect("a tag")
}

impl World {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            values: Default::default(),
            told: Mutex::new(vec![Vec::new(); KEYS]),
            position: AtomicU64::new(0),
            reads: AtomicU64::new(0),
            wrong: Mutex::default(),
        })
    }

    /// The least value that a reading which begins now may return, under a bound.
    fn least(&self, key: usize, bound: Duration) -> u64 {
        let told = self.told.lock();
        let old = told[key].iter().filter(|(since, _)| since.elapsed() > bound);
        old.map(|(_, value)| *value).max().unwrap_or(0)
    }

    async fn read(
        self: Arc<Self>,
        cache: &Cache<u64>,
        name: usize,
        key: usize,
        bound: Duration,
        slow: Duration,
    ) {
        let least = self.least(key, bound);
        let world = Arc::clone(&self);
        let load = move || async move {
            let value = world.values[key].load(Ordering::SeqCst);
            sleep(slow).await;
            Ok::<_, BackendError>(Loaded::new(value).tags([tag(key)]))
        };
        let value = cache.get_or_load(&format!("key:{key}"), load).await.map(|value| *value);
        self.reads.fetch_add(1, Ordering::SeqCst);
        match value {
            Ok(value) if value >= least => {}
            other => {
                let text =
                    format!("node {name} read {other:?} of key {key} where {least} was due after {bound:?}");
                self.wrong.lock().push(text);
            }
        }
    }

    /// Changes a value and invalidates it, by turns as events of the log and as a caller would.
    async fn change(&self, cache: &Cache<u64>, key: usize, by_event: bool) {
        let value = self.values[key].fetch_add(1, Ordering::SeqCst) + 1;
        let at = by_event.then(|| point(self.position.fetch_add(1, Ordering::SeqCst) + 1));
        let target =
            if by_event { CacheTarget::Tag(tag(key)) } else { CacheTarget::Key(format!("key:{key}")) };
        while cache.invalidate(std::slice::from_ref(&target), at).await.is_err() {
            sleep(Duration::from_millis(10)).await;
        }
        self.told.lock()[key].push((Instant::now(), value));
    }
}

/// Numbers by a seed (SplitMix64: Steele, Lea, Flood 2014).
#[derive(Debug)]
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % end
    }

    fn index(&mut self, end: usize) -> usize {
        usize::try_from(self.below(end as u64)).expect("small")
    }
}

async fn disturb(weather: Weather, plugs: Vec<LocalBackplane>, shared: Arc<SharedStub>, seed: u64) {
    let mut random = Numbers(seed);
    if weather == Weather::Fair {
        return;
    }
    loop {
        sleep(Duration::from_millis(random.below(300))).await;
        let plug = &plugs[random.index(plugs.len())];
        match random.below(4) {
            0 => plug.pull(),
            1 => plug.silence(),
            2 => plug.plug_in(),
            _ if weather == Weather::Everything => shared.cut(random.below(2) == 0),
            _ => {}
        }
    }
}

async fn run(weather: Weather, seed: u64) -> Arc<World> {
    let (shared, cable, world) = (SharedStub::new(), LocalBackplane::delayed(DELAY), World::new());
    let plugs: Vec<_> = (0..NODES).map(|_| cable.node()).collect();
    let settings = CacheSettings {
        max_staleness: Some(BOUND),
        shared_rest: Duration::from_millis(50),
        ..plain(Duration::from_secs(3_600))
    };
    let nodes: Vec<_> = plugs
        .iter()
        .enumerate()
        .map(|(n, plug)| node(&n.to_string(), settings.clone(), &shared, Some(plug.clone())))
        .collect();
    sleep(DELAY * 3).await;
    let weather_task = tokio::spawn(disturb(weather, plugs, Arc::clone(&shared), seed ^ 0xFFFF));
    let bound = if weather == Weather::Fair { DELAY } else { BOUND };
    let tasks: Vec<_> = nodes
        .iter()
        .cloned()
        .enumerate()
        .map(|(n, cache)| {
            let (world, mut random) = (Arc::clone(&world), Numbers(seed + n as u64));
            tokio::spawn(async move {
                for _ in 0..400 {
                    let key = random.index(KEYS);
                    if random.below(12) == 0 {
                        world.change(&cache, key, random.below(2) == 0).await;
                    }
                    let slow = Duration::from_millis(random.below(40));
                    Arc::clone(&world).read(&cache, n, key, bound, slow).await;
                    sleep(Duration::from_millis(random.below(15))).await;
                }
            })
        })
        .collect();
    for task in tasks {
        // Whoever changes something tries until it is told.
        let ended = tokio::time::timeout(Duration::from_secs(600), task);
        ended.await.expect("it ends").expect("no panic");
    }
    weather_task.abort();
    world
}

async fn holds(weather: Weather) {
    for seed in 0..12 {
        let world = run(weather, seed * 1_000).await;
        let wrong = world.wrong.lock();
        assert!(wrong.is_empty(), "{weather:?}, seed {seed}: {wrong:#?}");
        assert!(world.reads.load(Ordering::SeqCst) >= 1_600);
    }
}

#[tokio::test(start_paused = true)]
async fn with_the_backplane_up_nothing_older_is_served_after_the_delay_of_a_message() {
    holds(Weather::Fair).await;
}

#[tokio::test(start_paused = true)]
async fn with_the_backplane_pulled_or_silent_nothing_older_is_served_after_max_staleness() {
    holds(Weather::Cables).await;
}

#[tokio::test(start_paused = true)]
async fn with_the_shared_tier_cut_off_too_nothing_older_is_served_after_max_staleness() {
    holds(Weather::Everything).await;
}

#[tokio::test(start_paused = true)]
async fn the_checker_finds_a_cache_that_believes_for_longer() {
    let (shared, cable, world) = (SharedStub::new(), LocalBackplane::delayed(DELAY), World::new());
    let plug = cable.node();
    let settings = CacheSettings { max_staleness: Some(BOUND * 3), ..plain(Duration::from_secs(3_600)) };
    let a = node("a", settings.clone(), &shared, Some(cable.node()));
    let b = node("b", settings, &shared, Some(plug.clone()));
    sleep(DELAY * 3).await;
    Arc::clone(&world).read(&b, 1, 0, BOUND, Duration::ZERO).await;
    plug.silence();
    world.change(&a, 0, false).await;
    sleep(BOUND + DELAY).await;
    Arc::clone(&world).read(&b, 1, 0, BOUND, Duration::ZERO).await;
    assert_eq!(world.wrong.lock().len(), 1);
}
