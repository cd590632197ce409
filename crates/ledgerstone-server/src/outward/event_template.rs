//! Texts with gaps that an event fills, such as `user:{payload.id}`.

use ledgerstone::core::RecordedEvent;
use serde_json::Value;

/// A text whose gaps are filled from an event: `{stream}`, `{id}` (what follows the category in the stream's name)
/// and `{payload.…}` (a text, a number or a boolean of a JSON payload, by its path).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EventTemplate(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Stream,
    Id,
    Payload(Vec<String>),
}

impl EventTemplate {
    /// Reads a template, or says what is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            if !before.is_empty() {
                parts.push(Part::Text(before.to_owned()));
            }
            let Some((gap, behind)) = after.split_once('}') else {
                return Err(format!("{text:?} opens a gap and does not close it; write }} behind it"));
            };
            parts.push(part(gap).ok_or_else(|| {
                format!("{text:?} has the gap {{{gap}}}; there are {{stream}}, {{id}} and {{payload.NAME}}")
            })?);
            rest = behind;
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        if parts.is_empty() {
            return Err("an empty text names nothing".to_owned());
        }
        Ok(Self(parts))
    }

    /// Fills the gaps; nothing if the event lacks what one of them needs.
    pub(crate) fn fill(&self, event: &RecordedEvent) -> Option<String> {
        let stream = event.stream();
        let needs_payload = self.0.iter().any(|part| matches!(part, Part::Payload(_)));
        let payload = needs_payload.then(|| serde_json::from_slice::<Value>(event.payload()).ok()).flatten();
        self.filled(stream, payload.as_ref())
    }

    fn filled(&self, stream: Option<&str>, payload: Option<&Value>) -> Option<String> {
        let mut text = String::new();
        for part in &self.0 {
            match part {
                Part::Text(part) => text.push_str(part),
                Part::Stream => text.push_str(stream?),
                Part::Id => text.push_str(stream?.split_once('-')?.1),
                Part::Payload(path) => {
                    let found = path.iter().try_fold(payload?, |value, name| value.get(name))?;
                    match found {
                        Value::String(found) => text.push_str(found),
                        Value::Number(_) | Value::Bool(_) => text.push_str(&found.to_string()),
                        Value::Null | Value::Array(_) | Value::Object(_) => return None,
                    }
                }
            }
        }
        Some(text)
    }
}

fn part(gap: &str) -> Option<Part> {
    match gap {
        "stream" => Some(Part::Stream),
        "id" => Some(Part::Id),
        _ => {
            let path: Vec<_> = gap.strip_prefix("payload.")?.split('.').map(str::to_owned).collect();
            path.iter().all(|name| !name.is_empty()).then_some(Part::Payload(path))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn gaps_are_filled_from_the_stream_and_the_payload() {
        let template = EventTemplate::parse("{id}/{payload.user.id}-{stream}").expect("a template");
        let payload = json!({"user": {"id": 7}});
        assert_eq!(template.filled(Some("user-4-2"), Some(&payload)).as_deref(), Some("4-2/7-user-4-2"));
        assert_eq!(template.filled(Some("user"), Some(&payload)), None);
        assert_eq!(template.filled(Some("user-4"), Some(&json!({"user": []}))), None);
        assert_eq!(template.filled(None, None), None);
    }

    #[test]
    fn what_is_no_template_is_told() {
        for wrong in ["", "{", "a{stream", "{payload}", "{payload.}", "{payload.a..b}", "{tag}"] {
            assert!(EventTemplate::parse(wrong).is_err(), "{wrong}");
        }
        assert_eq!(EventTemplate::parse("all}").expect("a text").0, [Part::Text("all}".to_owned())]);
    }
}
