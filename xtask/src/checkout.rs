//! The checkout: where it lies, which files it holds, and how cargo is run in it.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

/// A checkout of the repository and the folder that its builds go to.
#[derive(Debug)]
pub(crate) struct Checkout {
    root: PathBuf,
    target: PathBuf,
}

impl Checkout {
    /// Finds the checkout around the current folder.
    pub(crate) fn find() -> Result<Self> {
        let here = env::current_dir().context("the current folder cannot be read")?;
        let root = here
            .ancestors()
            .find(|folder| is_workspace(folder))
            .with_context(|| format!("{} lies in no cargo workspace", here.display()))?;
        let target = target_folder(|name| env::var_os(name))?;
        Ok(Self { root: root.to_path_buf(), target: here.join(target) })
    }

    /// The folder of the workspace.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The folder that cargo builds into: outside the checkout, so that every checkout shares it.
    pub(crate) fn target(&self) -> &Path {
        &self.target
    }

    /// Begins a cargo command at the root that builds into [`target`](Self::target).
    pub(crate) fn cargo(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command.args(arguments).current_dir(&self.root).env("CARGO_TARGET_DIR", &self.target);
        command
    }

    /// Lists the files that git tracks or would track, by path from the root, in order.
    pub(crate) fn files(&self) -> Result<Vec<String>> {
        let output = Command::new("git")
            .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
            .current_dir(&self.root)
            .output()
            .context("git could not be run; xtask asks it for the files of the checkout")?;
        if !output.status.success() {
            bail!("git ls-files failed: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        let mut files: Vec<String> = String::from_utf8(output.stdout)
            .context("a file name in the checkout is not UTF-8; rename it")?
            .split_terminator('\0')
            // A file deleted but not yet committed is still in git's list.
            .filter(|path| self.root.join(path).is_file())
            .map(str::to_owned)
            .collect();
        files.sort();
        files.dedup();
        Ok(files)
    }
}

/// Runs a command to its end, and fails with `what` when it fails.
pub(crate) fn run(command: &mut Command, what: &str) -> Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let status = command.status().with_context(|| format!("{what}: {program} could not be run"))?;
    if !status.success() {
        bail!("{what} failed ({status})");
    }
    Ok(())
}

fn is_workspace(folder: &Path) -> bool {
    fs::read_to_string(folder.join("Cargo.toml"))
        .is_ok_and(|manifest| manifest.lines().any(|line| line.trim() == "[workspace]"))
}

fn target_folder(variable: impl Fn(&str) -> Option<OsString>) -> Result<PathBuf> {
    let set = |name| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(folder) = set("CARGO_TARGET_DIR") {
        return Ok(folder);
    }
    let cache = match set("XDG_CACHE_HOME") {
        Some(folder) => folder,
        None => {
            set("HOME").context("neither CARGO_TARGET_DIR nor HOME is set; set one of them")?.join(".cache")
        }
    };
    Ok(cache.join("ledgerstone").join("target"))
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::path::Path;

    use super::target_folder;

    fn with(pairs: &'static [(&str, &str)]) -> impl Fn(&str) -> Option<OsString> {
        move |name| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| value.into())
    }

    #[test]
    fn the_variable_decides_the_target_folder() {
        let folder = target_folder(with(&[("CARGO_TARGET_DIR", "/t"), ("HOME", "/h")])).unwrap();
        assert_eq!(folder, Path::new("/t"));
    }

    #[test]
    fn the_cache_folder_comes_before_the_home_folder() {
        let folder = target_folder(with(&[("XDG_CACHE_HOME", "/c"), ("HOME", "/h")])).unwrap();
        assert_eq!(folder, Path::new("/c/ledgerstone/target"));
        let folder = target_folder(with(&[("CARGO_TARGET_DIR", ""), ("HOME", "/h")])).unwrap();
        assert_eq!(folder, Path::new("/h/.cache/ledgerstone/target"));
    }

    #[test]
    fn without_any_folder_the_error_says_what_to_set() {
        let error = target_folder(with(&[])).unwrap_err();
        assert!(error.to_string().contains("CARGO_TARGET_DIR"));
    }
}
