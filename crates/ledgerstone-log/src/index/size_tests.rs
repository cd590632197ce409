//! How large a run becomes: the sizes that the format is chosen for.

use std::collections::BTreeSet;

use ledgerstone_core::{Heads, LogKind, Position};

use super::builder::RunBuilder;
use super::covers::Covers;
use super::filter::filter_hash;
use super::memory_file::MemoryFile;
use super::run::Run;

const EVENTS: u64 = 1_000_000;

fn builder() -> RunBuilder {
    let before = Heads { application: Position(1 << 33), system: Position(1 << 20) };
    let head = Heads { application: Position((1 << 33) + EVENTS), system: before.system };
    RunBuilder::new(MemoryFile::of(Vec::new()), Covers::between(before, head))
}

/// Returns bytes of the file, and of memory, each for so many things.
fn per(run: &Run, things: u64) -> (f64, f64) {
    (run.bytes() as f64 / things as f64, run.memory() as f64 / things as f64)
}

#[test]
fn scattered_postings_take_about_four_bytes() {
    let terms: BTreeSet<_> = (0..EVENTS / 10).map(filter_hash).collect();
    let mut builder = builder();
    for term in &terms {
        let scattered = (0..10).map(|number| filter_hash(term ^ number << 7) % EVENTS);
        let positions: BTreeSet<_> = scattered.map(|at| (1 << 33) + 1 + at).collect();
        builder.list(*term, Some(0), positions.into_iter()).expect("a list");
    }
    let run = builder.finish().expect("a run");
    let (file, memory) = per(&run, EVENTS);
    println!("{file:.2} bytes for each scattered posting, {memory:.3} of them in memory");
    assert!(file < 4.3 && memory < 0.21);
}

#[test]
fn long_lists_take_about_one_byte_for_each_posting() {
    let mut builder = builder();
    for (term, every) in [(7, 1), (8, 5), (9, 300)] {
        builder.list(term, None, (1..=EVENTS / every).map(|at| (1 << 33) + at * every)).expect("a list");
    }
    let run = builder.finish().expect("a run");
    let (file, memory) = per(&run, EVENTS + EVENTS / 5 + EVENTS / 300);
    println!("{file:.3} bytes for each posting of a long list, {memory:.4} of them in memory");
    assert!(file < 1.02 && memory < 0.02);
}

#[test]
fn rising_ids_take_less_than_six_bytes() {
    // Milliseconds in the first 48 bits, a hundred events in each, and a hash.
    let keys = (0..EVENTS).map(|at| ((0x0199_0000_0000 + at / 100) << 16 | filter_hash(at) & 0xffff, at));
    let (file, memory) = ids(keys.collect());
    println!("{file:.2} bytes for each rising id, {memory:.2} of them in memory");
    assert!(file < 5.2 && memory < 1.35);
}

#[test]
fn random_ids_take_the_bytes_that_their_keys_have() {
    let (file, memory) = ids((0..EVENTS).map(|at| (filter_hash(at), at)).collect());
    println!("{file:.2} bytes for each random id, {memory:.2} of them in memory");
    assert!(file < 11.4 && memory < 1.35);
}

fn ids(keys: BTreeSet<(u64, u64)>) -> (f64, f64) {
    let mut builder = builder();
    for (key, at) in keys {
        builder.id(key, LogKind::Application, (1 << 33) + 1 + at).expect("an id");
    }
    per(&builder.finish().expect("a run"), EVENTS)
}
