//! `cargo xtask services`: the servers that tests start for themselves, listed and started by hand.

mod redis;
mod server;
mod start;
mod warden;

use std::path::Path;

use anyhow::{Result, bail};

use crate::services::server::Server;
use crate::services::warden::Warden;
use crate::setup::is_installed;
use crate::terminal::say;

/// A server that is run in a folder of its own, on a free port, beside whatever the machine runs.
struct Service {
    name: &'static str,
    program: &'static str,
    package: &'static str,
    needed_by: &'static str,
    start: Option<Start>,
}

/// Starts a server that keeps its files in the folder, and leaves its end to the warden.
type Start = fn(&Path, &mut Warden) -> Result<Server>;

const NOTHING_YET: &str = "nothing yet";

// The backends of ARCHITECTURE.md that will need one stand here before they exist.
const SERVICES: &[Service] = &[
    Service {
        name: "redis",
        program: "redis-server",
        package: "redis-server",
        needed_by: "tests of caches and rate limits",
        start: Some(redis::start),
    },
    Service { name: "nginx", program: "nginx", package: "nginx", needed_by: "`bench gateway`", start: None },
    Service {
        name: "postgres",
        program: "pg_ctlcluster",
        package: "postgresql",
        needed_by: NOTHING_YET,
        start: None,
    },
    Service {
        name: "nats",
        program: "nats-server",
        package: "nats-server",
        needed_by: NOTHING_YET,
        start: None,
    },
    Service {
        name: "rabbitmq",
        program: "rabbitmq-server",
        package: "rabbitmq-server",
        needed_by: NOTHING_YET,
        start: None,
    },
];

/// Answers `services list`, which is also what `services` alone means, and `services start`.
pub(crate) fn run(words: &[String]) -> Result<()> {
    match words.split_first() {
        None => say(list(is_installed)),
        Some((verb, [])) if verb == "list" => say(list(is_installed)),
        Some((verb, names)) if verb == "start" => start::run(names)?,
        Some(_) => bail!("`services` knows `list` and `start [NAME...]`"),
    }
    Ok(())
}

fn list(is_installed: impl Fn(&str) -> bool) -> String {
    let mut text = format!("{:10} {:16} {:9} needed by\n", "name", "Debian package", "installed");
    for service in SERVICES {
        let installed = if is_installed(service.program) { "yes" } else { "no" };
        let (name, package, needed_by) = (service.name, service.package, service.needed_by);
        text.push_str(&format!("{name:10} {package:16} {installed:9} {needed_by}\n"));
    }
    text + "Each test starts its own, on a free port; a server that the machine runs is left alone."
}

#[cfg(test)]
mod tests {
    use super::{list, run};

    #[test]
    fn the_list_says_what_is_there_and_what_needs_it() {
        let text = list(|program| program == "redis-server");
        assert!(text.contains("redis-server     yes       tests of caches"), "{text}");
        assert!(text.contains("nats-server      no        nothing yet"), "{text}");
    }

    #[test]
    fn an_unknown_verb_is_refused() {
        assert!(run(&["stop".to_owned()]).is_err());
    }
}
