//! Rate limits: how much each key may do in a time, here or over all nodes.

mod concurrency_limiter;
mod counter_clock;
mod fixed_window;
mod gcra;
mod invalid_rule;
mod keyed_tallies;
mod limit_counters;
mod local_rate_limiter;
mod local_time;
mod meter;
mod rate_headers;
mod rate_limits;
mod rate_queue;
mod rate_report;
mod rate_settings;
#[cfg(feature = "redis")]
mod redis;
mod rule_set;
mod rule_text;
mod scale;
mod shared_rate_limiter;
mod shared_rates;
mod shared_rule;
mod shared_watch;
mod sliding_window;
mod tally;
mod tally_shard;
mod token_bucket;

pub use concurrency_limiter::{ConcurrencyLimiter, ConcurrencyOptions, ConcurrencyPermit};
pub use counter_clock::CounterClock;
pub use invalid_rule::InvalidRule;
pub use local_rate_limiter::LocalRateLimiter;
pub use rate_headers::rate_headers;
pub use rate_limits::RateLimits;
pub use rate_queue::{RateQueue, RateQueueOptions};
pub use rate_report::RateReport;
pub use rate_settings::{RateSettings, parse_rate_rule};
#[cfg(feature = "redis")]
pub use redis::{RedisRateLimiter, RedisRateOptions};
pub use shared_rate_limiter::{SharedRateLimiter, SharedRateOptions};
pub use shared_rates::{SharedRates, WholeVerdict};
