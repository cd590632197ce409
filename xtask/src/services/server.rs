//! A server that was started by hand, ended with its handle.

use std::process::Child;

use anyhow::{Context, Result};

/// A process, and how tests are told where it is.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) name: &'static str,
    pub(super) process: Child,
    pub(super) variable: &'static str,
    pub(super) url: String,
}

impl Server {
    /// Tells whether the process has ended.
    pub(super) fn has_ended(&mut self) -> Result<bool> {
        let status = self.process.try_wait();
        Ok(status.with_context(|| format!("{} could not be waited for", self.name))?.is_some())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
