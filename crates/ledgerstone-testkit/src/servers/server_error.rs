//! Why a server of a test's own is not there.

use std::io;
use std::path::Path;
use std::time::Duration;

/// Why a server could not be started, or does not answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// The program is not on the path.
    #[error(
        "this machine lacks `{program}`; install it (on Debian: `apt-get install {package}` as root) \
         or run `cargo xtask setup`"
    )]
    Missing {
        /// The program that was looked for.
        program: &'static str,
        /// The Debian package that brings it.
        package: &'static str,
    },
    /// It ended before it answered.
    #[error("`{program}` ended before it answered; its log ends: {log}")]
    Ended {
        /// The program that was started.
        program: &'static str,
        /// The last lines of what it said.
        log: String,
    },
    /// It runs and says nothing.
    #[error("`{program}` did not answer on port {port} for {} s; its log ends: {log}", .waited.as_secs())]
    Silent {
        /// The program that was started.
        program: &'static str,
        /// The port of 127.0.0.1 that it was given.
        port: u16,
        /// How long it was waited for.
        waited: Duration,
        /// The last lines of what it said.
        log: String,
    },
    /// Every port that was tried is taken.
    #[error("none of {tried} ports of 127.0.0.1 is free; end what holds them and try again")]
    NoPort {
        /// How many were tried.
        tried: u32,
    },
    /// What it held was not written before it ended, so it can't come back with its data.
    #[error("the data was not saved before the server ended; restart it without its data")]
    DataLost,
    /// The server was killed and not started again.
    #[error("the server has been killed; call restart first")]
    NotRunning,
    /// The machine refused something around it.
    #[error("{what}")]
    Machine {
        /// What could not be done.
        what: String,
        /// What the machine said.
        source: io::Error,
    },
}

impl ServerError {
    /// Tells that `what` could not be done.
    pub(crate) fn machine(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        |source| Self::Machine { what: format!("{}: {source}", what.into()), source }
    }

    /// Tells that a program could not be started: because it is missing, or for another reason.
    pub(crate) fn spawning(program: &'static str, package: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |error| match error.kind() {
            io::ErrorKind::NotFound => Self::Missing { program, package },
            _ => Self::machine(format!("`{program}` could not be started"))(error),
        }
    }

    /// Whether it ended because another process had taken its port meanwhile.
    pub(crate) fn is_port_taken(&self) -> bool {
        matches!(self, Self::Ended { log, .. } if log.contains("in use"))
    }
}

/// Returns the last lines of a log, for an error to show.
pub(crate) fn end_of_log(path: &Path) -> String {
    let text = std::fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let text = text.unwrap_or_default();
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    match lines.get(lines.len().saturating_sub(5)..) {
        Some([]) | None => "(nothing)".to_owned(),
        Some(last) => last.join(" | "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_program_is_told_with_the_package_that_brings_it() {
        let error = ServerError::spawning("redis-server", "redis")(io::ErrorKind::NotFound.into());
        let told = error.to_string();
        assert!(told.contains("`redis-server`") && told.contains("apt-get install redis`"), "{told}");
    }

    #[test]
    fn a_port_that_is_in_use_is_told_apart_from_any_other_end() {
        let ended = |log: &str| ServerError::Ended { program: "redis-server", log: log.to_owned() };
        assert!(ended("bind: Address already in use").is_port_taken());
        assert!(!ended("Bad directive").is_port_taken());
    }
}
