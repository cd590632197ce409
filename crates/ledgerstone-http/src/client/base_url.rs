//! The base of a client's URLs, and how a path is joined to it: always beneath it, whatever the path says.

use std::fmt::Write as _;

/// A base such as `https://orders.example/api`, checked once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BaseUrl {
    /// Scheme, host and port, without a slash.
    origin: String,
    /// The path as it was given.
    path: String,
    /// What is asked with every request, without the question mark.
    query: Option<String>,
}

impl BaseUrl {
    /// Checks a base, or says what is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let url = reqwest::Url::parse(text).map_err(|error| {
            format!("the base is not a URL: {error}; write it like http://host:port/path")
        })?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(format!("the base has the scheme {}; write http:// or https://", url.scheme()));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("the base holds a user or a password; give credentials apart from it".to_owned());
        }
        if url.fragment().is_some() {
            return Err("the base holds a fragment, which is never sent; leave it out".to_owned());
        }
        Ok(Self {
            origin: url.origin().ascii_serialization(),
            path: url.path().to_owned(),
            query: url.query().filter(|query| !query.is_empty()).map(str::to_owned),
        })
    }

    /// Returns scheme, host and port.
    pub(crate) fn origin(&self) -> &str {
        &self.origin
    }

    /// Joins a path, with a query or without, beneath the base, and adds `pairs` to the query.
    ///
    /// | base | path | joined |
    /// |---|---|---|
    /// | `http://h`, `http://h/` | `users`, `/users` | `http://h/users` |
    /// | `http://h/api`, `http://h/api/` | `users`, `/users` | `http://h/api/users` |
    /// | `http://h/api` | nothing | `http://h/api` |
    /// | `http://h/api` | `users/` | `http://h/api/users/` |
    /// | `http://h/api?v=1` | `users?a=b` | `http://h/api/users?v=1&a=b` |
    /// | any | `//host`, `http://host`, `../users`, `%2e%2e/users`, `a\b`, `a#b` | refused |
    ///
    /// What may not stand in a URL is percent-encoded; what is encoded already stays as it is.
    pub(crate) fn join<N: AsRef<str>, V: AsRef<str>>(
        &self,
        path: &str,
        pairs: &[(N, V)],
    ) -> Result<String, String> {
        check(path)?;
        let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
        let mut url = String::with_capacity(self.origin.len() + self.path.len() + path.len() + 32);
        url.push_str(&self.origin);
        if path.is_empty() {
            url.push_str(&self.path);
        } else {
            url.push_str(self.path.trim_end_matches('/'));
            url.push('/');
            encode(&mut url, path.strip_prefix('/').unwrap_or(path), is_kept_in_path);
        }
        let mut separator = '?';
        let mut append = |url: &mut String| url.push(std::mem::replace(&mut separator, '&'));
        if let Some(query) = &self.query {
            append(&mut url);
            url.push_str(query);
        }
        if let Some(query) = query.filter(|query| !query.is_empty()) {
            append(&mut url);
            encode(&mut url, query, is_kept_in_query);
        }
        for (name, value) in pairs {
            append(&mut url);
            encode_whole(&mut url, name.as_ref());
            url.push('=');
            encode_whole(&mut url, value.as_ref());
        }
        Ok(url)
    }
}

/// Refuses what would lead away from the base, or would not be sent as it is written.
fn check(path: &str) -> Result<(), String> {
    // Most paths hold nothing that could be wrong, and are looked at once.
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-_?&=".contains(&byte);
    if path.bytes().all(is_plain) && !path.starts_with("//") {
        return Ok(());
    }
    let refused = |why: &str| Err(format!("the path is refused: {why}"));
    if path.starts_with("//") {
        return refused(
            "it begins with //, which names another host; ask for an absolute route if that is meant",
        );
    }
    let first = path.split(['/', '?']).next().unwrap_or_default();
    if first.ends_with(':') && path[first.len()..].starts_with("//") {
        return refused("it is an absolute URL; ask for an absolute route if that is meant");
    }
    if path.bytes().any(|byte| byte.is_ascii_control()) {
        return refused("it holds a control character");
    }
    if path.contains('#') {
        return refused("it holds a #, and what follows one is never sent; write %23 for the character");
    }
    let only = path.split('?').next().unwrap_or_default();
    if only.contains('\\') {
        return refused("it holds a backslash, which some servers take for a slash; write %5C");
    }
    if only.split('/').any(is_dots) {
        return refused("a part of it is . or .., which would lead away from the base");
    }
    Ok(())
}

/// Tells whether a part of a path is `.` or `..`, encoded or not.
pub(crate) fn is_dots(part: &str) -> bool {
    if part.len() > 6 || !part.starts_with(['.', '%']) {
        return false;
    }
    let plain = part.replace("%2e", ".").replace("%2E", ".");
    plain == "." || plain == ".."
}

fn is_kept_in_path(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/".contains(&byte)
}

fn is_kept_in_query(byte: u8) -> bool {
    // URLs are written with %27 there.
    byte == b'?' || (byte != b'\'' && is_kept_in_path(byte))
}

/// Encodes what may not stand there; what is encoded already stays.
fn encode(into: &mut String, text: &str, is_kept: fn(u8) -> bool) {
    let bytes = text.as_bytes();
    if bytes.iter().all(|byte| is_kept(*byte)) {
        return into.push_str(text);
    }
    for (index, byte) in bytes.iter().enumerate() {
        let is_encoded = *byte == b'%'
            && bytes.get(index + 1..index + 3).is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit));
        push(into, *byte, is_encoded || is_kept(*byte));
    }
}

/// Encodes everything but letters, digits and `-._~`, so that the text is one part of a path or a query.
pub(crate) fn encode_whole(into: &mut String, text: &str) {
    for byte in text.bytes() {
        push(into, byte, byte.is_ascii_alphanumeric() || b"-._~".contains(&byte));
    }
}

fn push(into: &mut String, byte: u8, is_kept: bool) {
    if is_kept {
        into.push(char::from(byte));
    } else {
        let _ = write!(into, "%{byte:02X}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn join(base: &str, path: &str) -> Result<String, String> {
        BaseUrl::parse(base).expect("a base").join::<&str, &str>(path, &[])
    }

    #[test]
    fn a_path_is_joined_beneath_the_base_with_or_without_slashes() {
        for (base, path, joined) in [
            ("http://h", "users", "http://h/users"),
            ("http://h/", "/users", "http://h/users"),
            ("http://h:8080/api", "users", "http://h:8080/api/users"),
            ("http://h/api/", "/users", "http://h/api/users"),
            ("http://h/api", "", "http://h/api"),
            ("http://h/api/", "", "http://h/api/"),
            ("http://h", "", "http://h/"),
            ("http://h/api", "/", "http://h/api/"),
            ("http://h/api", "users/", "http://h/api/users/"),
            ("http://h/api", "a//b", "http://h/api/a//b"),
            ("http://h/api?v=1", "users?a=b&c", "http://h/api/users?v=1&a=b&c"),
            ("http://h/api?", "users?", "http://h/api/users"),
            ("http://h", "a b/ö?q=x y", "http://h/a%20b/%C3%B6?q=x%20y"),
            ("http://h", "a%2Fb/100%", "http://h/a%2Fb/100%25"),
            ("http://h", "v1/users:search", "http://h/v1/users:search"),
            ("http://h", "?q=//x/../y", "http://h/?q=//x/../y"),
        ] {
            assert_eq!(join(base, path).as_deref(), Ok(joined), "{base} and {path}");
        }
    }

    #[test]
    fn no_path_leads_away_from_the_base() {
        for path in [
            "//evil.example/x",
            "http://evil.example/",
            "HTTPS://evil.example",
            "../x",
            "a/../../x",
            "a/..",
            ".",
            "%2e%2e/x",
            ".%2E/x",
            "a\\..\\x",
            "a\nb",
            "a#b",
        ] {
            assert!(join("http://h/api", path).is_err(), "{path}");
        }
    }

    #[test]
    fn a_base_that_is_none_is_refused_with_the_reason() {
        for base in ["", "h/api", "ftp://h", "http://user:secret@h", "http://h/#part", "http://"] {
            assert!(BaseUrl::parse(base).is_err(), "{base}");
        }
    }

    #[test]
    fn pairs_are_encoded_whole() {
        let base = BaseUrl::parse("http://h/api?v=1").expect("a base");
        let joined = base.join("users", &[("q", "a&b=c d"), ("ö", "+")]);
        assert_eq!(joined.as_deref(), Ok("http://h/api/users?v=1&q=a%26b%3Dc%20d&%C3%B6=%2B"));
    }

    proptest! {
        #[test]
        fn whatever_is_joined_stays_on_the_host_and_beneath_the_path(path in "\\PC{0,24}|[./%2eE:?#a\\\\]{0,16}") {
            if let Ok(joined) = join("http://host.example/api/", &path) {
                let url = reqwest::Url::parse(&joined).expect("a URL");
                prop_assert_eq!(url.host_str(), Some("host.example"));
                prop_assert!(url.path().starts_with("/api"), "{}", joined);
                prop_assert_eq!(url.as_str(), joined.as_str());
            }
        }
    }
}
