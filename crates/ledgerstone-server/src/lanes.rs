//! Lanes: threads with a runtime each, over which connections are spread.
//!
//! What happens on a connection then happens on one thread: a call of little work is answered without waking
//! another one, which on a busy machine takes longer than the work.

use std::io;
use std::sync::{Arc, mpsc};
use std::thread::{Builder, available_parallelism};

use tokio::runtime::{self, Handle};
use tokio_util::sync::{CancellationToken, DropGuard};

/// How many threads of one lane may wait for the disk at a time.
const BLOCKING: usize = 64;

/// Where connections are served; when the last of it is dropped, what still runs on its threads is cut off.
#[derive(Debug)]
pub(crate) struct Lanes {
    first: Lane,
    others: Vec<Lane>,
}

#[derive(Debug)]
struct Lane {
    runtime: Handle,
    /// Held once by every connection.
    open: Arc<()>,
    _running: Option<DropGuard>,
}

/// A place on a lane, which counts as taken until it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    /// Where to spawn.
    pub(crate) runtime: Handle,
    _open: Arc<()>,
}

impl Lanes {
    /// Serves on the runtime of the caller, whose threads share all work.
    pub(crate) fn shared() -> Self {
        let first = Lane { runtime: Handle::current(), open: Arc::default(), _running: None };
        Self { first, others: Vec::new() }
    }

    /// Starts a thread for each processor.
    pub(crate) fn start(name: &str) -> io::Result<Self> {
        let count = available_parallelism().map_or(1, usize::from);
        let others = (1..count).map(|number| Lane::start(name, number)).collect::<io::Result<_>>()?;
        Ok(Self { first: Lane::start(name, 0)?, others })
    }

    /// Takes a place on the lane with the fewest connections.
    pub(crate) fn place(&self) -> Place {
        let lanes = std::iter::once(&self.first).chain(&self.others);
        let quietest = lanes.min_by_key(|lane| Arc::strong_count(&lane.open)).unwrap_or(&self.first);
        Place { runtime: quietest.runtime.clone(), _open: Arc::clone(&quietest.open) }
    }
}

impl Lane {
    fn start(name: &str, number: usize) -> io::Result<Self> {
        let running = CancellationToken::new();
        let ended = running.clone();
        let (tell, told) = mpsc::channel();
        // A runtime may not be dropped where the caller runs, so it is made and dropped on its own thread.
        Builder::new().name(format!("{name}-{number}")).spawn(move || {
            let built =
                runtime::Builder::new_current_thread().enable_all().max_blocking_threads(BLOCKING).build();
            let runtime = match built {
                Ok(runtime) => runtime,
                Err(error) => return drop(tell.send(Err(error))),
            };
            if tell.send(Ok(runtime.handle().clone())).is_ok() {
                runtime.block_on(ended.cancelled_owned());
            }
            // What still blocks a thread there, as a read of the disk, is not waited for.
            runtime.shutdown_background();
        })?;
        let runtime = told.recv().map_err(io::Error::other)??;
        Ok(Self { runtime, open: Arc::default(), _running: Some(running.drop_guard()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn places_are_taken_where_there_are_the_fewest() {
        let lane = |number| Lane::start("lane", number).expect("a lane");
        let lanes = Lanes { first: lane(0), others: vec![lane(1), lane(2)] };
        let mut places: Vec<_> = (0..6).map(|_| lanes.place()).collect();
        let of = |place: &Place| place.runtime.id();
        for lane in [&lanes.first].into_iter().chain(&lanes.others) {
            assert_eq!(places.iter().filter(|place| of(place) == lane.runtime.id()).count(), 2);
        }
        let freed = of(&places.remove(1));
        assert_eq!(of(&lanes.place()), freed);
    }

    #[tokio::test]
    async fn what_runs_on_a_lane_runs_on_its_thread_and_ends_with_it() {
        let lanes = Lanes::start("lane").expect("lanes");
        let runtime = lanes.place().runtime;
        let name = runtime.spawn(async { std::thread::current().name().map(str::to_owned) });
        assert!(name.await.expect("ends").is_some_and(|name| name.starts_with("lane-")));
        let forever = runtime.spawn(std::future::pending::<()>());
        drop(lanes);
        assert!(forever.await.expect_err("cut off").is_cancelled());
    }
}
