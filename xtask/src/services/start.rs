//! `cargo xtask services start`: private servers in the foreground, until Ctrl-C.

use std::thread;
use std::time::Duration;

use anyhow::{Result, bail};

use crate::scratch::Scratch;
use crate::services::server::Server;
use crate::services::warden::Warden;
use crate::services::{SERVICES, Service, Start};
use crate::setup::is_installed;
use crate::terminal::say;

const POLL: Duration = Duration::from_millis(200);

/// Starts the servers named, or all that tests need, tells a shell where they are, and stays.
///
/// Ctrl-C ends this program at once; the warden then ends the servers and removes their folder.
pub(super) fn run(names: &[String]) -> Result<()> {
    let chosen = chosen(names)?;
    for (service, _) in &chosen {
        if !is_installed(service.program) {
            let (program, package) = (service.program, service.package);
            bail!(
                "this machine lacks `{program}`; install it (on Debian: `apt-get install {package}` as root)"
            );
        }
    }
    let scratch = Scratch::create()?;
    let mut warden = Warden::over(&scratch.join(""))?;
    let mut servers = Vec::new();
    for (service, start) in chosen {
        let server = start(&scratch.join(service.name), &mut warden)?;
        say(format!("export {}={}", server.variable, server.url));
        say(format!("# {} has pid {}", server.name, server.process.id()));
        servers.push(server);
    }
    say(format!("# Ctrl-C ends this and removes {}", scratch.join("").display()));
    stay(&mut servers)
}

/// Returns only when a server has ended, which none should.
fn stay(servers: &mut [Server]) -> Result<()> {
    loop {
        for server in &mut *servers {
            if server.has_ended()? {
                bail!("{} has ended, so the others are ended too", server.name);
            }
        }
        thread::sleep(POLL);
    }
}

fn chosen(names: &[String]) -> Result<Vec<(&'static Service, Start)>> {
    let startable = SERVICES.iter().filter_map(|service| Some((service, service.start?)));
    if names.is_empty() {
        return Ok(startable.collect());
    }
    let find = |name: &String| match SERVICES.iter().find(|service| service.name == name) {
        Some(service @ Service { start: Some(start), .. }) => Ok((service, *start)),
        Some(service) => bail!("{name} cannot be started here; it is needed by {}", service.needed_by),
        None => bail!("there is no service `{name}`; `cargo xtask services list` names them"),
    };
    names.iter().map(find).collect()
}

#[cfg(test)]
mod tests {
    use super::chosen;

    fn names(of: &[&str]) -> Result<Vec<&'static str>, String> {
        let words: Vec<String> = of.iter().map(|name| (*name).to_owned()).collect();
        let chosen = chosen(&words).map_err(|error| error.to_string())?;
        Ok(chosen.into_iter().map(|(service, _)| service.name).collect())
    }

    #[test]
    fn without_a_name_all_are_started_that_tests_need() {
        assert_eq!(names(&[]), Ok(vec!["redis"]));
        assert_eq!(names(&["redis"]), Ok(vec!["redis"]));
    }

    #[test]
    fn what_cannot_be_started_is_refused_with_what_needs_it() {
        assert!(names(&["nginx"]).unwrap_err().contains("needed by `bench gateway`"));
        assert!(names(&["oracle"]).unwrap_err().contains("services list"));
    }
}
