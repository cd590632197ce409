//! A Rust file with its comments and strings told apart from its code.

/// A Rust file, lexed just far enough that braces and words can be trusted.
#[derive(Debug)]
pub(crate) struct RustFile {
    pub(crate) path: String,
    pub(crate) text: String,
    /// The text with comments and the insides of strings blanked out, line for line.
    pub(crate) code: String,
    /// The text with only the insides of strings blanked out.
    pub(crate) spoken: String,
    /// For each line, whether it belongs to an inline `#[cfg(test)] mod`.
    in_tests: Vec<bool>,
}

impl RustFile {
    /// Lexes `text`.
    pub(crate) fn new(path: &str, text: &str) -> Self {
        let (code, spoken) = mask(text);
        let in_tests = test_lines(&code);
        Self { path: path.to_owned(), text: text.to_owned(), code, spoken, in_tests }
    }

    /// The folder's name of the crate that the file belongs to.
    pub(crate) fn crate_folder(&self) -> &str {
        let folder = self.path.split("/src/").next().unwrap_or_default();
        folder.rsplit('/').next().unwrap_or_default()
    }

    /// Says whether the whole file is a test.
    pub(crate) fn is_test(&self) -> bool {
        self.path.contains("/tests/") || self.path.ends_with("/tests.rs") || self.path.ends_with("_tests.rs")
    }

    /// Says whether the line of this index is part of a test.
    pub(crate) fn is_test_line(&self, index: usize) -> bool {
        self.is_test() || self.in_tests.get(index).copied().unwrap_or(false)
    }

    /// Counts the lines without the inline test modules.
    pub(crate) fn lines_without_tests(&self) -> usize {
        self.in_tests.iter().filter(|in_test| !**in_test).count()
    }
}

/// What the characters at a place are part of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Code,
    Comment,
    Text,
}

/// Returns the code alone, and the code with its comments; both keep every line break.
fn mask(text: &str) -> (String, String) {
    let chars: Vec<char> = text.chars().collect();
    let (mut code, mut spoken) = (String::new(), String::new());
    let mut at = 0;
    while at < chars.len() {
        let (part, end) = next_part(&chars, at);
        for &c in &chars[at..end] {
            let kept = |keep: bool| if keep || c == '\n' { c } else { ' ' };
            code.push(kept(part == Part::Code));
            spoken.push(kept(part != Part::Text));
        }
        at = end;
    }
    (code, spoken)
}

/// Says what begins at `at`, and where it ends.
fn next_part(chars: &[char], at: usize) -> (Part, usize) {
    let next = chars.get(at + 1).copied();
    match chars[at] {
        '/' if next == Some('/') => (Part::Comment, end_of_line(chars, at)),
        '/' if next == Some('*') => (Part::Comment, end_of_block(chars, at)),
        '"' => (Part::Text, end_of_string(chars, at + 1, '"')),
        'r' if begins_word(chars, at) => match end_of_raw_string(chars, at + 1) {
            Some(end) => (Part::Text, end),
            None => (Part::Code, at + 1),
        },
        '\'' if next == Some('\\') => (Part::Text, end_of_string(chars, at + 1, '\'')),
        '\'' if chars.get(at + 2) == Some(&'\'') => (Part::Text, at + 3),
        _ => (Part::Code, at + 1),
    }
}

/// Says whether a raw string's `r` may stand here: `r"`, `br"` and `cr"`, but not `for"`.
fn begins_word(chars: &[char], at: usize) -> bool {
    let is_word =
        |back: usize| at.checked_sub(back).is_some_and(|i| chars[i].is_alphanumeric() || chars[i] == '_');
    let prefixed = at > 0 && matches!(chars[at - 1], 'b' | 'c');
    !is_word(if prefixed { 2 } else { 1 })
}

fn end_of_line(chars: &[char], at: usize) -> usize {
    (at..chars.len()).find(|&i| chars[i] == '\n').unwrap_or(chars.len())
}

fn end_of_block(chars: &[char], at: usize) -> usize {
    let (mut depth, mut i) = (0_u32, at);
    while i < chars.len() {
        match (chars[i], chars.get(i + 1)) {
            ('/', Some('*')) => (depth, i) = (depth + 1, i + 2),
            ('*', Some('/')) if depth == 1 => return i + 2,
            ('*', Some('/')) => (depth, i) = (depth - 1, i + 2),
            _ => i += 1,
        }
    }
    chars.len()
}

fn end_of_string(chars: &[char], from: usize, quote: char) -> usize {
    let mut i = from;
    while i < chars.len() {
        match chars[i] {
            '\\' => i += 2,
            c if c == quote => return i + 1,
            _ => i += 1,
        }
    }
    chars.len()
}

fn end_of_raw_string(chars: &[char], from: usize) -> Option<usize> {
    let hashes = chars[from..].iter().take_while(|c| **c == '#').count();
    if chars.get(from + hashes) != Some(&'"') {
        return None;
    }
    let closes = |i: usize| {
        chars[i] == '"' && chars[i + 1..].iter().take(hashes).filter(|c| **c == '#').count() == hashes
    };
    let close = (from + hashes + 1..chars.len()).find(|&i| closes(i));
    Some(close.map_or(chars.len(), |i| i + 1 + hashes))
}

/// Marks the lines of every inline test module, its attribute included.
fn test_lines(code: &str) -> Vec<bool> {
    let lines: Vec<&str> = code.lines().collect();
    let mut marks = vec![false; lines.len()];
    for start in (0..lines.len()).filter(|&i| lines[i].trim() == "#[cfg(test)]") {
        let Some(opening) = (start + 1..lines.len()).find(|&i| !lines[i].trim_start().starts_with('#'))
        else {
            continue;
        };
        if lines[opening].trim_end().ends_with('{') {
            let end = closing_line(&lines, opening).unwrap_or(lines.len() - 1);
            marks[start..=end].fill(true);
        }
    }
    marks
}

/// Finds the line that closes the first brace opened on or after `from`, in masked code.
pub(crate) fn closing_line(lines: &[&str], from: usize) -> Option<usize> {
    let mut depth = 0_i32;
    for (index, line) in lines.iter().enumerate().skip(from) {
        for c in line.chars() {
            match c {
                '{' => depth += 1,
                '}' if depth == 1 => return Some(index),
                '}' => depth -= 1,
                _ => {}
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::RustFile;

    fn file(text: &str) -> RustFile {
        RustFile::new("crates/x/src/a.rs", text)
    }

    #[test]
    fn strings_and_comments_are_not_code() {
        let file = file("let a = \"{ \\\" }\"; // }\n/* { /* } */ */ let b = '{'; let c = '\\'';\n");
        assert!(!file.code.contains(['{', '}']), "{}", file.code);
        assert!(file.code.contains("let b") && file.code.contains("let c"));
        assert!(file.spoken.contains("// }") && !file.spoken.contains("{ \\"));
    }

    #[test]
    fn raw_strings_end_at_their_own_hashes() {
        let file = file("let a = r#\"{ \" { \"#; let b = br\"{\"; r#fn(); let l: &'a str;\n");
        assert!(!file.code.contains('{') && file.code.contains("let b"), "{}", file.code);
        assert!(file.code.contains("r#fn") && file.code.contains("&'a str"));
    }

    #[test]
    fn masked_code_keeps_every_line() {
        let text = "a\n\"b\nc\"\n/* d\n */ e\n";
        assert_eq!(file(text).code.lines().count(), text.lines().count());
    }

    #[test]
    fn an_inline_test_module_is_taken_off_and_a_file_of_tests_is_not() {
        let inline = file("fn a() {}\n\n#[cfg(test)]\nmod tests {\n    fn b() {}\n}\n");
        assert_eq!(inline.lines_without_tests(), 2);
        assert!(inline.is_test_line(4) && !inline.is_test_line(0));
        assert_eq!(file("fn a() {}\n#[cfg(test)]\nmod tests;\n").lines_without_tests(), 3);
    }

    #[test]
    fn the_folder_of_the_crate_is_known() {
        assert_eq!(file("").crate_folder(), "x");
        assert_eq!(RustFile::new("xtask/src/main.rs", "").crate_folder(), "xtask");
    }
}
