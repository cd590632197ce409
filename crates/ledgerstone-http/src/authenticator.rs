//! Who is calling: the one seam at which a server lets a request in.

use std::fmt;
use std::sync::Arc;

/// Decides who is calling, by the bearer token of the request.
pub trait Authenticator: fmt::Debug + Send + Sync + 'static {
    /// Returns the caller whom the token proves; `token` is what followed `Bearer`, if anything did.
    fn authenticate(&self, token: Option<&str>) -> Result<Caller, Unauthenticated>;
}

/// Whoever was let in; handlers find it among the request's extensions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// An opaque name, fit for logs.
    pub name: Arc<str>,
}

/// Says why a request was not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unauthenticated {
    /// It had no bearer token.
    Missing,
    /// Its token is not valid.
    Wrong,
}

impl fmt::Display for Unauthenticated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "this server needs a token; send it as authorization: Bearer <token>",
            Self::Wrong => "the bearer token is not valid; ask the operator of this server for one",
        })
    }
}

impl std::error::Error for Unauthenticated {}

/// Lets in whoever knows one token, which is never printed.
#[derive(Clone)]
pub struct StaticToken {
    token: Arc<[u8]>,
    caller: Caller,
}

impl StaticToken {
    /// The smallest size of a token in bytes; a shorter one could be guessed.
    pub const MIN_BYTES: usize = 16;

    /// Takes a token of at least [`MIN_BYTES`](Self::MIN_BYTES) visible ASCII characters; else says what is wrong.
    pub fn new(token: &str) -> Result<Self, String> {
        let token = token.trim();
        if token.len() < Self::MIN_BYTES {
            return Err(format!(
                "a token needs at least {} characters; make one with `openssl rand -hex 32`",
                Self::MIN_BYTES
            ));
        }
        if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err("a token may hold visible ASCII characters only, without spaces".to_owned());
        }
        Ok(Self { token: token.as_bytes().into(), caller: Caller { name: "token".into() } })
    }
}

impl Authenticator for StaticToken {
    fn authenticate(&self, token: Option<&str>) -> Result<Caller, Unauthenticated> {
        let token = token.ok_or(Unauthenticated::Missing)?;
        if is_same(token.as_bytes(), &self.token) {
            Ok(self.caller.clone())
        } else {
            Err(Unauthenticated::Wrong)
        }
    }
}

impl fmt::Debug for StaticToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StaticToken").finish_non_exhaustive()
    }
}

/// Compares in a time that depends on the length of what was given and not on where it differs.
fn is_same(given: &[u8], secret: &[u8]) -> bool {
    let mut difference = u8::from(given.len() != secret.len());
    for (byte, wanted) in given.iter().zip(secret.iter().cycle()) {
        difference |= std::hint::black_box(byte ^ wanted);
    }
    difference == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "0123456789abcdef";

    #[test]
    fn only_the_whole_token_is_let_in() {
        let authenticator = StaticToken::new(TOKEN).expect("a token");
        assert!(authenticator.authenticate(Some(TOKEN)).is_ok());
        assert_eq!(authenticator.authenticate(None), Err(Unauthenticated::Missing));
        for wrong in ["", "0123456789abcde", "0123456789abcdeF", "0123456789abcdef0", &TOKEN.repeat(2)] {
            assert_eq!(authenticator.authenticate(Some(wrong)), Err(Unauthenticated::Wrong), "{wrong}");
        }
    }

    #[test]
    fn a_short_token_is_refused_and_none_is_printed() {
        assert!(StaticToken::new("hunter2").is_err());
        assert!(StaticToken::new("with a space in it").is_err());
        let authenticator = StaticToken::new(TOKEN).expect("a token");
        assert!(!format!("{authenticator:?}").contains("0123"));
    }
}
