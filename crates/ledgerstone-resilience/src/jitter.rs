//! The randomness of waits: a port, so that a test decides it.

use std::fmt::Debug;
use std::sync::atomic::{AtomicU64, Ordering};

/// Draws the random part of a wait.
pub trait Jitter: Debug + Send + Sync + 'static {
    /// Returns any number, evenly drawn.
    fn draw(&self) -> u64;
}

/// Draws from the generator of the thread, which the system seeds.
#[derive(Debug, Clone, Copy, Default)]
pub struct ThreadJitter;

impl Jitter for ThreadJitter {
    fn draw(&self) -> u64 {
        rand::random()
    }
}

/// Draws the same numbers whenever it begins with the same seed: for tests and simulations.
#[derive(Debug, Default)]
pub struct SeededJitter(AtomicU64);

impl SeededJitter {
    /// Makes a source that begins at `seed`.
    pub fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }
}

impl Jitter for SeededJitter {
    /// SplitMix64, from Steele, Lea and Flood: Fast splittable pseudorandom number generators (2014).
    fn draw(&self) -> u64 {
        const STEP: u64 = 0x9E37_79B9_7F4A_7C15;
        let mut mixed = self.0.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_draws_the_same_numbers() {
        let draw = |seed| {
            let jitter = SeededJitter::new(seed);
            [jitter.draw(), jitter.draw(), jitter.draw()]
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
    }
}
