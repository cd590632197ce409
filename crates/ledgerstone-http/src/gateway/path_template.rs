//! Route templates such as `/orders/{id}`: filled for a call, matched for the proxy, and named in metrics.

use std::fmt;

/// A path with named gaps, each a whole segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PathTemplate {
    text: String,
    segments: Vec<Segment>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Segment {
    Literal(String),
    Gap(String),
}

impl PathTemplate {
    /// Reads a template, or says what is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let Some(rest) = text.strip_prefix('/') else {
            return Err(format!("the path {text:?} does not begin with /"));
        };
        let mut segments: Vec<Segment> = Vec::new();
        for part in rest.split('/') {
            let gap = part.strip_prefix('{').and_then(|part| part.strip_suffix('}'));
            let segment = match gap {
                Some(name) if is_name(name) => {
                    if segments.contains(&Segment::Gap(name.to_owned())) {
                        return Err(format!("the path {text:?} has {{{name}}} twice"));
                    }
                    Segment::Gap(name.to_owned())
                }
                None if is_literal(part) => Segment::Literal(part.to_owned()),
                _ => return Err(format!("{part:?} in the path {text:?} is neither text nor {{name}}")),
            };
            segments.push(segment);
        }
        Ok(Self { text: text.to_owned(), segments })
    }

    /// Returns the template as it was written.
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns the names of the gaps, in order.
    pub(crate) fn gaps(&self) -> impl Iterator<Item = &str> {
        self.segments.iter().filter_map(|segment| match segment {
            Segment::Gap(name) => Some(name.as_str()),
            Segment::Literal(_) => None,
        })
    }

    /// Fills the gaps with values that are encoded already.
    pub(crate) fn fill<'a>(&self, value_of: impl Fn(&str) -> Option<&'a str>) -> Result<String, String> {
        let mut path = String::with_capacity(self.text.len() + 32);
        for segment in &self.segments {
            path.push('/');
            match segment {
                Segment::Literal(text) => path.push_str(text),
                Segment::Gap(name) => match value_of(name) {
                    Some(value) => path.push_str(value),
                    None => return Err(format!("the path {} needs a value for {{{name}}}", self.text)),
                },
            }
        }
        Ok(path)
    }

    /// Returns what stands in the gaps of a path, in order, if the path fits.
    pub(crate) fn matches<'p>(&self, path: &'p str) -> Option<Vec<(&str, &'p str)>> {
        let mut parts = path.strip_prefix('/')?.split('/');
        let mut found = Vec::new();
        for segment in &self.segments {
            let part = parts.next()?;
            match segment {
                Segment::Literal(text) if text == part => {}
                Segment::Gap(name) if !part.is_empty() => found.push((name.as_str(), part)),
                _ => return None,
            }
        }
        parts.next().is_none().then_some(found)
    }

    /// Returns how particular it is: its segments that are text, then all of them.
    pub(crate) fn rank(&self) -> (usize, usize) {
        let texts = self.segments.iter().filter(|segment| matches!(segment, Segment::Literal(_))).count();
        (texts, self.segments.len())
    }
}

impl fmt::Display for PathTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Whether the text can stand in a path as it is; dots alone would climb.
fn is_literal(part: &str) -> bool {
    let sound = |byte: u8| is_unreserved(byte) || b"!$&'()*+,;=:@%".contains(&byte);
    part != "." && part != ".." && part.bytes().all(sound)
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

/// Encodes everything but what a URL leaves as it is everywhere (RFC 3986, 2.3).
pub(crate) fn encode(text: &str) -> String {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if is_unreserved(byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push('%');
            encoded.push(char::from(HEX[usize::from(byte >> 4)]));
            encoded.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
    encoded
}

/// Encodes a value for a segment, or says why it can't be one: nothing, and dots alone, change the path.
pub(crate) fn encode_segment(name: &str, value: &str) -> Result<String, String> {
    match value {
        "" | "." | ".." => Err(format!("{value:?} cannot stand in a path for {{{name}}}")),
        _ => Ok(encode(value)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(text: &str) -> PathTemplate {
        PathTemplate::parse(text).expect("a template")
    }

    #[test]
    fn gaps_are_filled_and_found_again() {
        let template = template("/orders/{id}/lines/{line}");
        let filled = template.fill(|name| Some(if name == "id" { "4%2F2" } else { "7" }));
        assert_eq!(filled.as_deref(), Ok("/orders/4%2F2/lines/7"));
        assert_eq!(template.matches("/orders/4%2F2/lines/7"), Some(vec![("id", "4%2F2"), ("line", "7")]));
        for other in ["/orders/4/lines", "/orders/4/lines/7/", "/orders//lines/7", "/order/4/lines/7"] {
            assert_eq!(template.matches(other), None, "{other}");
        }
        assert!(template.fill(|_| None).expect_err("a gap").contains("{id}"));
    }

    #[test]
    fn what_is_no_template_is_refused() {
        for wrong in ["", "orders", "/{id", "/{}", "/{a}/{a}", "/a{b}", "/../x", "/a b", "/a?b=1", "/{a-b}"] {
            assert!(PathTemplate::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn values_are_encoded_whole_and_cannot_climb() {
        assert_eq!(encode_segment("id", "a/b?c=1&d#é").as_deref(), Ok("a%2Fb%3Fc%3D1%26d%23%C3%A9"));
        for climbing in ["", ".", ".."] {
            assert!(encode_segment("id", climbing).is_err(), "{climbing}");
        }
    }
}
