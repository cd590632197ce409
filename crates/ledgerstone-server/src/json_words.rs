//! What is wrong with JSON, in the words of people who write it and not in those of the parser.

use ledgerstone::core::nearest;

/// Words of the parser, and what they mean to whoever wrote the JSON.
const WORDS: &[(&str, &str)] = &[
    ("a borrowed string", "a text"),
    ("a string key", "a text"),
    ("a string", "a text"),
    ("a map", "an object"),
    ("a sequence", "an array"),
    ("a tuple of size ", "an array with as many elements as "),
    ("tuple struct ", "an array for "),
    ("internally tagged enum ", "an object for "),
    ("adjacently tagged enum ", "an object for "),
    ("any valid JSON value", "a value"),
    ("unit", "null"),
    ("map", "an object"),
    ("sequence", "an array"),
    ("string ", "the text "),
    ("integer ", "the number "),
    ("floating point ", "the number "),
    ("boolean ", ""),
];

/// Tells what is wrong with JSON and where; a place on the first line is a column only.
pub fn told(error: &serde_json::Error) -> String {
    let (line, column) = (error.line(), error.column());
    let text = error.to_string();
    let text = text.strip_suffix(&format!(" at line {line} column {column}")).unwrap_or(&text);
    let told = reworded(text);
    match line {
        0 => told,
        1 => format!("{told} at column {column}"),
        _ => format!("{told} at line {line} column {column}"),
    }
}

fn reworded(text: &str) -> String {
    if let Some(inside) = text.strip_prefix("EOF while parsing ") {
        return match inside {
            "an object" | "a value" => format!("it ends inside {inside}"),
            "a list" => "it ends inside an array".to_owned(),
            "a string" => "it ends inside a text".to_owned(),
            _ => "it ends too early".to_owned(),
        };
    }
    for prefix in ["invalid type: ", "invalid value: "] {
        if let Some((given, wanted)) =
            text.strip_prefix(prefix).and_then(|rest| rest.rsplit_once(", expected "))
        {
            return format!("it is {}, and {} is needed", word(given), word(wanted));
        }
    }
    if let Some((length, wanted)) =
        text.strip_prefix("invalid length ").and_then(|rest| rest.split_once(", expected "))
    {
        return format!("it has {length} elements, and {} is needed", word(wanted));
    }
    let named = |prefix| text.strip_prefix(prefix).and_then(|rest: &str| rest.split('`').next());
    if let Some(field) = named("missing field `") {
        return format!("{field:?} is missing");
    }
    if let Some(field) = named("duplicate field `") {
        return format!("{field:?} stands there twice");
    }
    if let Some(told) = unknown(text) {
        return told;
    }
    if text.starts_with("UUID parsing failed") {
        return "the id is not a UUID".to_owned();
    }
    match text {
        "trailing characters" => "something follows behind its end".to_owned(),
        "expected value" => "another value is needed".to_owned(),
        "recursion limit exceeded" => "it is nested deeper than 127 levels".to_owned(),
        "number out of range" => "a number is too large".to_owned(),
        "lone leading surrogate in hex escape" | "unexpected end of hex escape" => {
            "an escape in a text is half a character (a lone surrogate)".to_owned()
        }
        "key must be a string" => "a key is not a text in quotes".to_owned(),
        other => other.to_owned(),
    }
}

/// Names what is known nearest to a key or a value that is not, or all that is known.
fn unknown(text: &str) -> Option<String> {
    let (what, rest) = match text.strip_prefix("unknown field `") {
        Some(rest) => ("key", rest),
        None => ("value", text.strip_prefix("unknown variant `")?),
    };
    let (given, expected) = rest.rsplit_once("`, expected ").unwrap_or((rest.split('`').next()?, ""));
    let known: Vec<_> = expected.split('`').skip(1).step_by(2).collect();
    Some(match (nearest(given, known.iter().copied()), known.as_slice()) {
        (Some(near), _) => format!("unknown {what} {given:?}; did you mean {near:?}?"),
        (None, []) => format!("unknown {what} {given:?}"),
        (None, known) => format!("unknown {what} {given:?}; known are {}", known.join(", ")),
    })
}

/// Puts a word of the parser into ours.
fn word(text: &str) -> String {
    if matches!(text, "u8" | "u16" | "u32" | "u64" | "usize" | "a nonzero u64") {
        return "a whole number that is not negative".to_owned();
    }
    if matches!(text, "i8" | "i16" | "i32" | "i64" | "isize") {
        return "a whole number".to_owned();
    }
    if text.starts_with("struct ") {
        return "an object".to_owned();
    }
    let found = WORDS.iter().find_map(|(theirs, ours)| Some(format!("{ours}{}", text.strip_prefix(theirs)?)));
    found.unwrap_or_else(|| text.to_owned()).replace('`', "")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use ledgerstone::core::EventJson;

    use super::*;

    #[test]
    fn a_mistake_is_told_without_the_words_of_the_parser() {
        let cases = [
            (r#"{"type":{}}"#, "it is an object, and a text is needed at column 8"),
            (r#"{"type":"#, "it ends inside a value at column 8"),
            (r#"{"type":"x"#, "it ends inside a text at column 10"),
            (r#"{"type":"x","tags":"a"}"#, "it is the text \"a\", and an array is needed at column 22"),
            (r#"{"type":7}"#, "it is the number 7, and a text is needed at column 9"),
            (
                r#"{"type":"x","schema_version":-1}"#,
                "it is the number -1, and a whole number that is not negative is needed",
            ),
            (r#"{"type":"x","type":"y"}"#, "\"type\" stands there twice"),
            (r#"{"typ":"x"}"#, "unknown key \"typ\"; did you mean \"type\"?"),
            (r#"{"zzz":"x"}"#, "unknown key \"zzz\"; known are position, log, tenant, "),
            (r#"{"batch":"frist"}"#, "unknown value \"frist\"; did you mean \"first\"?"),
            (r#"{"type":"x","id":"7"}"#, "the id is not a UUID"),
            ("{}\n}", "something follows behind its end at line 2 column 1"),
        ];
        for (json, expected) in cases {
            let error = serde_json::from_str::<EventJson>(json).expect_err("malformed");
            assert!(told(&error).starts_with(expected), "{json}: {}", told(&error));
        }
        let error = serde_json::from_str::<BTreeMap<String, bool>>("[]").expect_err("malformed");
        assert_eq!(told(&error), "it is an array, and an object is needed at column 0");
    }
}
