//! The command line: `ledgerstone <noun> <verb>`, and what every command shares.

mod backup;
mod bench;
mod breakers;
mod cache;
mod completions;
mod demo;
mod doctor;
mod events;
mod events_append;
mod events_digest;
mod events_verify;
mod explain;
mod export;
mod import;
mod import_restore;
mod limits;
mod policies;
mod read_models;
mod read_models_query;
mod read_models_report;
mod restore;
mod selection_arguments;
mod serve;
mod services;
mod stores;
mod streams;
mod streams_list;
mod subscriptions;
mod usage;

use std::ffi::OsString;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Arg, Args, Command, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use ledgerstone::core::{Code, ErrorKind, Tenant, TenantScope};
use ledgerstone::stores::Backend;

use crate::compose::{Access, Opened, open_reading, open_store, open_to_check, server_of};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;
use crate::progress_bar::ProgressBar;
use crate::remote::Remote;
use crate::settings::{Overrides, Settings};
use crate::telemetry::init_warnings;

const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  failed
  2  the command line, the configuration, the token or the input is wrong
  3  refused by a guard: a revision, a condition, a mark, an id, a tombstone, a store that is not empty
  4  what was named does not exist
  5  it may work later: the store is in use by another process, unreachable or slow
  6  done, except for rows that were rejected, keys that stay parked, or problems that were found
  7  the store cannot be used as it is: read-only, full, damaged, newer, foreign
  130  interrupted; what was done so far is consistent

An error names its code: ledgerstone explain LS0001";

/// The infrastructure layer of event-sourced services, in one binary.
#[derive(Debug, Parser)]
#[command(name = "ledgerstone", version, after_help = EXIT_CODES, disable_help_subcommand = true)]
struct Cli {
    #[command(flatten)]
    globals: Globals,
    #[command(subcommand)]
    noun: Noun,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Options of every command")]
struct Globals {
    /// Where the data lives: file:FOLDER, sqlite:PATH, http://HOST:PORT or memory:
    #[arg(long, global = true, value_name = "LOCATOR")]
    store: Option<String>,
    /// Read this file instead of ledgerstone.toml
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Read the file of this profile too, such as ledgerstone.prod.toml
    #[arg(long, global = true, value_name = "NAME", env = "LEDGERSTONE_PROFILE")]
    profile: Option<String>,
    /// Print JSON: one document, or one a line; errors as problem documents
    #[arg(long, global = true)]
    json: bool,
    /// Leave out remarks and progress
    #[arg(long, short, global = true)]
    quiet: bool,
    /// Tell more of what is done
    #[arg(long, short, global = true)]
    verbose: bool,
    /// The bearer token of the server
    #[arg(long, global = true, value_name = "TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// Only read the store, that of a file: folder beside whoever owns it, and change nothing
    #[arg(long, global = true)]
    read_only: bool,
    /// Work on the data of this tenant
    #[arg(long, global = true, value_name = "NAME")]
    tenant: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Noun {
    /// Show everything in small: a client directory, from feed to search
    Demo(demo::Demo),
    /// Serve the store over HTTP and keep read models up to date
    Serve(serve::Serve),
    /// Append, read and follow events
    #[command(subcommand)]
    Events(events::Events),
    /// List, truncate and delete streams
    #[command(subcommand)]
    Streams(streams::Streams),
    /// Reclaim what was removed, and archive
    #[command(subcommand)]
    Stores(stores::Stores),
    /// Declare, query and rebuild read models
    #[command(subcommand)]
    ReadModels(read_models::ReadModels),
    /// See and steer what follows the log
    #[command(subcommand)]
    Subscriptions(subscriptions::Subscriptions),
    /// See and steer the circuit breakers of a running server
    #[command(subcommand)]
    Breakers(breakers::Breakers),
    /// See the policies of calls: their slots, in order
    #[command(subcommand)]
    Policies(policies::Policies),
    /// See and steer the rate limits of a running server
    #[command(subcommand)]
    Limits(limits::Limits),
    /// Use and steer the caches of a running server
    #[command(subcommand)]
    Cache(cache::CacheCommand),
    /// See the services behind a running server
    #[command(subcommand)]
    Services(services::Services),
    /// Import events from NDJSON or CSV
    Import(import::ImportCommand),
    /// Export events as NDJSON
    Export(export::ExportCommand),
    /// Copy the store into a folder, while it is written to, and check such copies
    Backup(backup::BackupCommand),
    /// Make a store of a backup
    Restore(restore::RestoreCommand),
    /// Look whether all is well, without changing anything
    Doctor(doctor::Doctor),
    /// Measure what this build does on this machine
    Bench(bench::Bench),
    /// Explain an error code, or list them all
    Explain(explain::Explain),
    /// Print a completion script for a shell
    Completions(completions::Completions),
}

/// What a command works with.
#[derive(Debug)]
struct Session {
    settings: Settings,
    output: Output,
    /// What was opened, to be closed in the end.
    opened: Option<Backend>,
    /// Whether nothing of the store may be changed.
    read_only: bool,
    /// What the command line says about the settings, to read them again.
    overrides: Overrides,
}

impl Session {
    /// Opens the configured store, or goes through the server that owns it.
    async fn open(&mut self, access: Access) -> Result<Opened, Failure> {
        if self.read_only && access == Access::Write {
            return Err(Failure::usage(
                "this command changes the store, and --read-only says that it must not",
            ));
        }
        let rebuild = ProgressBar::of_indexes(&self.output);
        let opened = match self.read_only {
            true => open_reading(&self.settings, rebuild).await?,
            false => open_store(&self.settings, access, rebuild).await?,
        };
        Ok(self.keep(opened))
    }

    /// Opens the configured store to check its events, and changes no folder that nobody owns.
    async fn open_to_check(&mut self) -> Result<Opened, Failure> {
        let rebuild = ProgressBar::of_indexes(&self.output);
        let opened = match self.read_only {
            true => open_reading(&self.settings, rebuild).await?,
            false => open_to_check(&self.settings, rebuild).await?,
        };
        Ok(self.keep(opened))
    }

    /// Keeps what was opened until the command ends, and says how it was.
    fn keep(&mut self, opened: Opened) -> Opened {
        self.opened = Some(opened.backend.clone());
        if opened.is_read_only {
            self.output.detail(format!("{} is only read, beside whoever writes to it", opened.locator));
        }
        if opened.locator != self.settings.store {
            self.output
                .detail(format!("{} is in use; going through {}", self.settings.store, opened.locator));
        }
        opened
    }

    /// Returns the server that owns the store, which alone has what was asked for.
    async fn server(&mut self, what: &str) -> Result<Remote, Failure> {
        match server_of(&self.settings).await? {
            Some(server) => Ok(server),
            None => {
                let message =
                    format!("{what} belong to a running server, and none serves {}", self.settings.store);
                Err(Failure::new(ErrorKind::Unavailable, Code::Unreachable, message)
                    .with_help("start it with ledgerstone serve, or name it with --store http://HOST:PORT"))
            }
        }
    }

    /// Closes the store, however the command ended, so that it leaves one file and the next command need not wait.
    async fn close(&mut self) {
        if let Some(backend) = self.opened.take() {
            backend.close().await;
        }
    }

    fn tenant(&self) -> Tenant {
        self.settings.tenant.clone()
    }

    fn scope(&self) -> TenantScope {
        TenantScope::One(self.tenant())
    }
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let json = arguments.iter().any(|argument| argument == "--json");
    let parsed = grammar().try_get_matches_from(&arguments);
    let exit = match parsed.and_then(|matches| Cli::from_arg_matches(&matches)) {
        Ok(cli) => run(cli),
        Err(error) => usage::usage(&error, json),
    };
    exit.into()
}

/// Returns the grammar, in which a negative number is a value like any other and no unknown option.
fn grammar() -> Command {
    fn with_negative_numbers(command: Command) -> Command {
        let allowing = |argument: Arg| match argument.get_action().takes_values() {
            true => argument.allow_negative_numbers(true),
            false => argument,
        };
        command.mut_args(allowing).mut_subcommands(with_negative_numbers)
    }
    with_negative_numbers(Cli::command())
}

fn run(cli: Cli) -> Exit {
    let json = cli.globals.json;
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            Output::failure(json, &Failure::io("the runtime cannot be started", &error));
            return Exit::Failed;
        }
    };
    let ended = runtime.block_on(Box::pin(execute(cli)));
    // What still runs in the background may not hold the process up.
    runtime.shutdown_timeout(std::time::Duration::from_secs(2));
    let _ = std::io::stdout().flush();
    ended.unwrap_or_else(|failure| {
        if failure.exit() != Exit::Done {
            Output::failure(json, &failure);
        }
        failure.exit()
    })
}

async fn execute(cli: Cli) -> Result<Exit, Failure> {
    let Globals { json, quiet, verbose, .. } = cli.globals;
    let output = Output::new(json, quiet, verbose);
    let mut overrides = overrides(&cli.globals);
    if let Noun::Serve(serve) = &cli.noun {
        overrides.flags.extend(serve.flags());
    }
    // What needs no store works with a broken configuration too.
    let settings = match &cli.noun {
        Noun::Explain(_) | Noun::Completions(_) => Settings::default(),
        Noun::Doctor(doctor) => return doctor.run(&overrides, output).await,
        _ => Settings::load(&overrides)?,
    };
    if !quiet && !matches!(cli.noun, Noun::Serve(_)) {
        init_warnings(json);
    }
    let read_only = cli.globals.read_only;
    let mut session = Session { settings, output, opened: None, read_only, overrides };
    let session = &mut session;
    let ended = match cli.noun {
        Noun::Demo(command) => command.run(session).await,
        Noun::Serve(command) => command.run(session).await,
        Noun::Events(command) => command.run(session).await,
        Noun::Streams(command) => command.run(session).await,
        Noun::Stores(command) => command.run(session).await,
        Noun::ReadModels(command) => command.run(session).await,
        Noun::Subscriptions(command) => command.run(session).await,
        Noun::Breakers(command) => command.run(session).await,
        Noun::Policies(command) => command.run(session).await,
        Noun::Limits(command) => command.run(session).await,
        Noun::Cache(command) => command.run(session).await,
        Noun::Services(command) => command.run(session).await,
        Noun::Import(command) => command.run(session).await,
        Noun::Export(command) => command.run(session).await,
        Noun::Backup(command) => command.run(session).await,
        Noun::Restore(command) => command.run(session).await,
        Noun::Doctor(_) => Ok(Exit::Done),
        Noun::Bench(command) => command.run(session).await,
        Noun::Explain(command) => command.run(session),
        Noun::Completions(command) => command.run(session, Cli::command()),
    };
    session.close().await;
    let exit = ended?;
    session.output.flush()?;
    Ok(exit)
}

fn overrides(globals: &Globals) -> Overrides {
    let flags = [("store", &globals.store, "--store"), ("server.token", &globals.token, "--token")];
    let flags = flags.into_iter().chain([("tenant", &globals.tenant, "--tenant")]);
    let given = flags.filter_map(|(key, value, flag)| Some((key, value.clone()?, flag)));
    Overrides { config: globals.config.clone(), profile: globals.profile.clone(), flags: given.collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grammar_is_sound() {
        grammar().debug_assert();
    }
}
