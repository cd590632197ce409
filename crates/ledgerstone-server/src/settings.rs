//! Settings: where they come from, which layer wins, and what is said about those that are wrong.
//!
//! Defaults < `ledgerstone.toml` < `ledgerstone.<profile>.toml` < environment < flags.

mod contradiction;
mod key;
mod layer;
mod secret;
mod sections;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use ledgerstone::core::{Locator, RateRule, Tenant};

pub(crate) use self::contradiction::find_idle_rule;
use self::key::{KEYS, Key};
use self::layer::Given;
pub use self::layer::Origin;
pub use self::secret::Secret;
pub use self::sections::Sections;
use crate::telemetry::LogFormat;

/// What a ledgerstone process is told: every key has a default, and every value was checked.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where the data lives.
    pub store: Locator,
    /// Whose data commands work on.
    pub tenant: Tenant,
    /// How the server serves.
    pub server: ServerSettings,
    /// When a server scavenges its store.
    pub scavenge: ScavengeSettings,
    /// What is logged.
    pub log: LogSettings,
    /// The Redis that nodes share limits and caches in, if any.
    pub redis: Option<Secret>,
    /// What the keys there begin with; deployments on one Redis need different ones.
    pub redis_prefix: String,
    /// The sections whose names the user chose: policies, limits, services, routes, caches.
    pub sections: Sections,
    /// The files that were read.
    pub files: Vec<PathBuf>,
    /// Where each key that was given got its value, by key.
    origins: Vec<(&'static str, String, Origin)>,
}

/// How the server serves.
#[derive(Debug, Clone)]
pub struct ServerSettings {
    /// The address to listen on.
    pub listen: SocketAddr,
    /// The address to listen on for clients of UmaDB, if any.
    pub umadb: Option<SocketAddr>,
    /// The bearer token: the server asks for it, and commands that go through a server send it.
    pub token: Option<Secret>,
    /// The largest body of a request in bytes.
    pub body_bytes: usize,
    /// Whether callers may write any system event.
    pub system_appends: bool,
    /// The largest number of connections at a time.
    pub connections: usize,
    /// How long the head of a request may take to arrive.
    pub header_timeout: Duration,
    /// How long the server goes on as unready once it has been told to stop.
    pub drain_delay: Duration,
    /// How long requests under way may take after that.
    pub drain: Duration,
    /// How long a request may take until its response begins.
    pub timeout: Duration,
    /// How often each caller may ask; nothing for as often as it likes.
    pub rate_limit: Vec<RateRule>,
    /// How many requests may be under way at a time; nothing for any number.
    pub max_in_flight: Option<usize>,
    /// How many requests may wait for a place.
    pub queue: usize,
    /// Which web pages of elsewhere may call.
    pub cors_origins: Vec<String>,
    /// Whether their browsers may send what they keep for this server.
    pub cors_credentials: bool,
    /// Whether large answers are compressed.
    pub compression: bool,
}

/// When a server scavenges its store, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScavengeSettings {
    /// How long it waits before each round; nothing for never.
    pub every: Option<Duration>,
    /// How many bytes a round reads and writes a second at most.
    pub bytes_per_second: Option<u64>,
    /// Of how many bytes in a hundred a segment must get rid to be worth it.
    pub least_percent: u8,
}

impl Default for ScavengeSettings {
    fn default() -> Self {
        let every = Some(Duration::from_secs(60 * 60));
        Self { every, bytes_per_second: Some(16 * 1024 * 1024), least_percent: 25 }
    }
}

/// What is logged, and in which shape.
#[derive(Debug, Clone)]
pub struct LogSettings {
    /// Which lines, as in `RUST_LOG`.
    pub filter: String,
    /// In which shape.
    pub format: LogFormat,
}

/// What the command line says about the settings.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    /// The file to read instead of `ledgerstone.toml`; it must exist.
    pub config: Option<PathBuf>,
    /// The profile, whose file stands beside that file.
    pub profile: Option<String>,
    /// Keys given as flags: the key, the value, and the flag's name.
    pub flags: Vec<(&'static str, String, &'static str)>,
}

/// Why settings are not valid; it names the place, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidSettings(String);

/// A key with its value and its origin, as a report shows it; secrets are fingerprints.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Provenance {
    /// The key, or the name of a section.
    pub key: String,
    /// Its value; of a section only how many keys it has, as there may be secrets among them.
    pub value: String,
    /// Where it was given.
    pub origin: String,
}

impl Default for Settings {
    fn default() -> Self {
        let store = "file:./data".parse();
        Self {
            store: store.unwrap_or_else(|_| unreachable!("a constant locator")),
            tenant: Tenant::default(),
            server: ServerSettings {
                listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 7400)),
                umadb: None,
                token: None,
                body_bytes: 64 * 1024 * 1024,
                system_appends: false,
                connections: 1_024,
                header_timeout: Duration::from_secs(10),
                drain_delay: Duration::from_millis(500),
                drain: Duration::from_secs(20),
                timeout: Duration::from_secs(60),
                rate_limit: Vec::new(),
                max_in_flight: Some(1_024),
                queue: 256,
                cors_origins: Vec::new(),
                cors_credentials: false,
                compression: true,
            },
            scavenge: ScavengeSettings::default(),
            log: LogSettings { filter: "info".to_owned(), format: LogFormat::Text },
            redis: None,
            redis_prefix: "ledgerstone".to_owned(),
            sections: Sections::default(),
            files: Vec::new(),
            origins: Vec::new(),
        }
    }
}

impl Settings {
    /// Loads the settings of this process from files, environment and flags.
    pub fn load(overrides: &Overrides) -> Result<Self, InvalidSettings> {
        Self::load_in(Path::new("."), std::env::vars_os(), overrides)
    }

    fn load_in(
        folder: &Path,
        environment: impl Iterator<Item = (std::ffi::OsString, std::ffi::OsString)>,
        overrides: &Overrides,
    ) -> Result<Self, InvalidSettings> {
        let mut settings = Self::default();
        for (path, required) in config_files(folder, overrides) {
            if let Some(given) = layer::read_file(&path, required, &mut settings.sections)? {
                settings.apply(given)?;
                settings.files.push(path);
            }
        }
        let environment = layer::read_environment(environment)?;
        if let Some(port) = environment.port {
            settings.server.listen.set_port(port);
            let listen = settings.server.listen.to_string();
            settings.origins.push(("server.listen", listen, Origin::Variable("PORT".to_owned())));
        }
        settings.apply(environment.given)?;
        let flags = overrides.flags.iter().map(|(key, value, flag)| Given {
            key: (*key).to_owned(),
            value: Ok(value.clone()),
            origin: Origin::Flag(flag),
        });
        settings.apply(flags.collect())?;
        settings.check()?;
        Ok(settings)
    }

    fn apply(&mut self, given: Vec<Given>) -> Result<(), InvalidSettings> {
        for Given { key: name, value, origin } in given {
            if let (true, Ok(text)) = (Sections::holds(&name), &value) {
                self.sections.set(&name, text, origin)?;
                continue;
            }
            let Some(key) = Key::find(&name) else { return Err(unknown_key(&name, &origin)) };
            let applied = match &value {
                Ok(text) => (key.set)(self, text),
                Err(_) => None,
            };
            if applied.is_none() {
                return Err(wrong_value(key, &value, &origin));
            }
            let shown = match (key.secret, value) {
                (true, Ok(text)) => format!("{:?}", Secret::new(text)),
                (_, value) => value.unwrap_or_default(),
            };
            let shown = if key.name == "store" { self.store.to_string() } else { shown };
            self.origins.retain(|(earlier, ..)| *earlier != key.name);
            self.origins.push((key.name, shown, origin));
        }
        Ok(())
    }

    /// Returns the same settings for another store.
    #[must_use]
    pub fn with_store(&self, store: Locator) -> Self {
        Self { store, ..self.clone() }
    }

    /// Returns every key that was given somewhere, with the value and the layer that won.
    pub fn provenance(&self) -> Vec<Provenance> {
        let given = |name: &str| self.origins.iter().rev().find(|(key, ..)| *key == name);
        let found = KEYS.iter().filter_map(|key| given(key.name));
        let shown = found.map(|(key, value, origin)| Provenance {
            key: (*key).to_owned(),
            value: value.clone(),
            origin: origin.to_string(),
        });
        let sections = self.sections.names().map(|(key, origin, keys)| Provenance {
            key,
            value: format!("{keys} keys"),
            origin: origin.to_string(),
        });
        shown.chain(sections).collect()
    }
}

fn config_files(folder: &Path, overrides: &Overrides) -> Vec<(PathBuf, bool)> {
    let base = overrides.config.clone().unwrap_or_else(|| folder.join("ledgerstone.toml"));
    let profile = overrides.profile.as_ref().map(|profile| {
        let stem = base.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        (base.with_file_name(format!("{stem}.{profile}.toml")), true)
    });
    let mut files = vec![(base, overrides.config.is_some())];
    files.extend(profile);
    files
}

fn unknown_key(name: &str, origin: &Origin) -> InvalidSettings {
    let names = KEYS.iter().map(|key| key.name);
    let last = name.rsplit('.').next().unwrap_or(name);
    let nearest = ledgerstone::core::nearest(name, names.clone()).or_else(|| {
        let by_last = |key: &&str| key.rsplit('.').next() == Some(last);
        names.into_iter().find(by_last)
    });
    let hint = match nearest {
        Some(nearest) => format!("did you mean {}?", origin.spell(nearest)),
        None => "there is no such key; see the reference of the configuration".to_owned(),
    };
    InvalidSettings(format!("{origin}: unknown key {}; {hint}", origin.spell(name)))
}

fn wrong_value(key: &Key, value: &Result<String, &'static str>, origin: &Origin) -> InvalidSettings {
    let given = match value {
        Ok(_) if key.secret => "what was given".to_owned(),
        Ok(text) => format!("{text:?}"),
        Err(kind) => (*kind).to_owned(),
    };
    let name = origin.spell(key.name);
    InvalidSettings(format!("{origin}: {name} cannot be {given}; it must be {}", key.expects))
}

#[cfg(test)]
#[path = "settings_tests.rs"]
mod tests;
