//! `cargo xtask services`: the servers that tests can start for themselves.

use anyhow::{Result, bail};

use crate::setup::is_installed;
use crate::terminal::say;

/// A server that a test run may start in a folder of its own, on a free port.
struct Service {
    name: &'static str,
    program: &'static str,
    package: &'static str,
}

// The backends of ARCHITECTURE.md that will need one; until they exist, no test does.
const SERVICES: &[Service] = &[
    Service { name: "postgres", program: "pg_ctlcluster", package: "postgresql" },
    Service { name: "redis", program: "redis-server", package: "redis-server" },
    Service { name: "nats", program: "nats-server", package: "nats-server" },
    Service { name: "rabbitmq", program: "rabbitmq-server", package: "rabbitmq-server" },
];

/// Answers `services list`, the only verb so far.
pub(crate) fn run(words: &[String]) -> Result<()> {
    match words {
        [] => say(list(is_installed)),
        [verb] if verb == "list" => say(list(is_installed)),
        _ => bail!("`services` knows `list` only: no test needs a server yet, so none can be started"),
    }
    Ok(())
}

fn list(is_installed: impl Fn(&str) -> bool) -> String {
    let mut text = format!("{:10} {:16} {:9} needed by\n", "name", "Debian package", "installed");
    for service in SERVICES {
        let installed = if is_installed(service.program) { "yes" } else { "no" };
        text.push_str(&format!("{:10} {:16} {installed:9} nothing yet\n", service.name, service.package));
    }
    text + "No server is needed: every test runs on memory, SQLite and our own binary."
}

#[cfg(test)]
mod tests {
    use super::{list, run};

    #[test]
    fn the_list_says_what_is_there_and_that_nothing_is_needed() {
        let text = list(|program| program == "redis-server");
        assert!(text.contains("redis-server     yes"), "{text}");
        assert!(text.ends_with("our own binary."));
    }

    #[test]
    fn an_unknown_verb_is_refused() {
        assert!(run(&["start".to_owned()]).is_err());
    }
}
