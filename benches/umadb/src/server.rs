//! A server under test: ledgerstone or UmaDB, started on a folder and a free port, ended when it is dropped.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use umadb_client::{AsyncUmaDbClient, UmaDbClient};

/// Which server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// Ours.
    Ledgerstone,
    /// UmaDB.
    UmaDb,
}

/// Where the programs are.
#[derive(Debug, Clone)]
pub struct Programs {
    /// The program `ledgerstone`.
    pub ledgerstone: PathBuf,
    /// The program `umadb`.
    pub umadb: Option<PathBuf>,
}

/// A server that runs.
#[derive(Debug)]
pub struct Server {
    child: Child,
    port: u16,
}

/// How long a server may take to open its data.
const PATIENCE: Duration = Duration::from_secs(120);

impl Which {
    /// Returns its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ledgerstone => "ledgerstone",
            Self::UmaDb => "UmaDB",
        }
    }
}

impl Server {
    /// Starts a server on a folder, and waits until it answers.
    pub async fn start(programs: &Programs, which: Which, folder: &Path, key: Option<&str>) -> Result<Self> {
        let port = free_port()?;
        let mut command = match which {
            Which::Ledgerstone => {
                let mut command = Command::new(&programs.ledgerstone);
                command.args(["serve", "--quiet", "--no-projections", "--listen", "127.0.0.1:0"]);
                command.args(["--umadb", &format!("127.0.0.1:{port}")]);
                command.args(["--store", &format!("file:{}", folder.display())]);
                command.env("RUST_LOG", "warn");
                if let Some(key) = key {
                    command.env("LEDGERSTONE__SERVER__TOKEN", key);
                }
                command
            }
            Which::UmaDb => {
                let program = programs.umadb.as_ref().context("name UmaDB's server with --umadb PROGRAM")?;
                let mut command = Command::new(program);
                command.args(["--listen", &format!("127.0.0.1:{port}")]);
                command.arg("--db-path").arg(folder);
                if let Some(key) = key {
                    command.args(["--api-key", key]);
                }
                command
            }
        };
        let child = command.current_dir(folder).stdin(Stdio::null()).stdout(Stdio::null()).spawn();
        let child = child.with_context(|| format!("{} could not be started", which.name()))?;
        let server = Self { child, port };
        server.answers().await.with_context(|| format!("{} does not answer", which.name()))?;
        Ok(server)
    }

    /// Returns the address that clients take.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Returns the port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Connects UmaDB's own client.
    pub async fn connect(&self) -> Result<AsyncUmaDbClient> {
        Ok(UmaDbClient::new(self.url()).connect_async().await?)
    }

    /// Tells the server to go down, as an operator does.
    pub fn terminate(&self) -> Result<()> {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).context("no process")?;
        Ok(kill_process(pid, Signal::TERM)?)
    }

    /// Waits until the server has ended.
    pub fn ended(mut self) -> Result<bool> {
        Ok(self.child.wait()?.success())
    }

    async fn answers(&self) -> Result<()> {
        let started = Instant::now();
        loop {
            match self.connect().await {
                Ok(client) if client.check_health("").await.is_ok() => return Ok(()),
                _ if started.elapsed() > PATIENCE => bail!("no answer within {PATIENCE:?}"),
                _ => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
