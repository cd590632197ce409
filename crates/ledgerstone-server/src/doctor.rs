//! The doctor: looks at everything that commonly goes wrong, and changes nothing.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::StreamExt as _;
use ledgerstone::core::{
    Collection, CollectionName, CollectionRef, CollectionState, Filter, LogKind, Position, Selection,
    TenantScope, Timestamp,
};
use ledgerstone::engine::PARKED;
use ledgerstone::stores::{Inspection, Owner, RebuildWatch};
use serde::Serialize;
use serde_json::Value;

use crate::compose::{Access, Opened, clock, has_files, inspect_files, is_missing, open_store, owner};
use crate::failure::Failure;
use crate::log_check::{LogCheck, check_log};
use crate::output::grouped;
use crate::settings::Settings;

/// What the doctor thinks of something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// All is well.
    Well,
    /// It works, and should be known.
    Note,
    /// Somebody must do something.
    Problem,
}

/// Something that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What.
    pub about: String,
    /// How it is.
    pub health: Health,
    /// What was seen, and what to do.
    pub detail: String,
}

fn finding(about: &str, health: Health, detail: impl Into<String>) -> Finding {
    Finding { about: about.to_owned(), health, detail: detail.into() }
}

/// Below this much free space the disk may soon be full: a segment of the log and what a rebuild needs beside it.
const SCARCE_BYTES: u64 = 256 * 1024 * 1024;
/// Below this much, the next segment of the log cannot be filled.
const SPENT_BYTES: u64 = 64 * 1024 * 1024;
/// A clock before 2024 was never set.
const PLAUSIBLE_SINCE_MICROS: i64 = 1_704_067_200_000_000;
/// How far behind the log a clock may be before somebody should look.
const CLOCK_SLACK: Duration = Duration::from_secs(5);

/// Looks at the configured store and at what surrounds it; if `deep`, at every event too.
pub async fn examine(settings: &Settings, deep: bool, rebuild: RebuildWatch) -> Vec<Finding> {
    let mut findings = configuration(settings);
    let now = clock().now();
    if now.as_micros() < PLAUSIBLE_SINCE_MICROS {
        findings.push(finding("clock", Health::Problem, format!("it says {now}; set the machine's clock")));
    } else {
        findings.push(finding("clock", Health::Well, now.to_string()));
    }
    if has_files(&settings.store) {
        folder(Path::new(settings.store.place()), &mut findings);
    }
    match owner(&settings.store).await {
        Ok(None) => {}
        Ok(Some(Owner { pid, address: Some(address) })) => {
            let detail = format!("process {pid}, a server at http://{address}; commands go through it");
            findings.push(finding("owner", Health::Note, detail));
        }
        Ok(Some(Owner { pid, address: None })) => {
            // It answers nobody, and to open the store beside it would only fail.
            let detail = format!(
                "process {pid}, which is no server: other commands are refused until it ends; its events and \
                 read models were not looked at"
            );
            findings.push(finding("owner", Health::Note, detail));
            return findings;
        }
        Err(failure) => findings.push(failed("owner", &failure)),
    }
    if is_missing(&settings.store) {
        let detail = format!("{} is not there yet; the first append or import makes it", settings.store);
        findings.push(finding("store", Health::Note, detail));
        return findings;
    }
    let files = if deep { inspect_files(&settings.store).await } else { Ok(None) };
    let files = files.unwrap_or_else(|failure| {
        findings.push(failed("files", &failure));
        None
    });
    match open_store(settings, Access::Read, rebuild).await {
        Ok(opened) => {
            let mut looked = store(&opened, &mut findings).await;
            if deep && looked.is_ok() {
                looked = log(&opened, files, &mut findings).await;
            }
            opened.backend.close().await;
            if let Err(failure) = looked {
                findings.push(failed("store", &failure));
            }
        }
        Err(failure) => {
            findings.push(failed("store", &failure));
            damage(&LogCheck::default().with_files(files), &mut findings);
        }
    }
    findings
}

/// Tells of a failure as a finding.
pub fn failed(about: &str, failure: &Failure) -> Finding {
    let detail = format!("{} {}; {}", failure.code(), failure.message(), failure.help());
    finding(about, Health::Problem, detail)
}

fn configuration(settings: &Settings) -> Vec<Finding> {
    let mut findings = Vec::new();
    if settings.files.is_empty() {
        findings.push(finding("configuration", Health::Well, "no file; defaults, environment and flags"));
    }
    for file in &settings.files {
        findings.push(finding("configuration", Health::Well, file.display().to_string()));
    }
    for given in settings.provenance() {
        let detail = format!("{} ({})", given.value, given.origin);
        findings.push(finding(&format!("setting {}", given.key), Health::Well, detail));
    }
    let public = !settings.server.listen.ip().is_loopback();
    if public && settings.server.token.is_none() {
        let detail =
            format!("{} is public and server.token is not set; serve will refuse", settings.server.listen);
        findings.push(finding("server.listen", Health::Problem, detail));
    }
    findings
}

/// Looks at the folder of a database, without opening it.
fn folder(path: &Path, findings: &mut Vec<Finding>) {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    };
    if folder.is_dir() {
        findings.push(writable(&folder));
        findings.extend(free_space(&folder));
    } else {
        let detail = format!("{} is not there yet", folder.display());
        findings.push(finding("folder", Health::Note, detail));
    }
    if let Ok(metadata) = std::fs::metadata(path)
        && metadata.is_file()
    {
        let log = std::fs::metadata(format!("{}-wal", path.display())).map_or(0, |metadata| metadata.len());
        let detail = format!("{} bytes, {} in the write-ahead log", grouped(metadata.len()), grouped(log));
        findings.push(finding("file", Health::Well, detail));
        findings.extend(
            schema_version(path).map(|version| finding("schema", Health::Well, format!("version {version}"))),
        );
    }
}

#[cfg(unix)]
fn writable(folder: &Path) -> Finding {
    match rustix::fs::access(folder, rustix::fs::Access::WRITE_OK) {
        Ok(()) => finding("folder", Health::Well, format!("{} can be written", folder.display())),
        Err(error) => {
            let detail =
                format!("{} cannot be written ({error}); give this user the right to", folder.display());
            finding("folder", Health::Problem, detail)
        }
    }
}

#[cfg(not(unix))]
fn writable(folder: &Path) -> Finding {
    let read_only = std::fs::metadata(folder).is_ok_and(|metadata| metadata.permissions().readonly());
    let health = if read_only { Health::Problem } else { Health::Well };
    finding("folder", health, folder.display().to_string())
}

#[cfg(unix)]
fn free_space(folder: &Path) -> Option<Finding> {
    let space = rustix::fs::statvfs(folder).ok()?;
    let free = space.f_bavail.saturating_mul(space.f_frsize);
    let health = match free {
        ..SPENT_BYTES => Health::Problem,
        SPENT_BYTES..SCARCE_BYTES => Health::Note,
        _ => Health::Well,
    };
    let advice = if free < SCARCE_BYTES { "; free some before it is full" } else { "" };
    Some(finding("disk", health, format!("{} MiB free{advice}", grouped(free / 1024 / 1024))))
}

#[cfg(not(unix))]
fn free_space(_: &Path) -> Option<Finding> {
    None
}

/// Reads the version of the schema from the header of the file (SQLite file format, 1.3.14).
fn schema_version(path: &Path) -> Option<u32> {
    let mut header = [0; 64];
    File::open(path).ok()?.read_exact(&mut header).ok()?;
    header.starts_with(b"SQLite format 3\0").then_some(())?;
    let version = header.get(60..64)?;
    Some(u32::from_be_bytes(version.try_into().ok()?))
}

async fn store(opened: &Opened, findings: &mut Vec<Finding>) -> Result<(), Failure> {
    let events = &*opened.backend.events;
    let head = events.head().await?;
    let detail = format!(
        "{}: {} events, {} of the system",
        opened.locator,
        grouped(head.heads.application.0),
        grouped(head.heads.system.0)
    );
    findings.push(finding("store", Health::Well, detail));
    if let Some(last) = newest(opened).await? {
        let now = clock().now();
        let ahead = last.since(now);
        if ahead > CLOCK_SLACK {
            let detail =
                format!("it is {} s behind the newest event; set the machine's clock", ahead.as_secs());
            findings.push(finding("clock", Health::Problem, detail));
        }
    }
    findings.extend(told_by_server(opened).await);
    let collections = opened.backend.documents.alter(Vec::new()).await?;
    for collection in &collections {
        findings.extend(read_model(opened, collection, head.heads.application).await?);
    }
    Ok(())
}

/// Asks the server that has the store open what it has found out about it.
async fn told_by_server(opened: &Opened) -> Vec<Finding> {
    const TROUBLES: [(&str, &str, &str); 2] = [
        (
            "log_damaged",
            "log",
            "the server has found damaged places; its own log names file and byte, and so does ledgerstone events \
             verify",
        ),
        (
            "appends_fail",
            "appends",
            "the newest append failed for a reason that is the store's; the server's log has it",
        ),
    ];
    let Some(server) = &opened.remote else { return Vec::new() };
    let ready = server.get("/health/ready").await.unwrap_or_default();
    let told = ready.get("troubles").and_then(Value::as_array).into_iter().flatten();
    let kinds: Vec<&str> = told.filter_map(|trouble| trouble.get("kind")?.as_str()).collect();
    let known = TROUBLES.into_iter().filter(|(kind, ..)| kinds.contains(kind));
    known.map(|(_, about, detail)| finding(about, Health::Problem, detail)).collect()
}

/// Looks at every event.
async fn log(opened: &Opened, files: Option<Inspection>, findings: &mut Vec<Finding>) -> Result<(), Failure> {
    let check = check_log(&*opened.backend.events, &everyone(opened), &|_| {}).await?.with_files(files);
    damage(&check, findings);
    let digest = check.digest.filter(|_| check.problems.is_empty());
    findings.extend(digest.map(|digest| {
        let detail = format!("every event is sound, digest {}", digest.digest);
        finding("log", Health::Well, detail)
    }));
    Ok(())
}

fn damage(check: &LogCheck, findings: &mut Vec<Finding>) {
    findings.extend(check.problems.iter().map(|problem| finding("log", Health::Problem, problem)));
    if check.unlisted > 0 {
        let detail = format!("{} more problems", grouped(check.unlisted));
        findings.push(finding("log", Health::Problem, detail));
    }
}

/// Returns the scope of what concerns the whole store.
fn everyone(opened: &Opened) -> TenantScope {
    let all = opened.backend.events.capabilities().all_tenants;
    if all { TenantScope::All } else { TenantScope::default() }
}

async fn newest(opened: &Opened) -> Result<Option<Timestamp>, Failure> {
    let newest = Selection::all().of(everyone(opened)).log(LogKind::Application).backwards().limit(1);
    let mut frames = opened.backend.events.read(newest);
    while let Some(frame) = frames.next().await {
        if let Some(event) = frame?.events.first() {
            return Ok(Some(event.recorded_at()));
        }
    }
    Ok(None)
}

async fn read_model(
    opened: &Opened,
    collection: &Collection,
    head: Position,
) -> Result<Vec<Finding>, Failure> {
    let id = &collection.definition.id;
    if id.name.as_str() == PARKED {
        // The other generations of that name are fences, which hold nothing.
        let live = collection.state == CollectionState::Live;
        return if live { parked(opened, &id.name).await } else { Ok(Vec::new()) };
    }
    let about = format!("read model {}", id.name);
    let position = collection.checkpoint.map_or(Position::START, |point| point.position);
    let lag = head.0.saturating_sub(position.0);
    let state = if collection.state == CollectionState::Building { "being built, " } else { "" };
    let health = if lag == 0 { Health::Well } else { Health::Note };
    let mut findings = vec![finding(&about, health, format!("{state}{} events behind", grouped(lag)))];
    let slow: Vec<&str> = collection
        .definition
        .fields
        .iter()
        .filter(|field| !field.indexed && !field.searchable && !id.name.as_str().starts_with('$'))
        .map(|field| field.name.as_str())
        .collect();
    if !slow.is_empty() {
        let detail = format!("filters by {} read every document; index what is filtered by", slow.join(", "));
        findings.push(finding(&about, Health::Note, detail));
    }
    Ok(findings)
}

async fn parked(opened: &Opened, name: &CollectionName) -> Result<Vec<Finding>, Failure> {
    let scope = everyone(opened);
    let collection = CollectionRef::Live(name.clone());
    let count = opened.backend.documents.count(&collection, &scope, &Filter::All).await?;
    if count == 0 {
        return Ok(Vec::new());
    }
    let detail = format!("{} keys are parked; see ledgerstone read-models parked NAME", grouped(count));
    Ok(vec![finding("parked keys", Health::Problem, detail)])
}
