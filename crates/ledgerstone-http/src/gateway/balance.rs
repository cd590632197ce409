//! Balancing: which of the endpoints that can be used gets the next call.

use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ledgerstone_resilience::Jitter;
use parking_lot::Mutex;

use crate::gateway::chance::Chance;
use crate::gateway::live_endpoint::LiveEndpoint;

/// Chooses an endpoint. It is asked for every call, so it must be quick and may not wait.
pub trait Balance: Debug + Send + Sync + 'static {
    /// Returns the index of the one to use; nothing if there is none.
    fn choose(&self, endpoints: &[Arc<LiveEndpoint>]) -> Option<usize>;
}

/// Takes the endpoints in turn, by weight.
///
/// While the endpoints stay the same, every run of as many choices as their weights add up to has each of them
/// exactly as often as its weight, and a heavy one's turns are spread over the run (the smooth weighting of
/// nginx).
#[derive(Debug, Default)]
pub struct RoundRobin {
    next: AtomicUsize,
    credits: Mutex<Vec<Credit>>,
}

#[derive(Debug)]
struct Credit {
    endpoint: Arc<LiveEndpoint>,
    value: i64,
}

impl RoundRobin {
    /// Gives each its weight as credit, chooses the richest, and lets it pay for all.
    fn choose_by_weight(&self, endpoints: &[Arc<LiveEndpoint>]) -> Option<usize> {
        let mut credits = self.credits.lock();
        let is_same = credits.len() == endpoints.len()
            && credits
                .iter()
                .zip(endpoints)
                .all(|(credit, endpoint)| Arc::ptr_eq(&credit.endpoint, endpoint));
        if !is_same {
            // Among others the old credits mean nothing: exactness counts from here.
            *credits = endpoints
                .iter()
                .map(|endpoint| Credit { endpoint: Arc::clone(endpoint), value: 0 })
                .collect();
        }
        let mut total = 0;
        let mut richest: Option<(usize, i64)> = None;
        for (index, credit) in credits.iter_mut().enumerate() {
            let weight = i64::from(credit.endpoint.weight().max(1));
            total += weight;
            credit.value += weight;
            if richest.is_none_or(|(_, value)| credit.value > value) {
                richest = Some((index, credit.value));
            }
        }
        let (index, _) = richest?;
        credits[index].value -= total;
        Some(index)
    }
}

impl Balance for RoundRobin {
    fn choose(&self, endpoints: &[Arc<LiveEndpoint>]) -> Option<usize> {
        let first = endpoints.first()?;
        let weight = first.weight();
        if endpoints.iter().all(|endpoint| endpoint.weight() == weight) {
            return Some(self.next.fetch_add(1, Ordering::Relaxed) % endpoints.len());
        }
        self.choose_by_weight(endpoints)
    }
}

/// Of two drawn at random takes the one with fewer calls under way for its weight.
///
/// It follows load almost as well as looking at all, and many who look at once do not all run to the same one
/// (Mitzenmacher, The Power of Two Choices in Randomized Load Balancing, 2001).
#[derive(Debug, Default)]
pub struct LeastLoaded {
    chance: Chance,
}

impl LeastLoaded {
    /// Draws from `jitter`.
    pub fn new(jitter: Arc<dyn Jitter>) -> Self {
        Self::of(Chance::new(jitter))
    }

    pub(crate) fn of(chance: Chance) -> Self {
        Self { chance }
    }
}

impl Balance for LeastLoaded {
    fn choose(&self, endpoints: &[Arc<LiveEndpoint>]) -> Option<usize> {
        match endpoints.len() {
            0 => None,
            1 => Some(0),
            count => {
                let one = self.chance.below(count);
                let step = 1 + self.chance.below(count - 1);
                let other = (one + step) % count;
                Some(if is_lighter(&endpoints[other], &endpoints[one]) { other } else { one })
            }
        }
    }
}

/// Whether one has less to do for its weight than another, counting the call that is to come.
fn is_lighter(one: &LiveEndpoint, other: &LiveEndpoint) -> bool {
    let load = |endpoint: &LiveEndpoint| endpoint.in_flight() as u64 + 1;
    let weight = |endpoint: &LiveEndpoint| u64::from(endpoint.weight().max(1));
    load(one).saturating_mul(weight(other)) < load(other).saturating_mul(weight(one))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::endpoint::Endpoint;
    use proptest::prelude::*;

    fn endpoints(weights: &[u32]) -> Vec<Arc<LiveEndpoint>> {
        let live = |(index, weight): (usize, &u32)| {
            let endpoint = Endpoint::new(format!("10.0.0.1:{}", index + 1)).with_weight(*weight);
            Arc::new(LiveEndpoint::new(&endpoint).expect("an endpoint"))
        };
        weights.iter().enumerate().map(live).collect()
    }

    #[derive(Debug)]
    struct Drawn(Mutex<Vec<u64>>);

    impl Jitter for Drawn {
        fn draw(&self) -> u64 {
            self.0.lock().pop().unwrap_or_default()
        }
    }

    proptest! {
        #[test]
        fn every_run_of_turns_is_exactly_by_weight(weights in prop::collection::vec(1_u32..20, 1..12), runs in 1..4) {
            let (round_robin, endpoints) = (RoundRobin::default(), endpoints(&weights));
            for _ in 0..runs {
                let mut counts = vec![0; weights.len()];
                for _ in 0..weights.iter().sum::<u32>() {
                    counts[round_robin.choose(&endpoints).expect("one")] += 1;
                }
                let equal = weights.windows(2).all(|pair| pair[0] == pair[1]);
                let each = if equal { &weights } else { &counts };
                prop_assert_eq!(&counts, &weights, "{:?}", each);
            }
        }

        #[test]
        fn of_two_the_busier_is_never_chosen(one: u64, other: u64, busy in 0_usize..2) {
            let drawn = Arc::new(Drawn(Mutex::new(vec![one, other])));
            let endpoints = endpoints(&[1, 1]);
            endpoints[busy].begin();
            prop_assert_eq!(LeastLoaded::new(drawn).choose(&endpoints), Some(1 - busy));
        }
    }

    #[test]
    fn turns_of_a_heavy_one_are_spread() {
        let (round_robin, endpoints) = (RoundRobin::default(), endpoints(&[5, 1, 1]));
        let turns: Vec<_> = (0..7).filter_map(|_| round_robin.choose(&endpoints)).collect();
        assert_eq!(turns, [0, 0, 1, 0, 2, 0, 0]);
    }

    #[test]
    fn a_heavier_one_may_have_more_under_way() {
        let endpoints = endpoints(&[4, 1]);
        (0..2).for_each(|_| endpoints[0].begin());
        assert_eq!(LeastLoaded::default().choose(&endpoints), Some(0));
        (0..2).for_each(|_| endpoints[0].begin());
        assert_eq!(LeastLoaded::default().choose(&endpoints), Some(1));
    }

    #[test]
    fn of_none_none_is_chosen() {
        assert_eq!(RoundRobin::default().choose(&[]), None);
        assert_eq!(LeastLoaded::default().choose(&[]), None);
    }
}
