//! One life of a Redis: a process from its start until it is killed.

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::folder::Folder;
use super::last_will::LastWill;
use super::server_error::{ServerError, end_of_log};

const PROGRAM: &str = "redis-server";
const PACKAGE: &str = "redis-server";
/// Enough for a machine that compiles beside.
const PATIENCE: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(5);

/// A Redis that runs, ended when this is dropped.
#[derive(Debug)]
pub(super) struct RedisProcess {
    process: Child,
    /// None once it has been dropped, which must happen between the kill and the wait.
    last_will: Option<LastWill>,
    paused: bool,
}

impl RedisProcess {
    /// Starts a Redis that keeps its files in `folder`, and waits until it answers.
    pub(super) fn start(port: u16, folder: &Folder) -> Result<Self, ServerError> {
        let log = folder.join("redis.log");
        let output = File::create(&log).map_err(ServerError::machine("the log could not be created"))?;
        let mut command = Command::new(PROGRAM);
        command.args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--dir"]).arg(folder.path());
        // Nothing is written unless a test asks for it.
        command.args(["--save", "", "--appendonly", "no", "--daemonize", "no"]);
        command.stdin(Stdio::null()).stdout(output).stderr(Stdio::null());
        let process = command.spawn().map_err(ServerError::spawning(PROGRAM, PACKAGE))?;
        let mut started = Self { process, last_will: None, paused: false };
        started.last_will = Some(LastWill::over(started.pid(), folder.path())?);
        started.wait_until_ready(port, || end_of_log(&log))?;
        Ok(started)
    }

    fn wait_until_ready(&mut self, port: u16, log: impl Fn() -> String) -> Result<(), ServerError> {
        let begun = Instant::now();
        loop {
            let ended = self.process.try_wait();
            if ended.map_err(ServerError::machine("the server could not be waited for"))?.is_some() {
                return Err(ServerError::Ended { program: PROGRAM, log: log() });
            }
            if self.answers(port) {
                return Ok(());
            }
            if begun.elapsed() > PATIENCE {
                let waited = begun.elapsed();
                return Err(ServerError::Silent { program: PROGRAM, port, waited, log: log() });
            }
            thread::sleep(POLL);
        }
    }

    /// Whether this very process answers; another's Redis may have taken the port meanwhile.
    fn answers(&self, port: u16) -> bool {
        let ready = ask(port, "PING", PATIENCE).is_ok_and(|answer| answer.starts_with("+PONG"));
        let own = format!("process_id:{}\r\n", self.pid());
        ready && ask(port, "INFO server", PATIENCE).is_ok_and(|answer| answer.contains(&own))
    }

    pub(super) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Whether it is stopped, so that it answers nobody.
    pub(super) fn is_paused(&self) -> bool {
        self.paused
    }

    /// Stops the process, or lets it go on.
    pub(super) fn set_paused(&mut self, paused: bool) -> Result<(), ServerError> {
        let signal = if paused { "-STOP" } else { "-CONT" };
        let mut command = Command::new("kill");
        command.args([signal, &self.pid().to_string()]).stderr(Stdio::null());
        let told = command.status().map_err(ServerError::spawning("kill", "procps"))?;
        if !told.success() {
            return Err(ServerError::NotRunning);
        }
        self.paused = paused;
        Ok(())
    }
}

impl Drop for RedisProcess {
    fn drop(&mut self) {
        let _ = self.process.kill();
        // Until the process is waited for, nobody else can have its pid; so its last will can't hit another.
        self.last_will = None;
        let _ = self.process.wait();
    }
}

/// Sends one command line to the Redis on `port` and returns its answer as it came.
pub(super) fn ask(port: u16, line: &str, patience: Duration) -> io::Result<String> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut connection = TcpStream::connect_timeout(&address, patience)?;
    connection.set_read_timeout(Some(patience))?;
    connection.set_write_timeout(Some(patience))?;
    // After QUIT the server closes, so the end of the answer needs no parser.
    connection.write_all(format!("{line}\r\nQUIT\r\n").as_bytes())?;
    let mut answer = Vec::new();
    connection.read_to_end(&mut answer)?;
    let answer = answer.strip_suffix(b"+OK\r\n").unwrap_or(&answer);
    Ok(String::from_utf8_lossy(answer).into_owned())
}
