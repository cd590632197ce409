//! Whom a client trusts over TLS, and as whom it speaks.

use std::fmt;

use ledgerstone_core::{BackendError, ErrorKind};

/// How a client speaks `https`; anything but the default needs the feature `tls`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TlsOptions {
    /// Whose signatures are trusted.
    pub roots: TrustedRoots,
    /// The client's own certificate, where the server asks for one.
    pub identity: Option<ClientIdentity>,
    /// The oldest version that is spoken; nothing for the oldest that is safe, TLS 1.2.
    pub min_version: Option<TlsVersion>,
}

/// Whose signatures are trusted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum TrustedRoots {
    /// Whom this machine trusts.
    #[default]
    System,
    /// Whom this machine trusts, and besides the authorities of this PEM bundle.
    Also(Vec<u8>),
    /// The authorities of this PEM bundle and nobody else.
    Only(Vec<u8>),
}

/// A version of TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsVersion {
    /// TLS 1.2.
    Tls12,
    /// TLS 1.3.
    Tls13,
}

/// A certificate and its private key, which is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct ClientIdentity(Vec<u8>);

impl ClientIdentity {
    /// Takes a PEM bundle of the key and the certificate chain.
    pub fn from_pem(pem: impl Into<Vec<u8>>) -> Self {
        Self(pem.into())
    }
}

impl fmt::Debug for ClientIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientIdentity").finish_non_exhaustive()
    }
}

impl TlsOptions {
    /// Sets a builder up, or says which part is not understood.
    #[cfg(feature = "tls")]
    pub(crate) fn apply(
        &self,
        mut builder: reqwest::ClientBuilder,
    ) -> Result<reqwest::ClientBuilder, BackendError> {
        let bundle = |pem: &[u8]| {
            let found = reqwest::Certificate::from_pem_bundle(pem)
                .map_err(|error| misconfigured("the CA bundle is not PEM").with_source(error))?;
            if found.is_empty() {
                return Err(misconfigured("the CA bundle holds no certificate; give a PEM file that does"));
            }
            Ok(found)
        };
        builder = match &self.roots {
            TrustedRoots::System => builder,
            TrustedRoots::Also(pem) => builder.tls_certs_merge(bundle(pem)?),
            TrustedRoots::Only(pem) => builder.tls_certs_only(bundle(pem)?),
        };
        if let Some(identity) = &self.identity {
            // The cause might quote the key.
            let identity = reqwest::Identity::from_pem(&identity.0).map_err(|_| {
                misconfigured("the client's certificate or its key is not PEM; give both in one bundle")
            })?;
            builder = builder.identity(identity);
        }
        Ok(match self.min_version {
            None => builder,
            Some(TlsVersion::Tls12) => builder.tls_version_min(reqwest::tls::Version::TLS_1_2),
            Some(TlsVersion::Tls13) => builder.tls_version_min(reqwest::tls::Version::TLS_1_3),
        })
    }

    /// Refuses what this build cannot do.
    #[cfg(not(feature = "tls"))]
    pub(crate) fn apply(
        &self,
        builder: reqwest::ClientBuilder,
    ) -> Result<reqwest::ClientBuilder, BackendError> {
        if *self == Self::default() {
            return Ok(builder);
        }
        let message = "this build speaks no TLS, so its options mean nothing; build it with the feature tls";
        Err(BackendError::new(ErrorKind::Unsupported, "http", "set up TLS", message))
    }
}

#[cfg(feature = "tls")]
fn misconfigured(message: &str) -> BackendError {
    BackendError::new(ErrorKind::Misconfigured, "http", "set up TLS", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_private_key_is_not_printed() {
        let options =
            TlsOptions { identity: Some(ClientIdentity::from_pem("SECRET KEY")), ..TlsOptions::default() };
        assert!(!format!("{options:?}").contains("SECRET"));
    }

    #[test]
    fn a_bundle_that_holds_nothing_is_refused_with_the_reason() {
        let options = TlsOptions { roots: TrustedRoots::Only(b"nonsense".to_vec()), ..TlsOptions::default() };
        let error = options.apply(reqwest::Client::builder()).expect_err("refused");
        let expected = if cfg!(feature = "tls") { ErrorKind::Misconfigured } else { ErrorKind::Unsupported };
        assert_eq!(error.kind(), expected, "{error}");
    }
}
