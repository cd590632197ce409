//! The limiter that all nodes share in Redis.

mod redis_link;
mod redis_rate_limiter;
mod stored_rules;

pub use redis_rate_limiter::{RedisRateLimiter, RedisRateOptions};
