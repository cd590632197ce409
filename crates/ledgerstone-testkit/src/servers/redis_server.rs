//! A Redis of a test's own.

use std::fs;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

use parking_lot::Mutex;

use super::folder::Folder;
use super::free_port::free_port;
use super::redis_process::{RedisProcess, ask};
use super::server_error::ServerError;

/// Names a Redis to be used by tests that need one and never harm it.
const VARIABLE: &str = "LEDGERSTONE_TEST_REDIS";
const ATTEMPTS: u32 = 10;
const PATIENCE: Duration = Duration::from_secs(10);

/// A Redis on a free port of 127.0.0.1, which only its maker knows and which ends with this handle.
///
/// It writes nothing by itself, holds no password and is empty at the start. Every method blocks for some
/// milliseconds, as a test may. It ends when the handle is dropped, by a panic too, and also when the test's
/// process ends without dropping anything. Needs the Debian package `redis-server`.
#[derive(Debug)]
pub struct RedisServer {
    port: u16,
    // Before the folder, so that the process has ended when its files go.
    process: Mutex<Option<RedisProcess>>,
    folder: Folder,
}

impl RedisServer {
    /// Starts an empty Redis and waits until it answers.
    pub fn start() -> Result<Self, ServerError> {
        let folder = Folder::create("redis")?;
        for _ in 1..ATTEMPTS {
            let port = free_port()?;
            match RedisProcess::start(port, &folder) {
                Ok(process) => return Ok(Self { port, folder, process: Mutex::new(Some(process)) }),
                Err(error) if error.is_port_taken() => {}
                Err(error) => return Err(error),
            }
        }
        Err(ServerError::NoPort { tried: ATTEMPTS })
    }

    /// Returns the URL of a Redis for tests that share one: they keep to keys of their own, and harm nothing.
    ///
    /// It is what `LEDGERSTONE_TEST_REDIS` names (`cargo xtask services start redis` prints it), or else one
    /// that this process starts at the first call and keeps until it ends.
    pub fn shared_url() -> Result<String, ServerError> {
        static SHARED: OnceLock<RedisServer> = OnceLock::new();
        static STARTING: Mutex<()> = Mutex::new(());
        if let Ok(url) = std::env::var(VARIABLE) {
            return Ok(url);
        }
        let _one_starts_it = STARTING.lock();
        if let Some(shared) = SHARED.get() {
            return Ok(shared.url());
        }
        let started = Self::start()?;
        Ok(SHARED.get_or_init(|| started).url())
    }

    /// Returns its address as clients write it, `redis://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Returns its port, which stays the same when it is restarted.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Sends one command line, such as `FLUSHALL` or `CLIENT KILL TYPE normal`, and returns the answer as it
    /// came over the wire.
    pub fn ask(&self, line: &str) -> Result<String, ServerError> {
        if !self.is_running() {
            return Err(ServerError::NotRunning);
        }
        ask(self.port, line, PATIENCE).map_err(ServerError::machine("the server did not answer"))
    }

    /// Returns whether it has a process, paused or not.
    pub fn is_running(&self) -> bool {
        self.process.lock().is_some()
    }

    /// Kills the process; once this returns, connections are broken and new ones refused.
    ///
    /// What it held is put aside before, for [`restart_with_data`](Self::restart_with_data); of a paused
    /// server nothing can be.
    pub fn kill(&self) {
        let mut process = self.process.lock();
        if process.as_ref().is_some_and(|process| !process.is_paused()) {
            let _ = ask(self.port, "SAVE", PATIENCE);
        }
        *process = None;
    }

    /// Kills the process if it runs, and starts it again empty, on the same port.
    pub fn restart(&self) -> Result<(), ServerError> {
        self.kill();
        let _ = fs::remove_file(self.saved());
        self.begin_again()
    }

    /// Kills the process if it runs, and starts it again with what it held when it was killed, on the same
    /// port. Loaded scripts are not data: they are gone.
    pub fn restart_with_data(&self) -> Result<(), ServerError> {
        self.kill();
        if !self.saved().exists() {
            return Err(ServerError::DataLost);
        }
        self.begin_again()
    }

    fn begin_again(&self) -> Result<(), ServerError> {
        let mut process = self.process.lock();
        let started = RedisProcess::start(self.port, &self.folder)?;
        // It holds all of it now, and a later kill may fail to write it anew.
        let _ = fs::remove_file(self.saved());
        *process = Some(started);
        Ok(())
    }

    fn saved(&self) -> PathBuf {
        self.folder.join("dump.rdb")
    }

    /// Stops the process without ending it: connections stay open, new ones are taken by the system, and
    /// nothing is answered.
    pub fn pause(&self) -> Result<(), ServerError> {
        self.set_paused(true)
    }

    /// Lets a paused process go on; it answers what it was asked meanwhile.
    pub fn resume(&self) -> Result<(), ServerError> {
        self.set_paused(false)
    }

    fn set_paused(&self, paused: bool) -> Result<(), ServerError> {
        let mut process = self.process.lock();
        process.as_mut().ok_or(ServerError::NotRunning)?.set_paused(paused)
    }
}
