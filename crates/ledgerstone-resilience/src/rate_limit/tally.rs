//! What is remembered of one key under one rule: three numbers, all nothing for a key with everything.

/// What a key has used of a rule; what the numbers mean is the algorithm's affair.
///
/// Nothing but zeros is a key that has everything, under every algorithm.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// A time, in ticks of the rule.
    pub(crate) at: u64,
    /// What was used.
    pub(crate) used: u64,
    /// What was used in the window before.
    pub(crate) before: u64,
}
