//! Servers of a test's own: each on a free port, in a folder of its own, gone when it is dropped.
//!
//! A [`FaultProxy`] stands between a client and a server and does what a bad network does.
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

mod fault_proxy;
mod flow;
mod folder;
mod free_port;
mod gate;
mod last_will;
mod pump;
mod redis_process;
mod redis_server;
mod server_error;

pub use fault_proxy::FaultProxy;
pub use flow::{Flow, Way};
pub use redis_server::RedisServer;
pub use server_error::ServerError;
