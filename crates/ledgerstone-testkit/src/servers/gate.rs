//! The decision how many bytes may pass at once, and when.

use std::time::Duration;

use super::flow::Flow;

/// What to do with bytes that are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Wait, carry so many, wait again.
    Carry { before: Duration, bytes: usize, after: Duration },
    /// Carry nothing until the flow changes.
    Stall,
    /// Close the connection.
    Cut,
}

/// A flow, and what of it is left on one way of one connection.
#[derive(Debug)]
pub(super) struct Gate {
    flow: Flow,
    carried: u64,
}

impl Gate {
    pub(super) fn new(flow: Flow) -> Self {
        Self { flow, carried: 0 }
    }

    /// Decides over `offered` bytes; with none, whether the end of them may pass.
    pub(super) fn next(&self, offered: usize) -> Step {
        match self.flow {
            Flow::Pass => carry(offered),
            Flow::CutAfter(limit) => self.up_to(limit, offered, Step::Cut),
            Flow::StallAfter(limit) => self.up_to(limit, offered, Step::Stall),
            Flow::Delay(before) => Step::Carry { before, bytes: offered, after: Duration::ZERO },
            Flow::Trickle { bytes, every } => {
                Step::Carry { before: Duration::ZERO, bytes: bytes.max(1).min(offered), after: every }
            }
        }
    }

    fn up_to(&self, limit: u64, offered: usize, then: Step) -> Step {
        let left = limit.saturating_sub(self.carried);
        if left == 0 {
            return then;
        }
        carry(usize::try_from(left).unwrap_or(usize::MAX).min(offered))
    }

    /// Counts what has been carried, and tells whether the connection is to be closed right after it.
    pub(super) fn count(&mut self, bytes: usize) -> bool {
        self.carried = self.carried.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
        matches!(self.flow, Flow::CutAfter(limit) if self.carried >= limit)
    }
}

fn carry(bytes: usize) -> Step {
    Step::Carry { before: Duration::ZERO, bytes, after: Duration::ZERO }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_lets_exactly_so_many_pass() {
        let mut gate = Gate::new(Flow::CutAfter(5));
        assert_eq!(gate.next(3), carry(3));
        assert!(!gate.count(3));
        assert_eq!(gate.next(9), carry(2));
        assert!(gate.count(2));
        assert_eq!(gate.next(1), Step::Cut);
        assert_eq!(Gate::new(Flow::StallAfter(0)).next(1), Step::Stall);
    }

    #[test]
    fn a_trickle_carries_a_piece_at_a_time_and_never_nothing() {
        let every = Duration::from_secs(1);
        let next = |bytes, offered| Gate::new(Flow::Trickle { bytes, every }).next(offered);
        let piece = |bytes| Step::Carry { before: Duration::ZERO, bytes, after: every };
        assert_eq!(next(4, 10), piece(4));
        assert_eq!(next(4, 3), piece(3));
        assert_eq!(next(0, 3), piece(1));
    }

    #[test]
    fn the_end_of_the_bytes_is_held_back_by_a_stall_only() {
        assert_eq!(Gate::new(Flow::Pass).next(0), carry(0));
        assert_eq!(Gate::new(Flow::StallAfter(0)).next(0), Step::Stall);
    }
}
