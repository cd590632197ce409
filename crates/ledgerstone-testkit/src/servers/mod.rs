//! Servers of a test's own: each on a free port, in a folder of its own, gone when it is dropped.
//!
//! Nothing here touches a server that the machine runs for itself.
//!
//! ```no_run
//! use ledgerstone_testkit::servers::{RedisServer, ServerError};
//!
//! # fn main() -> Result<(), ServerError> {
//! let redis = RedisServer::start()?;
//! println!("{}", redis.url());
//! redis.kill(); // From here on connections are refused.
//! redis.restart()?;
//! # Ok(())
//! # }
//! ```

mod folder;
mod free_port;
mod last_will;
mod redis_process;
mod redis_server;
mod server_error;

pub use redis_server::RedisServer;
pub use server_error::ServerError;
