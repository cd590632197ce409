//! The limiter that all nodes share in Redis.

mod redis_link;
mod redis_rate_limiter;
#[cfg(test)]
mod script_tests;
mod stored_rules;

pub use redis_rate_limiter::{RedisRateLimiter, RedisRateOptions};
