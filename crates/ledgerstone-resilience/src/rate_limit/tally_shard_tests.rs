//! Who is forgotten when there is no room, and who is not.

use std::time::Duration;

use ledgerstone_core::{RateAlgorithm, RateRule};

use super::*;

const NOW: u64 = 1_700_000_000_000_000;

fn shard(most: usize) -> Shard {
    let rule = RateRule {
        name: "per_second".into(),
        limit: 10,
        per: Duration::from_secs(1),
        burst: None,
        algorithm: RateAlgorithm::Gcra,
    };
    Shard::new(Arc::new(RuleSet::new(&[rule], None).unwrap()), most, LimitCounters::of(None, "override"))
}

fn key(number: u64) -> HashedKey<'static> {
    HashedKey { hash: number, text: "k" }
}

fn take(shard: &mut Shard, number: u64, now: u64, cost: u32) -> bool {
    shard.take(key(number), now, cost, 1).unwrap().is_allowed
}

#[test]
fn no_more_keys_are_kept_than_there_is_room_for() {
    let mut shard = shard(8);
    for number in 0..1_000 {
        assert!(take(&mut shard, number, NOW, 10));
        assert!(shard.len() <= 8);
    }
}

#[test]
fn keys_that_have_everything_again_are_forgotten_as_new_ones_come() {
    let mut shard = shard(1_000);
    for number in 0..500 {
        take(&mut shard, number, NOW, 10);
    }
    for number in 500..1_000 {
        take(&mut shard, number, NOW + 2_000_000, 10);
    }
    assert_eq!(shard.len(), 500);
    assert!(shard.entries.keys().all(|kept| kept.hash >= 500));
}

#[test]
fn of_those_that_still_owe_the_one_that_owes_least_is_forgotten() {
    let mut shard = shard(8);
    for number in 0..8 {
        take(&mut shard, number, NOW, if number == 5 { 1 } else { 10 });
    }
    take(&mut shard, 8, NOW, 1);
    assert!(shard.entries.keys().all(|kept| kept.hash != 5));
    assert!(!take(&mut shard, 3, NOW, 1), "a key that owed more was forgotten");
}

#[test]
fn an_override_is_kept_however_many_keys_come() {
    let mut shard = shard(8);
    assert!(shard.set_override(key(77), Some(Overridden::Blocked), NOW));
    for number in 100..1_000 {
        take(&mut shard, number, NOW, 10);
    }
    assert!(!take(&mut shard, 77, NOW, 1));
}

#[test]
fn overrides_take_half_the_room_at_most() {
    let mut shard = shard(8);
    let set = |shard: &mut Shard, number| shard.set_override(key(number), Some(Overridden::Unlimited), NOW);
    assert!((0..4).all(|number| set(&mut shard, number)));
    assert!(!set(&mut shard, 4));
    assert!(shard.set_override(key(0), None, NOW));
    assert!(set(&mut shard, 4));
    for number in 100..200 {
        take(&mut shard, number, NOW, 10);
    }
    assert!(shard.len() <= 8);
}
