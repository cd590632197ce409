//! Servers of a test's own start, fail as asked and leave nothing behind.

mod proxy;
mod redis;
