//! Why a rule is refused when it is set, rather than when somebody is limited by it.

use std::time::Duration;

use ledgerstone_core::{BackendError, ErrorKind, RateRule};

/// What is wrong with a rule, and how to put it right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidRule {
    /// A rule that allows nothing is a block.
    #[error("rule {rule}: a limit of 0 allows nothing; block the key, or give it at least 1")]
    NoLimit {
        /// The rule's name.
        rule: String,
    },
    /// The time cannot be counted.
    #[error(
        "rule {rule}: a time of {per:?} cannot be counted; give whole microseconds from 1 ms to 366 days"
    )]
    Per {
        /// The rule's name.
        rule: String,
        /// The time.
        per: Duration,
    },
    /// A window knows no burst.
    #[error("rule {rule}: a window knows no burst; leave it out, or count by gcra or token_bucket")]
    BurstOfWindow {
        /// The rule's name.
        rule: String,
    },
    /// A burst that never fills.
    #[error(
        "rule {rule}: a burst of {burst} takes longer than 366 days to fill; make it smaller, at least 1"
    )]
    Burst {
        /// The rule's name.
        rule: String,
        /// The burst.
        burst: u32,
    },
    /// The numbers do not fit.
    #[error("rule {rule}: its numbers are too large to be counted exactly; give its time in whole minutes")]
    TooFine {
        /// The rule's name.
        rule: String,
    },
    /// A name that headers and metrics cannot bear.
    #[error("rule {rule:?}: a name is 1 to 64 of a-z, A-Z, 0-9, `_`, `-` and `.`")]
    Name {
        /// The rule's name.
        rule: String,
    },
    /// Two rules of one name.
    #[error("two rules are called {rule}; name one of them otherwise, as in `100/s as reads`")]
    Twice {
        /// The rules' name.
        rule: String,
    },
    /// No rule, or too many.
    #[error("{count} rules; give 1 to {most}", most = RateRule::MAX_RULES)]
    Count {
        /// How many there are.
        count: usize,
    },
    /// A text is no rule.
    #[error(
        "{text:?} is no rule: {why}; write it like `100/s`, `10000/d burst 500 gcra` or `5/10s as logins`"
    )]
    Text {
        /// What was written.
        text: String,
        /// What is wrong with it.
        why: String,
    },
}

impl From<InvalidRule> for BackendError {
    fn from(invalid: InvalidRule) -> Self {
        Self::new(ErrorKind::Invalid, "rate_limit", "rules", invalid.to_string())
    }
}
