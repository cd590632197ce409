//! Where a client follows a server that points elsewhere: nowhere, unless it is told to.

use ledgerstone_core::HttpResponse;

use crate::client::http_method::HttpMethod;

/// How far redirects are followed; without following, one is an answer that was not asked for, hence an error.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Redirects {
    /// None is followed.
    #[default]
    None,
    /// At most so many, and only within the origin: the same scheme, host and port.
    SameOrigin(u8),
    /// At most so many, anywhere; credentials and default headers stay with the origin they were meant for.
    Anywhere(u8),
}

/// One request on the way from redirect to redirect.
#[derive(Debug, Clone)]
pub(crate) struct Hop {
    pub(crate) method: HttpMethod,
    pub(crate) url: String,
    /// Whether the body goes along.
    pub(crate) has_body: bool,
    /// Whether the origin is another one than the client's: nothing secret goes there.
    pub(crate) is_foreign: bool,
    /// Where the way led so far.
    seen: Vec<String>,
}

impl Hop {
    pub(crate) fn first(method: HttpMethod, url: String, is_foreign: bool) -> Self {
        Self { method, url, has_body: true, is_foreign, seen: Vec::new() }
    }
}

impl Redirects {
    /// Returns the next request if the response points to one that is followed; an error if it may not be.
    pub(crate) fn next(
        self,
        hop: &Hop,
        response: &HttpResponse,
        can_resend: bool,
    ) -> Result<Option<Hop>, String> {
        let most = match self {
            Self::None => return Ok(None),
            Self::SameOrigin(most) | Self::Anywhere(most) => usize::from(most),
        };
        let Some((method, has_body)) = repeated(hop, response.status, can_resend) else { return Ok(None) };
        let Some(location) = response.header("location") else { return Ok(None) };
        let current =
            reqwest::Url::parse(&hop.url).map_err(|error| format!("no URL to go on from: {error}"))?;
        let mut next = current
            .join(location)
            .map_err(|error| format!("the server points to what is not a URL: {error}"))?;
        next.set_fragment(None);
        if !matches!(next.scheme(), "http" | "https") {
            return Err("the server points to something that is not of the web".to_owned());
        }
        let leaves = next.origin() != current.origin();
        if leaves && matches!(self, Self::SameOrigin(_)) {
            return Err("the server points to another origin, and only its own is followed".to_owned());
        }
        if current.scheme() == "https" && next.scheme() == "http" {
            return Err("the server points from https to http, which is not followed".to_owned());
        }
        let url = String::from(next);
        let mut seen = hop.seen.clone();
        seen.push(hop.url.clone());
        if method == hop.method && seen.contains(&url) {
            return Err(format!("the server points in a circle of {}; mend it there", seen.len()));
        }
        if seen.len() > most {
            return Err(format!("the server points on and on; {most} redirects are followed"));
        }
        Ok(Some(Hop { method, url, has_body, is_foreign: hop.is_foreign || leaves, seen }))
    }
}

/// Returns the method of the request that a redirect asks for and whether it has a body (RFC 9110, 15.4).
fn repeated(hop: &Hop, status: u16, can_resend: bool) -> Option<(HttpMethod, bool)> {
    let reads = matches!(hop.method, HttpMethod::Get | HttpMethod::Head);
    match status {
        // To repeat anything else is not what a 301 surely means, and turning it into a GET loses it.
        301 | 302 if reads => Some((hop.method, hop.has_body)),
        303 if hop.method == HttpMethod::Head => Some((HttpMethod::Head, false)),
        303 => Some((HttpMethod::Get, false)),
        307 | 308 if can_resend || !hop.has_body => Some((hop.method, hop.has_body)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::StreamExt as _;

    fn next(redirects: Redirects, hop: &Hop, status: u16, location: &str) -> Result<Option<Hop>, String> {
        let headers = vec![("location".to_owned(), location.to_owned())];
        let body = futures_util::stream::empty().boxed();
        redirects.next(hop, &HttpResponse { status, headers, body }, true)
    }

    fn hop(method: HttpMethod) -> Hop {
        Hop::first(method, "https://h/a/b".to_owned(), false)
    }

    #[test]
    fn nothing_is_followed_unless_it_is_asked_for() {
        assert!(next(Redirects::None, &hop(HttpMethod::Get), 302, "/c").expect("an answer").is_none());
        let followed = next(Redirects::SameOrigin(3), &hop(HttpMethod::Get), 302, "c?d").expect("followed");
        assert_eq!(followed.expect("a hop").url, "https://h/a/c?d");
    }

    #[test]
    fn another_origin_gets_nothing_secret_or_is_not_followed() {
        let get = hop(HttpMethod::Get);
        for location in ["https://evil.example/", "//evil.example", "https://h:444/"] {
            assert!(next(Redirects::SameOrigin(3), &get, 302, location).is_err(), "{location}");
            let followed = next(Redirects::Anywhere(3), &get, 302, location).expect("followed");
            let followed = followed.expect("a hop");
            assert!(followed.is_foreign);
            // Nor does it come back into trust.
            let back = next(Redirects::Anywhere(3), &followed, 302, "https://h/z").expect("followed");
            assert!(back.expect("a hop").is_foreign);
        }
        for location in ["http://h/a", "ftp://h/a", "http://[broken"] {
            assert!(next(Redirects::Anywhere(3), &get, 302, location).is_err(), "{location}");
        }
    }

    #[test]
    fn a_post_is_not_turned_into_something_else_but_by_303() {
        let post = hop(HttpMethod::Post);
        let many = Redirects::SameOrigin(3);
        assert!(next(many, &post, 301, "/c").expect("an answer").is_none());
        let see_other = next(many, &post, 303, "/c").expect("followed").expect("a hop");
        assert_eq!((see_other.method, see_other.has_body), (HttpMethod::Get, false));
        let repeated = next(many, &post, 307, "/c").expect("followed").expect("a hop");
        assert_eq!((repeated.method, repeated.has_body), (HttpMethod::Post, true));
    }

    #[test]
    fn circles_and_long_ways_are_seen() {
        let many = Redirects::SameOrigin(3);
        let get = hop(HttpMethod::Get);
        assert!(next(many, &get, 302, "/a/b").is_err());
        let second = next(many, &get, 302, "/c").expect("followed").expect("a hop");
        assert!(next(many, &second, 302, "/a/b").is_err());
        let mut on = get;
        for step in 0..3 {
            on = next(many, &on, 302, &format!("/{step}")).expect("followed").expect("a hop");
        }
        assert!(next(many, &on, 302, "/4").is_err());
    }
}
