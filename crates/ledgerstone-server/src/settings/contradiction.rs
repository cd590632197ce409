//! Contradictions: values that are each valid and cannot be meant together, refused with the reason.

use std::time::Duration;

use ledgerstone::core::RateRule;
use ledgerstone::http::{Cors, CorsOptions, InvalidCors};
use ledgerstone::resilience::RateSettings;

use super::{InvalidSettings, ServerSettings, Settings};

/// The headers that pages of elsewhere may send.
const CORS_HEADERS: &[&str] = &[
    "authorization",
    "content-type",
    "content-encoding",
    "last-event-id",
    "ledgerstone-tenant",
    "ledgerstone-system",
    "traceparent",
    "x-correlation-id",
    "x-request-id",
    "x-ledgerstone-deadline-ms",
];

/// The headers of an answer that they may read.
const CORS_EXPOSED: &[&str] = &[
    "ledgerstone-head",
    "ledgerstone-log",
    "ledgerstone-more",
    "ledgerstone-read-to",
    "ratelimit",
    "ratelimit-policy",
    "retry-after",
    "x-correlation-id",
    "x-request-id",
];

impl ServerSettings {
    /// Returns what web pages of elsewhere may do; nothing if none may.
    pub fn cors(&self) -> Result<Option<Cors>, InvalidCors> {
        if self.cors_origins.is_empty() {
            return Ok(None);
        }
        let named = |names: &[&'static str]| {
            names.iter().map(|name| axum::http::HeaderName::from_static(name)).collect()
        };
        let options = CorsOptions {
            origins: self.cors_origins.clone(),
            headers: named(CORS_HEADERS),
            exposed: named(CORS_EXPOSED),
            credentials: self.cors_credentials,
            ..CorsOptions::default()
        };
        Cors::new(&options).map(Some)
    }
}

impl Settings {
    /// Refuses values that contradict one another.
    pub(super) fn check(&self) -> Result<(), InvalidSettings> {
        let server = &self.server;
        if let Err(reason) = server.cors() {
            return Err(self.refused("server.cors_origins", &reason.to_string()));
        }
        if server.cors_origins.iter().any(|origin| origin == "*") && server.token.is_none() {
            let reason = "without server.token any web page that somebody opens could read and write the store; \
                name the origins, or set a token";
            return Err(self.refused("server.cors_origins", reason));
        }
        if server.cors_credentials && server.cors_origins.is_empty() {
            let reason = "no page of elsewhere may call; set server.cors_origins too, or leave this out";
            return Err(self.refused("server.cors_credentials", reason));
        }
        if server.max_in_flight.is_none() && server.queue > 0 && self.is_given("server.queue") {
            let reason = "nothing waits while server.max_in_flight is off; set that too, or leave this out";
            return Err(self.refused("server.queue", reason));
        }
        let rules = &server.rate_limit;
        if rules.is_empty() {
            return Ok(());
        }
        let invalid = RateSettings::local(rules.clone()).check().err().map(|invalid| invalid.to_string());
        match invalid.or_else(|| find_idle_rule(rules)) {
            Some(reason) => Err(self.refused("server.rate_limit", &reason)),
            None => Ok(()),
        }
    }

    fn is_given(&self, key: &str) -> bool {
        self.origins.iter().any(|(given, ..)| *given == key)
    }

    /// Says why the value of a key cannot be, where it was given.
    fn refused(&self, key: &str, reason: &str) -> InvalidSettings {
        let given = self.origins.iter().rev().find(|(given, ..)| *given == key);
        InvalidSettings(match given {
            Some((_, value, origin)) => {
                format!("{origin}: {} cannot be {value:?}: {reason}", origin.spell(key))
            }
            None => format!("{key}: {reason}"),
        })
    }
}

/// Says which rule can never be the one that refuses: whoever wrote it meant something else.
pub(crate) fn find_idle_rule(rules: &[RateRule]) -> Option<String> {
    for shorter in rules {
        for longer in rules.iter().filter(|longer| longer.per > shorter.per) {
            let (few, many) = (shown(shorter), shown(longer));
            if longer.limit <= shorter.limit {
                return Some(format!(
                    "{few} never refuses anything beside {many}; leave it out, or change one"
                ));
            }
            let most = u128::from(shorter.limit) * longer.per.as_millis();
            if u128::from(longer.limit) * shorter.per.as_millis() >= most {
                return Some(format!("{many} is never reached beside {few}; leave it out, or change one"));
            }
        }
    }
    None
}

fn shown(rule: &RateRule) -> String {
    let unit = [(1, "s"), (60, "m"), (3_600, "h"), (86_400, "d")]
        .into_iter()
        .find(|(seconds, _)| rule.per == Duration::from_secs(*seconds));
    match unit {
        Some((_, unit)) => format!("{}/{unit}", rule.limit),
        None => format!("{} in {:?}", rule.limit, rule.per),
    }
}
