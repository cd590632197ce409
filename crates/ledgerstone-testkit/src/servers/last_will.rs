//! What happens to a server whose test is gone without having ended it.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::server_error::ServerError;

/// The shell's input ends when this process does, however it does; and Ctrl-C reaches the shell as well.
const SCRIPT: &str = "trap '' INT TERM HUP; read _; kill -9 \"$1\"; rm -rf \"$2\"";

/// Ends a process and removes its folder when this process dies before it has dropped this.
///
/// Needed for a server that lives in a static, and for a test run that is killed: neither drops anything.
#[derive(Debug)]
pub(super) struct LastWill {
    shell: Child,
}

impl LastWill {
    /// Sets a shell to watch over the process `pid`, whose files lie in `folder`.
    pub(super) fn over(pid: u32, folder: &Path) -> Result<Self, ServerError> {
        let mut command = Command::new("sh");
        command.args(["-c", SCRIPT, "sh", &pid.to_string()]).arg(folder);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let shell = command.spawn().map_err(ServerError::spawning("sh", "dash"))?;
        Ok(Self { shell })
    }
}

impl Drop for LastWill {
    fn drop(&mut self) {
        // Killed before its input ends, so it does nothing.
        let _ = self.shell.kill();
        let _ = self.shell.wait();
    }
}
