//! Imports and appends on a disk that fails: what was acknowledged is there, and asking again converges.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::crash::{Dice, comparable};
use crate::product::Product;
use crate::scratch::Scratch;
use crate::store::{Scheme, Store};

/// The library that makes writes and syncs fail; see there what it understands.
const SOURCE: &str = include_str!("../faults/failing_disk.c");
/// What can go wrong.
const KINDS: [&str; 7] = ["sync", "write", "half", "full", "name", "dead", "frozen"];
/// How many single appends are tried on a failing disk.
const APPENDS: u64 = 24;

/// A folder on a disk that fails as it is told.
#[derive(Debug)]
pub(crate) struct FailingDisk {
    scheme: Scheme,
    scratch: Scratch,
    library: PathBuf,
}

/// How many syncs, writes and renamings a command makes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Calls {
    pub(crate) syncs: u64,
    pub(crate) writes: u64,
    pub(crate) names: u64,
}

impl FailingDisk {
    /// Compiles the library; nothing where processes cannot be given one like this.
    pub(crate) fn create(scheme: Scheme) -> Result<Option<Self>> {
        if !cfg!(target_os = "linux") {
            return Ok(None);
        }
        let scratch = Scratch::create()?;
        let (source, library) = (scratch.join("failing_disk.c"), scratch.join("failing_disk.so"));
        fs::write(&source, SOURCE).context("the source of the failing disk could not be written")?;
        let mut compile = Command::new("cc");
        compile.args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(&source).arg("-ldl");
        let status = compile.status().context("cc could not be run; the failing disk is written in C")?;
        ensure!(status.success(), "the failing disk could not be compiled");
        Ok(Some(Self { scheme, scratch, library }))
    }

    /// Imports `file` into a store for each of `faults` faults, and compares what comes of it.
    pub(crate) fn imports(
        &self,
        product: &Product,
        file: &Path,
        expected: &[Value],
        faults: u64,
        dice: &mut Dice,
    ) -> Result<()> {
        let import = |store: &Store| {
            let mut command = product.command(store, &["import"]);
            command.arg(file).args(["--source", "crash"]);
            command
        };
        let calls = self.calls(import(&self.store("undisturbed")?))?;
        for number in 0..faults {
            let store = self.store(&format!("import-{number}"))?;
            let fault = calls.fault(dice);
            if self.ends_well(import(&store), &fault)? {
                let found = comparable(product.export(&store)?);
                ensure!(found == expected, "{fault}: the import said it was done ({} events)", found.len());
            }
            sound(product, &store, &fault)?;
            product.import(&store, file, &["--source", "crash"])?;
            let found = comparable(product.export(&store)?);
            ensure!(found == expected, "{fault}: repeated, the store differs ({} events)", found.len());
        }
        Ok(())
    }

    /// Appends single events, each on a disk with another fault; then all of them again.
    pub(crate) fn appends(&self, product: &Product, dice: &mut Dice) -> Result<()> {
        let append = |store: &Store, number: u64| {
            let id = format!("00000000-0000-4000-8000-{number:012}");
            let mut command = product.command(store, &["events", "append"]);
            command.args([&format!("thing-{}", number % 3), "ThingNoted", "{}", "--id", &id]);
            (command, id)
        };
        let calls = self.calls(append(&self.store("undisturbed-append")?, 0).0)?;
        let store = self.store("appends")?;
        let mut acknowledged = Vec::new();
        for number in 0..APPENDS {
            let (command, id) = append(&store, number);
            if self.ends_well(command, &calls.fault(dice))? {
                acknowledged.push(id);
            }
        }
        sound(product, &store, "after the appends")?;
        if !acknowledged.is_empty() {
            let found = ids(&product.export(&store)?);
            let lost = acknowledged.iter().find(|id| found.get(*id) != Some(&1));
            ensure!(lost.is_none(), "an acknowledged event was lost or doubled: {lost:?}");
        }
        for number in 0..APPENDS {
            let status = append(&store, number).0.stdout(Stdio::null()).status();
            ensure!(status.context("the append could not be started")?.success(), "append {number} failed");
        }
        let found = ids(&product.export(&store)?);
        let once = found.values().all(|count| *count == 1);
        ensure!(once && found.len() as u64 == APPENDS, "repeated appends left {found:?}");
        sound(product, &store, "after the repeated appends")
    }

    /// Makes a folder for a store of this name, and returns the path of the store in it.
    pub(crate) fn store(&self, name: &str) -> Result<Store> {
        let folder = self.scratch.join(name);
        fs::create_dir_all(&folder).context("a folder could not be made")?;
        Ok(Store::new(self.scheme, folder.canonicalize()?.join("store")))
    }

    /// Counts the calls of a command on a sound disk.
    fn calls(&self, command: Command) -> Result<Calls> {
        ensure!(self.ends_well(command, "none 0")?, "the undisturbed command failed");
        let [syncs, writes, names, _] = self.counted();
        Ok(Calls { syncs, writes, names })
    }

    /// Reads what the last command counted when it ended: syncs, writes, renamings, and calls that went to a
    /// segment again after its sync had failed.
    fn counted(&self) -> [u64; 4] {
        let text = fs::read_to_string(self.scratch.join("count")).unwrap_or_default();
        let mut numbers = text.split_whitespace().map(|number| number.parse().unwrap_or(0));
        std::array::from_fn(|_| numbers.next().unwrap_or(0))
    }

    /// Fails if the last command used a segment again after its sync had failed: such a sync proves nothing.
    pub(crate) fn check_failed_sync_was_believed(&self, fault: &str) -> Result<()> {
        let again = self.counted()[3];
        ensure!(again == 0, "{fault}: {again} calls went to a segment again after its sync had failed");
        Ok(())
    }

    /// Puts a command on a disk with a fault.
    pub(crate) fn beneath(&self, command: &mut Command, fault: &str) -> Result<()> {
        let count = self.scratch.join("count");
        // What an earlier command counted is not this one's.
        let _ = fs::remove_file(&count);
        command.env("LD_PRELOAD", &self.library);
        command.env("FAILING_DISK_FOLDER", self.scratch.join("").canonicalize()?);
        command.env("FAILING_DISK_FAULT", fault).env("FAILING_DISK_COUNT", count);
        Ok(())
    }

    /// Runs a command on a disk with a fault, and tells whether it said that all went well.
    fn ends_well(&self, mut command: Command, fault: &str) -> Result<bool> {
        self.beneath(&mut command, fault)?;
        let output = command.output().context("a command could not be started")?;
        ensure!(output.status.code().is_some(), "{fault}: the command died of it ({})", output.status);
        self.check_failed_sync_was_believed(fault)?;
        Ok(output.status.success())
    }
}

impl Calls {
    /// Chooses what goes wrong, and when.
    pub(crate) fn fault(self, dice: &mut Dice) -> String {
        let kind = KINDS[(dice.next() % KINDS.len() as u64) as usize];
        let most = match kind {
            "sync" => self.syncs,
            "name" => self.names,
            _ => self.writes,
        };
        format!("{kind} {}", 1 + dice.next() % most.max(1))
    }
}

/// Lets the product verify a store, if the fault left one.
pub(crate) fn sound(product: &Product, store: &Store, when: &str) -> Result<()> {
    if !store.path().exists() {
        return Ok(());
    }
    let output = product.command(store, &["events", "verify"]).output().context("verify could not be run")?;
    // A file without a store in it is as good as none.
    let sound = output.status.success() || output.status.code() == Some(4);
    let told = String::from_utf8_lossy(&output.stdout);
    ensure!(sound, "{when}: {told}{}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// Returns how often each id was exported.
fn ids(events: &[Value]) -> BTreeMap<String, u64> {
    let mut ids = BTreeMap::new();
    for id in events.iter().filter_map(|event| event.get("id")?.as_str()) {
        *ids.entry(id.to_owned()).or_insert(0) += 1;
    }
    ids
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disk() -> FailingDisk {
        FailingDisk::create(Scheme::Sqlite).unwrap().unwrap()
    }

    #[test]
    fn a_store_that_says_it_is_done_when_the_disk_failed_is_found() {
        let boastful = "store=${3#sqlite:}
            case $1 in
                import) read -r line < \"$4\"; echo \"$line\" 2> /dev/null > \"$store\"; exit 0 ;;
                export) cat \"$store\" ;;
            esac";
        let disk = disk();
        let file = disk.scratch.join("events.ndjson");
        fs::write(&file, "{\"id\":\"a\"}\n").unwrap();
        let expected = [serde_json::json!({ "id": "a" })];
        let imports =
            |script: &str| disk.imports(&Product::script(script), &file, &expected, 8, &mut Dice(2));
        let error = imports(boastful).unwrap_err();
        assert!(error.to_string().contains("said it was done"), "{error:#}");
        imports(&boastful.replace("; exit 0", "")).unwrap();
    }

    #[test]
    fn the_same_seed_gives_the_same_faults() {
        let faults = |seed| {
            let mut dice = Dice(seed);
            (0..20).map(|_| Calls { syncs: 9, writes: 90, names: 3 }.fault(&mut dice)).collect::<Vec<_>>()
        };
        assert_eq!(faults(1), faults(1));
        assert_ne!(faults(1), faults(2));
    }
}
