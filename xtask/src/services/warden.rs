//! What ends servers when this program is ended by Ctrl-C, or worse.

use std::io::Write;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};

use anyhow::{Context, Result};

/// Ctrl-C reaches the shell too, which must outlive us; its input ends when we do, however that comes.
const SCRIPT: &str = "\
trap '' INT TERM HUP
pids=
while read -r word; do
  if [ \"$word\" = done ]; then pids=; else pids=\"$pids $word\"; fi
done
[ -z \"$pids\" ] || kill -9 $pids 2>/dev/null
rm -rf \"$1\"";

/// A shell that ends processes and removes their folder as soon as this program is gone.
#[derive(Debug)]
pub(super) struct Warden {
    shell: Child,
    orders: Option<ChildStdin>,
}

impl Warden {
    /// Sets a warden over a folder, and over no process yet.
    pub(super) fn over(folder: &Path) -> Result<Self> {
        let mut command = Command::new("sh");
        command.args(["-c", SCRIPT, "sh"]).arg(folder);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut shell = command.spawn().context("sh could not be started")?;
        let orders = shell.stdin.take();
        Ok(Self { shell, orders })
    }

    /// Leaves the end of a process to the warden.
    pub(super) fn add(&mut self, pid: u32) -> Result<()> {
        self.tell(&pid.to_string())
    }

    fn tell(&mut self, word: &str) -> Result<()> {
        let orders = self.orders.as_mut().context("the shell takes no orders")?;
        writeln!(orders, "{word}").context("the shell that ends the servers is gone")
    }
}

impl Drop for Warden {
    fn drop(&mut self) {
        // Who drops this has ended the servers, and their pids may be another's by now.
        let _ = self.tell("done");
        self.orders = None;
        let _ = self.shell.wait();
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::Warden;
    use crate::scratch::Scratch;

    #[test]
    fn whoever_goes_without_a_word_has_its_processes_ended_and_its_folder_removed() {
        let scratch = Scratch::create().unwrap();
        let mut process = Command::new("sleep").arg("600").spawn().unwrap();
        let mut warden = Warden::over(&scratch.join("")).unwrap();
        warden.add(process.id()).unwrap();
        warden.orders = None;
        assert!(!process.wait().unwrap().success());
        warden.shell.wait().unwrap();
        assert!(!scratch.join("").exists());
    }

    #[test]
    fn whoever_goes_in_order_has_ended_its_processes_itself() {
        let scratch = Scratch::create().unwrap();
        let mut process = Command::new("sleep").arg("600").spawn().unwrap();
        let mut warden = Warden::over(&scratch.join("")).unwrap();
        warden.add(process.id()).unwrap();
        drop(warden);
        assert!(process.try_wait().unwrap().is_none() && !scratch.join("").exists());
        process.kill().unwrap();
        process.wait().unwrap();
    }
}
