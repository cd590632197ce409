//! A Redis on a free port, in a folder of its own.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::services::server::Server;
use crate::services::warden::Warden;

const ATTEMPTS: u32 = 5;
const PATIENCE: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(10);

/// Starts a Redis that writes nothing by itself, and waits until it answers.
pub(super) fn start(folder: &Path, warden: &mut Warden) -> Result<Server> {
    fs::create_dir_all(folder).with_context(|| format!("{} could not be created", folder.display()))?;
    for _ in 0..ATTEMPTS {
        let port = free_port()?;
        let mut server = Server {
            name: "redis",
            process: spawn(port, folder)?,
            variable: "LEDGERSTONE_TEST_REDIS",
            url: format!("redis://127.0.0.1:{port}"),
        };
        if is_ready(&mut server, port)? {
            warden.add(server.process.id())?;
            return Ok(server);
        }
    }
    let log = fs::read_to_string(folder.join("redis.log")).unwrap_or_default();
    bail!("redis-server ends before it answers; it says: {}", log.trim())
}

fn spawn(port: u16, folder: &Path) -> Result<Child> {
    let log = File::create(folder.join("redis.log")).context("the log of Redis could not be created")?;
    let mut command = Command::new("redis-server");
    command.args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--dir"]).arg(folder);
    command.args(["--save", "", "--appendonly", "no", "--daemonize", "no"]);
    command.stdin(Stdio::null()).stdout(log).stderr(Stdio::null());
    command.spawn().context("redis-server could not be started")
}

/// Waits until this very process answers, or has ended because another took the port meanwhile.
fn is_ready(server: &mut Server, port: u16) -> Result<bool> {
    let begun = Instant::now();
    let own = format!("process_id:{}\r\n", server.process.id());
    while !server.has_ended()? {
        if told_of_itself(port).is_ok_and(|told| told.contains(&own)) {
            return Ok(true);
        }
        if begun.elapsed() > PATIENCE {
            bail!("redis-server did not answer on port {port} for {} s", PATIENCE.as_secs());
        }
        thread::sleep(POLL);
    }
    Ok(false)
}

fn told_of_itself(port: u16) -> Result<String> {
    let mut connection = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    connection.set_read_timeout(Some(PATIENCE))?;
    connection.write_all(b"INFO server\r\nQUIT\r\n")?;
    let mut told = Vec::new();
    connection.read_to_end(&mut told)?;
    Ok(String::from_utf8_lossy(&told).into_owned())
}

fn free_port() -> Result<u16> {
    let held = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no port of 127.0.0.1 is free")?;
    Ok(held.local_addr()?.port())
}

#[cfg(test)]
mod tests {
    use super::{start, told_of_itself};
    use crate::scratch::Scratch;
    use crate::services::warden::Warden;

    #[test]
    fn a_redis_that_was_started_answers_until_it_is_dropped() {
        let scratch = Scratch::create().unwrap();
        let mut warden = Warden::over(&scratch.join("")).unwrap();
        let server = start(&scratch.join("redis"), &mut warden).unwrap();
        let port = server.url.rsplit(':').next().unwrap().parse().unwrap();
        assert!(told_of_itself(port).unwrap().contains("redis_version"));
        drop(server);
        assert!(told_of_itself(port).is_err());
    }
}
