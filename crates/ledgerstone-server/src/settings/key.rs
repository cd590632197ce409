//! The keys of the configuration: their names, what they expect, and where their values go.

use std::net::SocketAddr;
use std::time::Duration;

use ledgerstone::core::{Locator, RateRule, Tenant};
use ledgerstone::resilience::parse_rate_rule;

use super::{Secret, Settings};
use crate::duration_text::parse_duration;
use crate::telemetry::LogFormat;

/// One key of the configuration.
pub(super) struct Key {
    /// Its name, the section before a dot.
    pub(super) name: &'static str,
    /// What its value must be.
    pub(super) expects: &'static str,
    /// Whether its value may not be shown.
    pub(super) secret: bool,
    /// Checks a value and puts it into the settings.
    pub(super) set: fn(&mut Settings, &str) -> Option<()>,
}

/// The shortest token that is taken.
const SHORTEST_TOKEN: usize = 16;

/// Every key.
pub(super) const KEYS: &[Key] = &[
    Key {
        name: "store",
        expects: "a store locator such as file:./data, sqlite:app.db, http://127.0.0.1:7400 or memory:",
        secret: false,
        set: |settings, text| text.parse::<Locator>().ok().map(|store| settings.store = store),
    },
    Key {
        name: "tenant",
        expects: "the name of a tenant, or nothing for the default one",
        secret: false,
        set: |settings, text| Tenant::new(text).ok().map(|tenant| settings.tenant = tenant),
    },
    Key {
        name: "server.listen",
        expects: "an address and a port such as 127.0.0.1:7400",
        secret: false,
        set: |settings, text| listen(text).map(|address| settings.server.listen = address),
    },
    Key {
        name: "server.token",
        expects: "a secret of at least 16 printable characters without spaces",
        secret: true,
        set: |settings, text| token(text).map(|token| settings.server.token = Some(token)),
    },
    Key {
        name: "server.body_bytes",
        expects: "a number of bytes from 1024 to 268435456",
        secret: false,
        set: |settings, text| number(text, 1024, 268_435_456).map(|bytes| settings.server.body_bytes = bytes),
    },
    Key {
        name: "server.system_appends",
        expects: "true or false",
        secret: false,
        set: |settings, text| text.parse().ok().map(|may| settings.server.system_appends = may),
    },
    Key {
        name: "server.connections",
        expects: "a number of connections from 1 to 1000000",
        secret: false,
        set: |settings, text| number(text, 1, 1_000_000).map(|most| settings.server.connections = most),
    },
    Key {
        name: "server.header_seconds",
        expects: "a number of seconds from 1 to 3600",
        secret: false,
        set: |settings, text| {
            let seconds: u64 = number(text, 1, 3600)?;
            settings.server.header_timeout = Duration::from_secs(seconds);
            Some(())
        },
    },
    Key {
        name: "server.drain_seconds",
        expects: "a number of seconds from 0 to 3600",
        secret: false,
        set: |settings, text| {
            let seconds: u64 = number(text, 0, 3600)?;
            settings.server.drain = Duration::from_secs(seconds);
            Some(())
        },
    },
    Key {
        name: "server.drain_delay_seconds",
        expects: "a number of seconds from 0 to 3600",
        secret: false,
        set: |settings, text| {
            let seconds: u64 = number(text, 0, 3600)?;
            settings.server.drain_delay = Duration::from_secs(seconds);
            Some(())
        },
    },
    Key {
        name: "server.timeout_seconds",
        expects: "a number of seconds from 1 to 3600",
        secret: false,
        set: |settings, text| {
            let seconds: u64 = number(text, 1, 3600)?;
            settings.server.timeout = Duration::from_secs(seconds);
            Some(())
        },
    },
    Key {
        name: "server.rate_limit",
        expects: "one rule or several such as 200/s, 100000/d; or off",
        secret: false,
        set: |settings, text| rates(text).map(|rules| settings.server.rate_limit = rules),
    },
    Key {
        name: "server.max_in_flight",
        expects: "a number of requests from 1 to 1000000, or off",
        secret: false,
        set: |settings, text| {
            let most = || number(text, 1, 1_000_000).map(Some);
            settings.server.max_in_flight = if text == "off" { None } else { most()? };
            Some(())
        },
    },
    Key {
        name: "server.queue",
        expects: "a number of requests from 0 to 1000000",
        secret: false,
        set: |settings, text| number(text, 0, 1_000_000).map(|queue| settings.server.queue = queue),
    },
    Key {
        name: "server.cors_origins",
        expects: "origins such as https://shop.example, https://desk.example; or * for every one; or off",
        secret: false,
        set: |settings, text| origins(text).map(|origins| settings.server.cors_origins = origins),
    },
    Key {
        name: "server.cors_credentials",
        expects: "true or false",
        secret: false,
        set: |settings, text| text.parse().ok().map(|may| settings.server.cors_credentials = may),
    },
    Key {
        name: "server.compression",
        expects: "true or false",
        secret: false,
        set: |settings, text| text.parse().ok().map(|may| settings.server.compression = may),
    },
    Key {
        name: "redis.url",
        expects: "the address of a Redis such as redis://127.0.0.1:6379, in a build that has Redis",
        secret: true,
        set: |settings, text| {
            let is_redis = cfg!(feature = "redis") && text.starts_with("redis://");
            is_redis.then(|| settings.redis = Some(Secret::new(text.to_owned())))
        },
    },
    Key {
        name: "redis.prefix",
        expects: "1 to 64 letters, digits and -_.: with which the keys in Redis begin",
        secret: false,
        set: |settings, text| {
            let sound = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte);
            let fits = (1..=64).contains(&text.len()) && text.bytes().all(sound);
            fits.then(|| text.clone_into(&mut settings.redis_prefix))
        },
    },
    Key {
        name: "scavenge.every",
        expects: "a span of time from 1s such as 1h or 30m, or off",
        secret: false,
        set: |settings, text| {
            let span = || parse_duration(text).filter(|span| !span.is_zero()).map(Some);
            settings.scavenge.every = if text == "off" { None } else { span()? };
            Some(())
        },
    },
    Key {
        name: "protocols.umadb.listen",
        expects: "an address and a port such as 127.0.0.1:50051, or off",
        secret: false,
        set: |settings, text| {
            settings.server.umadb = if text == "off" { None } else { Some(listen(text)?) };
            Some(())
        },
    },
    Key {
        name: "scavenge.bytes_per_second",
        expects: "a number of bytes from 1024, or 0 for as fast as the disk",
        secret: false,
        set: |settings, text| {
            let bytes: u64 = text.parse().ok().filter(|bytes| *bytes == 0 || *bytes >= 1024)?;
            settings.scavenge.bytes_per_second = (bytes > 0).then_some(bytes);
            Some(())
        },
    },
    Key {
        name: "scavenge.least_percent",
        expects: "a number from 0 to 100",
        secret: false,
        set: |settings, text| number(text, 0, 100).map(|least| settings.scavenge.least_percent = least),
    },
    Key {
        name: "log.filter",
        expects: "a log filter such as info or warn,ledgerstone=debug",
        secret: false,
        set: |settings, text| filter(text).map(|filter| settings.log.filter = filter),
    },
    Key {
        name: "log.format",
        expects: "text or json",
        secret: false,
        set: |settings, text| log_format(text).map(|format| settings.log.format = format),
    },
];

impl Key {
    /// Finds a key by its name.
    pub(super) fn find(name: &str) -> Option<&'static Self> {
        KEYS.iter().find(|key| key.name == name)
    }

    /// Tells whether the name is that of a section.
    pub(super) fn is_section(name: &str) -> bool {
        KEYS.iter().any(|key| key.name.strip_prefix(name).is_some_and(|rest| rest.starts_with('.')))
    }
}

fn number<T: std::str::FromStr + PartialOrd>(text: &str, least: T, most: T) -> Option<T> {
    text.parse().ok().filter(|number| *number >= least && *number <= most)
}

fn listen(text: &str) -> Option<SocketAddr> {
    match text.strip_prefix("localhost:") {
        Some(port) => format!("127.0.0.1:{port}").parse().ok(),
        None => text.parse().ok(),
    }
}

fn token(text: &str) -> Option<Secret> {
    let sound = text.len() >= SHORTEST_TOKEN && text.chars().all(|c| c.is_ascii_graphic());
    sound.then(|| Secret::new(text))
}

fn rates(text: &str) -> Option<Vec<RateRule>> {
    if text == "off" {
        return Some(Vec::new());
    }
    text.split(',').map(|rule| parse_rate_rule(rule.trim()).ok()).collect()
}

/// Reads a list; what its origins are is checked with the other keys, so that the reason can be told.
fn origins(text: &str) -> Option<Vec<String>> {
    if text == "off" {
        return Some(Vec::new());
    }
    let origins: Vec<_> = text.split(',').map(|origin| origin.trim().to_owned()).collect();
    origins.iter().all(|origin| !origin.is_empty()).then_some(origins)
}

fn filter(text: &str) -> Option<String> {
    tracing_subscriber::EnvFilter::builder().parse(text).ok().map(|_| text.to_owned())
}

fn log_format(text: &str) -> Option<LogFormat> {
    match text {
        "text" => Some(LogFormat::Text),
        "json" => Some(LogFormat::Json),
        _ => None,
    }
}
