//! Endpoint slices as the API of Kubernetes writes them (discovery.k8s.io/v1), and endpoints made of them.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::gateway::endpoint::Endpoint;

/// The pages of a list that were read so far.
#[derive(Debug, Default)]
pub(crate) struct Slices {
    by_address: BTreeMap<String, Endpoint>,
    version: Option<String>,
    rest: Option<String>,
}

impl Slices {
    /// Returns what asks for the next page, if there is one.
    pub(crate) fn rest(&self) -> Option<&str> {
        self.rest.as_deref()
    }

    /// Reads a page; an endpoint may stand in several slices while they are rewritten, and counts once.
    pub(crate) fn take_page(&mut self, page: &[u8], port: Option<&str>) -> Result<(), String> {
        let List { metadata, items } = serde_json::from_slice(page).map_err(|error| error.to_string())?;
        for slice in items {
            for endpoint in slice.endpoints(port)? {
                self.by_address.insert(endpoint.address.clone(), endpoint);
            }
        }
        self.version = metadata.resource_version;
        self.rest = metadata.rest.filter(|rest| !rest.is_empty());
        Ok(())
    }

    /// Returns the endpoints, and the version at which they were so.
    pub(crate) fn into_endpoints(self) -> (Vec<Endpoint>, Option<String>) {
        (self.by_address.into_values().collect(), self.version)
    }
}

#[derive(Deserialize)]
struct List {
    #[serde(default)]
    metadata: ListMetadata,
    items: Vec<Slice>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct ListMetadata {
    resource_version: Option<String>,
    #[serde(rename = "continue")]
    rest: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Slice {
    #[serde(default)]
    address_type: String,
    #[serde(default)]
    endpoints: Option<Vec<SliceEndpoint>>,
    #[serde(default)]
    ports: Option<Vec<SlicePort>>,
}

#[derive(Deserialize)]
struct SliceEndpoint {
    addresses: Vec<String>,
    #[serde(default)]
    conditions: Conditions,
}

#[derive(Deserialize, Default)]
struct Conditions {
    /// Nothing means ready (the API says so).
    ready: Option<bool>,
}

#[derive(Deserialize)]
struct SlicePort {
    name: Option<String>,
    port: Option<u16>,
}

impl Slice {
    fn endpoints(&self, wanted: Option<&str>) -> Result<Vec<Endpoint>, String> {
        // Names (FQDN) are deprecated, and would have to be resolved once more.
        if !matches!(self.address_type.as_str(), "IPv4" | "IPv6") {
            return Ok(Vec::new());
        }
        let Some(port) = self.port(wanted)? else { return Ok(Vec::new()) };
        let endpoints = self.endpoints.iter().flatten();
        let ready = endpoints.filter(|endpoint| endpoint.conditions.ready != Some(false));
        let mut found = Vec::new();
        for address in ready.flat_map(|endpoint| &endpoint.addresses) {
            let address: IpAddr = address.parse().map_err(|_| format!("{address:?} is no IP address"))?;
            found.push(Endpoint::at(address, port));
        }
        Ok(found)
    }

    /// Returns the port of the wanted name, or the only one.
    fn port(&self, wanted: Option<&str>) -> Result<Option<u16>, String> {
        let ports = self.ports.as_deref().unwrap_or_default();
        match (wanted, ports) {
            (Some(wanted), _) => {
                let named = ports.iter().find(|port| port.name.as_deref().unwrap_or_default() == wanted);
                Ok(named.and_then(|port| port.port))
            }
            (None, []) => Ok(None),
            (None, [only]) => Ok(only.port),
            (None, several) => {
                let names: Vec<_> = several.iter().filter_map(|port| port.name.as_deref()).collect();
                Err(format!("the service has several ports; name one of {}", names.join(", ")))
            }
        }
    }
}

/// What a line of a watch tells.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// Something is other than it was, or the watch cannot go on from where it began.
    Change,
    /// Nothing changed up to this version.
    Bookmark(String),
}

impl Told {
    pub(crate) fn read(line: &[u8]) -> Result<Self, String> {
        let told: Event = serde_json::from_slice(line).map_err(|error| error.to_string())?;
        match (told.event.as_str(), told.object.metadata.resource_version) {
            ("BOOKMARK", Some(version)) => Ok(Self::Bookmark(version)),
            ("ADDED" | "MODIFIED" | "DELETED" | "ERROR" | "BOOKMARK", _) => Ok(Self::Change),
            (other, _) => Err(format!("{other:?} is no event of a watch")),
        }
    }
}

#[derive(Deserialize)]
struct Event {
    #[serde(rename = "type")]
    event: String,
    object: Object,
}

#[derive(Deserialize)]
struct Object {
    #[serde(default)]
    metadata: ListMetadata,
    #[serde(flatten)]
    _rest: BTreeMap<String, IgnoredAny>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoints(page: &str, port: Option<&str>) -> Result<Vec<String>, String> {
        let mut slices = Slices::default();
        slices.take_page(page.as_bytes(), port)?;
        Ok(slices.into_endpoints().0.into_iter().map(|endpoint| endpoint.address).collect())
    }

    #[test]
    fn ready_endpoints_of_the_port_are_taken_once() {
        let page = r#"{"metadata": {"resourceVersion": "7"}, "items": [
            {"addressType": "IPv4", "ports": [{"name": "http", "port": 8080}, {"name": "admin", "port": 9}],
             "endpoints": [{"addresses": ["10.0.0.1"]},
                           {"addresses": ["10.0.0.2"], "conditions": {"ready": false}}]},
            {"addressType": "IPv6", "ports": [{"name": "http", "port": 8080}],
             "endpoints": [{"addresses": ["fd00::1"], "conditions": {"ready": true}}]},
            {"addressType": "IPv4", "ports": [{"name": "http", "port": 8080}],
             "endpoints": [{"addresses": ["10.0.0.1"], "conditions": {"ready": true}}]},
            {"addressType": "IPv4", "ports": null, "endpoints": null}]}"#;
        let found = endpoints(page, Some("http")).expect("endpoints");
        assert_eq!(found, ["10.0.0.1:8080", "[fd00::1]:8080"]);
        assert!(endpoints(page, None).expect_err("several").contains("http, admin"));
        assert_eq!(endpoints(page, Some("metrics")), Ok(Vec::new()));
    }

    #[test]
    fn what_is_no_list_is_refused() {
        for wrong in ["", "[]", "{}", r#"{"items": 3}"#, r#"{"items": [{"endpoints": 4}]}"#] {
            assert!(endpoints(wrong, None).is_err(), "{wrong}");
        }
        let odd = r#"{"items": [{"addressType": "IPv4", "ports": [{"port": 1}],
            "endpoints": [{"addresses": ["evil.example"]}]}]}"#;
        assert!(endpoints(odd, None).is_err());
    }

    #[test]
    fn a_watch_tells_of_changes_and_bookmarks() {
        let read = |text: &str| Told::read(text.as_bytes());
        let bookmark = r#"{"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "9"}}}"#;
        assert_eq!(read(bookmark), Ok(Told::Bookmark("9".to_owned())));
        let change = r#"{"type": "MODIFIED", "object": {"kind": "EndpointSlice", "metadata": {}}}"#;
        assert_eq!(read(change), Ok(Told::Change));
        assert_eq!(read(r#"{"type": "ERROR", "object": {"code": 410}}"#), Ok(Told::Change));
        assert!(read(r#"{"type": "GREETING", "object": {}}"#).is_err());
        assert!(read("nonsense").is_err());
    }
}
