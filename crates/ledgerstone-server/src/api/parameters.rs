//! The parameters of a request's query, each known by name or refused.

use std::borrow::Cow;
use std::fmt::Display;
use std::str::FromStr;

use axum::http::Uri;
use ledgerstone::core::{Problem, nearest};
use ledgerstone::http::Failure;

use crate::api::route::Parameter;

/// The largest number of parameters in a query.
const MAX_PARAMETERS: usize = 300;

/// The parameters of a query, decoded.
#[derive(Debug)]
pub(crate) struct Parameters<'a> {
    pairs: Vec<(Cow<'a, str>, Cow<'a, str>)>,
}

impl<'a> Parameters<'a> {
    /// Reads the query; a parameter that is not `known` is refused with the nearest one's name.
    pub(crate) fn of(uri: &'a Uri, known: &[Parameter]) -> Result<Self, Failure> {
        let all = Self::any(uri)?;
        if let Some((name, _)) = all.unknown(known).next() {
            return Err(unknown(name, known.iter().map(|parameter| parameter.name)));
        }
        Ok(all)
    }

    /// Reads the query, whatever its parameters are called.
    pub(crate) fn any(uri: &'a Uri) -> Result<Self, Failure> {
        let mut pairs = Vec::new();
        for pair in uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            pairs.push((decode(name)?, decode(value)?));
        }
        if pairs.len() > MAX_PARAMETERS {
            return Err(
                Problem::invalid(format!("the query has more than {MAX_PARAMETERS} parameters")).into()
            );
        }
        Ok(Self { pairs })
    }

    /// Returns the parameters that are not known, with their values.
    pub(crate) fn unknown(&self, known: &[Parameter]) -> impl Iterator<Item = (&str, &str)> {
        let known = move |name: &str| known.iter().any(|parameter| parameter.name == name);
        let pairs = self.pairs.iter().map(|(name, value)| (&**name, &**value));
        pairs.filter(move |(name, _)| !known(name))
    }

    /// Returns every value of a parameter.
    pub(crate) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.pairs.iter().filter(move |(key, _)| key == name).map(|(_, value)| &**value)
    }

    /// Returns the value of a parameter that may stand once.
    pub(crate) fn one(&self, name: &str) -> Result<Option<&str>, Failure> {
        let mut values = self.all(name);
        let value = values.next();
        match values.next() {
            Some(_) => Err(refused(name, "it stands twice; give it once")),
            None => Ok(value),
        }
    }

    /// Reads the value of a parameter that may stand once.
    pub(crate) fn parsed<T: FromStr<Err: Display>>(&self, name: &str) -> Result<Option<T>, Failure> {
        let Some(value) = self.one(name)? else { return Ok(None) };
        value.parse().map(Some).map_err(|error| refused(name, error))
    }

    /// Reads a whole number that may stand once.
    pub(crate) fn number(&self, name: &str) -> Result<Option<u64>, Failure> {
        self.read(name, |text| {
            text.parse().map_err(|_| format!("{text:?} is not a whole number from 0 to {}", u64::MAX))
        })
    }

    /// Reads the value of a parameter with a function.
    pub(crate) fn read<T, E: Display>(
        &self,
        name: &str,
        read: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<Option<T>, Failure> {
        self.one(name)?.map(read).transpose().map_err(|error| refused(name, error))
    }
}

/// Says that a parameter's value is not valid.
pub(crate) fn refused(name: &str, reason: impl Display) -> Failure {
    Problem::invalid(format!("parameter {name}: {reason}")).with("parameter", name).into()
}

/// Says that a parameter is not known, and which one may have been meant.
pub(crate) fn unknown<'a>(name: &str, known: impl Iterator<Item = &'a str> + Clone) -> Failure {
    let near = nearest(name, known.clone());
    let hint = match near {
        Some(near) => format!("did you mean {near}?"),
        None => {
            let known: Vec<_> = known.collect();
            match known.as_slice() {
                [] => "this path takes none".to_owned(),
                known => format!("this path takes {}", known.join(", ")),
            }
        }
    };
    let problem = Problem::invalid(format!("there is no parameter {name:?}; {hint}")).with("parameter", name);
    match near {
        Some(near) => problem.with("nearest", near).into(),
        None => problem.into(),
    }
}

/// Decodes `%41` and `+` of a query (application/x-www-form-urlencoded).
fn decode(text: &str) -> Result<Cow<'_, str>, Failure> {
    if !text.bytes().any(|byte| matches!(byte, b'%' | b'+')) {
        return Ok(Cow::Borrowed(text));
    }
    percent_decode(&text.replace('+', " "))
        .map(Cow::Owned)
        .ok_or_else(|| Problem::invalid(format!("{text:?} in the query is not percent-encoded UTF-8")).into())
}

/// Decodes `%41`; nothing if it is not UTF-8 or a sequence is broken off.
pub(crate) fn percent_decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        if first != b'%' {
            bytes.push(first);
            rest = after;
            continue;
        }
        let (digits, after) = after.split_first_chunk::<2>()?;
        let digit = |byte: u8| char::from(byte).to_digit(16);
        bytes.push(u8::try_from(digit(digits[0])? * 16 + digit(digits[1])?).ok()?);
        rest = after;
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::route::{Kind, parameter};

    const KNOWN: &[Parameter] = &[parameter("limit", Kind::Whole, ""), parameter("type", Kind::Texts, "")];

    fn detail(query: &str) -> String {
        let uri: Uri = format!("/v1/events?{query}").parse().expect("a uri");
        let read = Parameters::of(&uri, KNOWN).and_then(|all| all.number("limit").map(drop));
        read.err().map_or_else(String::new, |failure| failure.problem().detail.clone())
    }

    #[test]
    fn an_unknown_parameter_is_refused_with_the_nearest_name() {
        assert!(detail("limt=5").contains("did you mean limit?"));
        assert!(detail("zzz=5").contains("this path takes limit, type"));
        assert!(detail("limit=5&limit=6").contains("twice"));
        let whole = "is not a whole number from 0 to 18446744073709551615";
        for limit in ["five", "-1", "", "18446744073709551616"] {
            assert_eq!(detail(&format!("limit={limit}")), format!("parameter limit: {limit:?} {whole}"));
        }
        assert!(detail("type=%ff").contains("UTF-8"));
        assert_eq!(detail("limit=5&type=a&type=b"), "");
    }

    #[test]
    fn values_are_decoded() {
        let uri: Uri = "/?type=T02+Check%20%26%20more&type=caf%C3%A9".parse().expect("a uri");
        let all = Parameters::of(&uri, KNOWN).expect("known");
        assert_eq!(all.all("type").collect::<Vec<_>>(), ["T02 Check & more", "café"]);
    }
}
