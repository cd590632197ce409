//! Paths that would mean one thing to us and another to who is behind: refused before any route is looked for.

use std::fmt::Write as _;

/// Says what is wrong with a path, if anything is.
///
/// A path that climbs, or that can be written in another way, could leave a route that is open to everybody for
/// what is not: who is behind may read `//admin` and `/%61dmin` as `/admin`.
pub(crate) fn find_fault(path: &str) -> Option<&'static str> {
    if !path.starts_with('/') {
        return Some("its target is no path; send the path of a resource");
    }
    if path.contains("//") {
        return Some(EMPTY);
    }
    // Almost every path has none of these.
    if !path.bytes().any(|byte| matches!(byte, b'%' | b'\\' | b';')) && !path.contains("/.") {
        return None;
    }
    let Some(decoded) = decode(path) else { return Some("its path has a % that encodes nothing") };
    if decoded.iter().any(|(byte, _)| byte.is_ascii_control()) {
        return Some("its path encodes a control character");
    }
    if decoded.iter().any(|(byte, is_encoded)| *byte == b'\\' || (*is_encoded && *byte == b'/')) {
        return Some("its path has a backslash or an encoded slash, which may mean another path");
    }
    if decoded.iter().any(|(byte, is_encoded)| *is_encoded && is_unreserved(*byte)) {
        return Some("its path encodes letters, digits or one of -._~; send these as they are");
    }
    // What follows a semicolon is a parameter to some servers, which then see the rest alone.
    let bare = without_parameters(path);
    if bare.contains("//") {
        return Some(EMPTY);
    }
    let is_climbing = bare.split('/').any(|segment| matches!(segment, "." | ".."));
    is_climbing.then_some("its path climbs; send it without . and .. segments")
}

const EMPTY: &str = "its path has an empty segment; send it without //";

/// Returns how a service may read a path that was found to have no fault, if that differs from how it is written.
///
/// Parameters are gone, and each byte is written in one way: as it is where a path may have it, else encoded.
pub(crate) fn other_reading(path: &str) -> Option<String> {
    if path.bytes().all(|byte| is_plain(byte) && byte != b';') {
        return None;
    }
    let bare = without_parameters(path);
    let mut reading = String::with_capacity(bare.len());
    for (byte, _) in decode(&bare)? {
        if is_plain(byte) {
            reading.push(char::from(byte));
        } else {
            let _ = write!(reading, "%{byte:02X}");
        }
    }
    (reading != path).then_some(reading)
}

fn without_parameters(path: &str) -> String {
    let bare = |segment: &str| segment.split(';').next().unwrap_or_default().to_owned();
    path.split('/').map(bare).collect::<Vec<_>>().join("/")
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

/// Whether a path has the byte as it is (RFC 3986, 3.3).
fn is_plain(byte: u8) -> bool {
    is_unreserved(byte) || b"/!$&'()*+,;=:@".contains(&byte)
}

/// Returns each byte, and whether it was encoded.
fn decode(path: &str) -> Option<Vec<(u8, bool)>> {
    let mut decoded = Vec::with_capacity(path.len());
    let mut bytes = path.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
            let value = digit(bytes.next())? * 16 + digit(bytes.next())?;
            decoded.push((u8::try_from(value).ok()?, true));
        } else {
            decoded.push((byte, false));
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
        for sound in ["/", "/a/b", "/a/", "/.well-known/x", "/a..b", "/...", "/%C3%A9", "/a;b=1", "/a%20b"] {
            assert_eq!(find_fault(sound), None, "{sound}");
        }
    }

    #[test]
    fn paths_that_can_be_written_in_another_way_are_refused() {
        for double in [
            "//",
            "//admin/x",
            "/a//b",
            "/a//",
            "/;x/admin",
            "/%61dmin/x",
            "/%41",
            "/%7e",
            "/a%2db",
            "/admin%2Fx",
            "/admin%2fx",
            "/admin%5Cx",
            "/admin\\x",
        ] {
            assert!(find_fault(double).is_some(), "{double}");
        }
    }

    #[test]
    fn every_way_of_writing_a_path_has_one_reading() {
        for (path, reading) in [
            ("/a/b", None),
            ("/a$b", None),
            ("/%C3%A9", None),
            ("/%c3%a9", Some("/%C3%A9")),
            ("/\u{e9}", Some("/%C3%A9")),
            ("/a%24b", Some("/a$b")),
            ("/a;v=1/b;w", Some("/a/b")),
            ("/a%3Bb", Some("/a;b")),
        ] {
            assert_eq!(other_reading(path).as_deref(), reading, "{path}");
        }
    }
}
