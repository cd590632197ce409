//! Outlier ejection: an endpoint that fails more than its peers gets nothing for a while, and then another try.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::gateway::span;

/// When an endpoint is left alone, and for how long.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OutlierSettings {
    /// Whether endpoints are ejected at all.
    pub enabled: bool,
    /// How many failures in a row are too many; 0 does not count them.
    pub consecutive_failures: u32,
    /// How many points of a hundred its failure rate may lie above that of its peers together; 0 compares none.
    pub percent_above_peers: u8,
    /// How many calls an endpoint needs within the window before its rate means anything.
    pub min_calls: u32,
    /// How long calls are counted before counting begins anew.
    #[serde(with = "span")]
    pub window: Duration,
    /// How long the first ejection lasts; the second twice that, the third three times, and so on.
    #[serde(with = "span")]
    pub ejection: Duration,
    /// How long the longest lasts. One that was good for as long begins with the first again.
    #[serde(with = "span")]
    pub max_ejection: Duration,
    /// How many of a hundred endpoints may be out at once; one may always, unless it is the last.
    pub max_ejected_percent: u8,
}

impl Default for OutlierSettings {
    fn default() -> Self {
        Self {
            enabled: true,
            consecutive_failures: 5,
            percent_above_peers: 30,
            min_calls: 20,
            window: Duration::from_secs(10),
            ejection: Duration::from_secs(30),
            max_ejection: Duration::from_secs(5 * 60),
            max_ejected_percent: 50,
        }
    }
}

impl OutlierSettings {
    pub(crate) fn find_fault(&self) -> Option<String> {
        for (key, percent) in [
            ("percent_above_peers", self.percent_above_peers),
            ("max_ejected_percent", self.max_ejected_percent),
        ] {
            if percent > 100 {
                return Some(format!("outliers.{key} is {percent} of 100"));
            }
        }
        if self.ejection.is_zero() || self.window.is_zero() {
            return Some("outliers.ejection and outliers.window need some time, such as 30s".to_owned());
        }
        if self.ejection > self.max_ejection {
            return Some("outliers.ejection is longer than outliers.max_ejection".to_owned());
        }
        None
    }

    /// Returns how long ejection number `times` (from 1) lasts.
    pub(crate) fn lasts(&self, times: u32) -> Duration {
        self.ejection.saturating_mul(times).min(self.max_ejection)
    }

    /// Returns how many of `all` may be out at once: never the last one.
    pub(crate) fn may_be_out(&self, all: usize) -> usize {
        let share = all * usize::from(self.max_ejected_percent) / 100;
        share.max(1).min(all.saturating_sub(1))
    }

    /// Decides whether an endpoint is an outlier among its peers, and why.
    pub(crate) fn judge(&self, own: Tally, peers: impl Iterator<Item = Tally>) -> Option<Why> {
        if !self.enabled {
            return None;
        }
        if self.consecutive_failures > 0 && own.in_a_row >= self.consecutive_failures {
            return Some(Why::InARow(own.in_a_row));
        }
        if self.percent_above_peers == 0 || own.calls() < u64::from(self.min_calls) {
            return None;
        }
        let (calls, failures) =
            peers.fold((0, 0), |(calls, failures), peer| (calls + peer.calls(), failures + peer.failures));
        if calls < u64::from(self.min_calls) {
            return None;
        }
        let percent = |failures: u64, calls: u64| failures.saturating_mul(100) / calls.max(1);
        let (own, peers) = (percent(own.failures, own.calls()), percent(failures, calls));
        (own >= peers + u64::from(self.percent_above_peers)).then_some(Why::AbovePeers { own, peers })
    }
}

/// What became of the calls of one endpoint within the window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Tally {
    pub(crate) successes: u64,
    pub(crate) failures: u64,
    pub(crate) in_a_row: u32,
}

impl Tally {
    fn calls(self) -> u64 {
        self.successes + self.failures
    }
}

/// Why an endpoint is out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    /// It failed so many times in a row.
    InARow(u32),
    /// It failed more often than its peers, in percent.
    AbovePeers { own: u64, peers: u64 },
}

impl Why {
    /// Returns the reason as metrics label it.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::InARow(_) => "in_a_row",
            Self::AbovePeers { .. } => "above_peers",
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InARow(times) => write!(f, "{times} failures in a row"),
            Self::AbovePeers { own, peers } => {
                write!(f, "{own} % of its calls failed, {peers} % of its peers'")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(successes: u64, failures: u64, in_a_row: u32) -> Tally {
        Tally { successes, failures, in_a_row }
    }

    #[test]
    fn failures_in_a_row_are_counted_whatever_the_peers_do() {
        let settings = OutlierSettings::default();
        assert_eq!(settings.judge(tally(0, 4, 4), std::iter::empty()), None);
        assert_eq!(settings.judge(tally(0, 5, 5), std::iter::empty()), Some(Why::InARow(5)));
        let off = OutlierSettings { enabled: false, ..OutlierSettings::default() };
        assert_eq!(off.judge(tally(0, 99, 99), std::iter::empty()), None);
    }

    #[test]
    fn a_rate_is_compared_with_that_of_the_peers() {
        let settings = OutlierSettings::default();
        let judge = |own, peer: Tally| settings.judge(own, [peer, peer].into_iter());
        assert_eq!(judge(tally(60, 40, 1), tally(95, 5, 0)), Some(Why::AbovePeers { own: 40, peers: 5 }));
        // All fail alike: the fault is not this endpoint's.
        assert_eq!(judge(tally(60, 40, 1), tally(60, 40, 1)), None);
        // Too few calls to tell, here and there.
        assert_eq!(judge(tally(6, 4, 1), tally(95, 5, 0)), None);
        assert_eq!(judge(tally(60, 40, 1), tally(3, 0, 0)), None);
    }

    #[test]
    fn ejections_grow_to_a_bound_and_never_take_the_last() {
        let settings = OutlierSettings::default();
        let seconds: Vec<_> = [1, 2, 3, 100].iter().map(|n| settings.lasts(*n).as_secs()).collect();
        assert_eq!(seconds, [30, 60, 90, 300]);
        let may: Vec<_> = (0..=6).map(|all| settings.may_be_out(all)).collect();
        assert_eq!(may, [0, 0, 1, 1, 2, 2, 3]);
        let all = OutlierSettings { max_ejected_percent: 100, ..settings };
        assert_eq!(all.may_be_out(3), 2);
    }
}
