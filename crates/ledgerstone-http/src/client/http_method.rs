//! The methods of HTTP, and what each promises about being repeated.

use std::fmt;

/// A method that a client sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HttpMethod {
    /// Reads.
    Get,
    /// Reads the headers only.
    Head,
    /// Asks what is possible.
    Options,
    /// Puts a whole thing in its place.
    Put,
    /// Removes.
    Delete,
    /// Does anything; doing it twice may do it twice.
    Post,
    /// Changes a part; doing it twice may change it twice.
    Patch,
}

impl HttpMethod {
    /// Returns the method as it is sent.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Options => "OPTIONS",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
            Self::Post => "POST",
            Self::Patch => "PATCH",
        }
    }

    /// Tells whether sending it twice does what sending it once does (RFC 9110, 9.2.2).
    pub fn is_idempotent(self) -> bool {
        !matches!(self, Self::Post | Self::Patch)
    }

    /// Tells whether it changes nothing (RFC 9110, 9.2.1).
    pub fn is_safe(self) -> bool {
        matches!(self, Self::Get | Self::Head | Self::Options)
    }
}

impl fmt::Display for HttpMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
