//! Paths that would mean one thing to us and another to who is behind: refused before any route is looked for.

/// Says what is wrong with a path, if anything is.
///
/// A segment that climbs, however it is written, could leave a route that is open to everybody for what is not.
pub(crate) fn find_fault(path: &str) -> Option<&'static str> {
    if !path.starts_with('/') {
        return Some("its target is no path; send the path of a resource");
    }
    // Almost every path has none of these.
    if !path.bytes().any(|byte| matches!(byte, b'%' | b'\\')) && !path.contains("/.") {
        return None;
    }
    let Some(decoded) = decode(path) else { return Some("its path has a % that encodes nothing") };
    if decoded.iter().any(|byte| byte.is_ascii_control()) {
        return Some("its path encodes a control character");
    }
    let mut segments = decoded.split(|byte| matches!(byte, b'/' | b'\\'));
    // What follows a semicolon is a parameter to some servers, which then see the dots alone.
    let is_climbing = segments.any(|segment| {
        let bare = segment.split(|byte| *byte == b';').next().unwrap_or_default();
        matches!(bare, b"." | b"..")
    });
    is_climbing.then_some("its path climbs; send it without . and .. segments")
}

fn decode(path: &str) -> Option<Vec<u8>> {
    let mut decoded = Vec::with_capacity(path.len());
    let mut bytes = path.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
            let value = digit(bytes.next())? * 16 + digit(bytes.next())?;
            decoded.push(u8::try_from(value).ok()?);
        } else {
            decoded.push(byte);
        }
    }
    Some(decoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_climb_are_refused_however_they_are_written() {
        for climbing in [
            "/a/../b",
            "/..",
            "/./a",
            "/a/%2e%2e/b",
            "/a/%2E./b",
            "/a%2f..%2fb",
            "/a/..%5cb",
            "/a\\..\\b",
            "/a/..;x=1/b",
            "/a/%2e%2e;/b",
        ] {
            assert!(find_fault(climbing).is_some(), "{climbing}");
        }
        for odd in ["*", "a", "/%", "/%2", "/%zz", "/a%00b", "/a%0d%0ab"] {
            assert!(find_fault(odd).is_some(), "{odd}");
        }
        for sound in ["/", "/a/b", "/.well-known/x", "/a..b", "/...", "/a%2Fb", "/%C3%A9", "/a;b=1", "//"] {
            assert_eq!(find_fault(sound), None, "{sound}");
        }
    }
}
