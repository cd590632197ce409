//! Numbers that look random and come back for the same seed.

/// Draws numbers from a seed: SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number
/// Generators, 2014).
#[derive(Debug, Clone)]
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// Draws a number below a bound, which is small; 0 if there is none.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        let drawn = self.next() >> 33;
        usize::try_from(drawn).unwrap_or(0).checked_rem(bound).unwrap_or(0)
    }

    /// Tells by chance, once in so many times; with 0 never.
    pub(super) fn one_in(&mut self, odds: usize) -> bool {
        odds > 0 && self.below(odds) == 0
    }

    pub(super) fn coin(&mut self) -> bool {
        self.one_in(2)
    }

    /// Begins another row of numbers.
    pub(super) fn fork(&mut self) -> Self {
        Self(self.next())
    }
}
