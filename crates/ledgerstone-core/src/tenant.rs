//! Tenants: the first part of every address, empty by default.

use std::fmt;
use std::sync::Arc;

use crate::text::{InvalidName, check};

/// Whose events, tags, marks and documents these are; the default tenant has an empty name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Tenant(Option<Arc<str>>);

impl Tenant {
    /// The largest size of a name in bytes.
    pub const MAX_BYTES: usize = 128;

    /// Checks and takes a name; an empty one is the default tenant.
    pub fn new(name: impl AsRef<str>) -> Result<Self, InvalidName> {
        let name = name.as_ref();
        if name.is_empty() {
            return Ok(Self::default());
        }
        check("a tenant", name, Self::MAX_BYTES)?;
        Ok(Self(Some(name.into())))
    }

    /// Returns the name, empty for the default tenant.
    pub fn as_str(&self) -> &str {
        self.0.as_deref().unwrap_or("")
    }

    /// Tells whether this is its name.
    pub fn is(&self, name: &str) -> bool {
        match &self.0 {
            // Nothing is compared with nothing for every event that is read: where the empty text has no place in
            // memory, glibc's `memcmp` takes as long for that as for a thousand bytes.
            None => name.is_empty(),
            Some(held) => **held == *name,
        }
    }
}

impl fmt::Display for Tenant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Which tenants a selection sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TenantScope {
    /// One tenant: all that a scoped handle ever asks for.
    One(Tenant),
    /// Every tenant: for relays, projectors, copies and backups.
    All,
}

impl Default for TenantScope {
    fn default() -> Self {
        Self::One(Tenant::default())
    }
}

impl TenantScope {
    /// Tells whether a tenant is seen.
    pub fn covers(&self, tenant: &str) -> bool {
        match self {
            Self::One(one) => one.is(tenant),
            Self::All => true,
        }
    }
}
