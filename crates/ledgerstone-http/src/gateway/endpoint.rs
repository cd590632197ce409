//! Where a service can be reached: one address, how much it gets, and after whom.

use std::fmt;
use std::net::IpAddr;

use axum::http::uri::Authority;
use ledgerstone_core::{BackendError, Code, ErrorKind};
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize};

/// One address of a service.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Endpoint {
    /// Host and port, such as `10.0.0.7:8080` or `[fd00::7]:8080`.
    pub address: String,
    /// How much it gets in proportion to the others; 0 gets nothing new while another is there.
    pub weight: u32,
    /// Only if no endpoint with a smaller number can be used does it get anything.
    pub priority: u16,
}

impl Endpoint {
    /// Makes an endpoint of weight 1 and the first priority.
    pub fn new(address: impl Into<String>) -> Self {
        Self { address: address.into(), weight: 1, priority: 0 }
    }

    /// Makes an endpoint of an IP address and a port.
    pub fn at(address: IpAddr, port: u16) -> Self {
        Self::new(std::net::SocketAddr::new(address, port).to_string())
    }

    /// Gives it another weight.
    #[must_use]
    pub fn with_weight(mut self, weight: u32) -> Self {
        self.weight = weight;
        self
    }

    /// Gives it another priority.
    #[must_use]
    pub fn with_priority(mut self, priority: u16) -> Self {
        self.priority = priority;
        self
    }

    /// Returns the address as a URL has it, or says what is wrong with it.
    pub(crate) fn authority(&self) -> Result<Authority, BackendError> {
        let wrong = |why: &str| {
            let message = format!("{:?} is no address of an endpoint: {why}; write host:port", self.address);
            BackendError::new(ErrorKind::Misconfigured, "gateway", "read an address", message)
                .with_code(Code::Configuration)
        };
        let authority: Authority = self.address.parse().map_err(|_| wrong("it does not parse"))?;
        if authority.as_str().contains('@') {
            return Err(wrong("it names a user"));
        }
        if authority.host().is_empty() {
            return Err(wrong("it has no host"));
        }
        match authority.port_u16() {
            Some(1..) => Ok(authority),
            _ => Err(wrong("it has no port")),
        }
    }
}

/// The fields of an endpoint that is written as a table.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    address: String,
    #[serde(default = "one")]
    weight: u32,
    #[serde(default)]
    priority: u16,
}

fn one() -> u32 {
    1
}

impl<'de> Deserialize<'de> for Endpoint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AddressOrFields)
    }
}

struct AddressOrFields;

impl<'de> Visitor<'de> for AddressOrFields {
    type Value = Endpoint;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an address such as \"10.0.0.7:8080\", or a table with address, weight and priority")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Endpoint, E> {
        Ok(Endpoint::new(text))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Endpoint, A::Error> {
        let Fields { address, weight, priority } = Fields::deserialize(MapAccessDeserializer::new(map))?;
        Ok(Endpoint { address, weight, priority })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_an_address_or_a_table() {
        let read = |text| serde_json::from_str::<Endpoint>(text);
        assert_eq!(read(r#""a:1""#).expect("an address"), Endpoint::new("a:1"));
        let full = read(r#"{"address": "a:1", "weight": 3, "priority": 2}"#).expect("a table");
        assert_eq!(full, Endpoint::new("a:1").with_weight(3).with_priority(2));
        assert!(read(r#"{"address": "a:1", "wieght": 3}"#).is_err());
    }

    #[test]
    fn an_address_needs_a_host_and_a_port() {
        for sound in ["10.0.0.7:8080", "[fd00::7]:80", "orders.internal:1"] {
            assert!(Endpoint::new(sound).authority().is_ok(), "{sound}");
        }
        for wrong in ["", "10.0.0.7", "a:0", "a:70000", "me@a:1", "http://a:1", "a:1/b", ":80", "a b:1"] {
            assert!(Endpoint::new(wrong).authority().is_err(), "{wrong}");
        }
    }
}
