//! Formats: what the bytes of an import are, by its ending.

use std::path::Path;

use super::source::Input;

/// What the rows of an input are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// One JSON object a line.
    Ndjson,
    /// Comma-separated values with a header.
    Csv,
}

impl Format {
    /// Guesses the format by the ending of the file, gzip left aside, or by whether columns are mapped.
    pub fn guess(input: &Input, has_mapping: bool) -> Option<Self> {
        let ending = match input {
            Input::Stdin => None,
            Input::File(path) => ending(path),
        };
        match ending.as_deref() {
            Some("ndjson" | "jsonl" | "json") => Some(Self::Ndjson),
            Some("csv" | "tsv") => Some(Self::Csv),
            _ if has_mapping => Some(Self::Csv),
            _ if *input == Input::Stdin => Some(Self::Ndjson),
            _ => None,
        }
    }

    /// Returns what separates cells unless the command line says so: a tab in `.tsv`, else a comma.
    pub fn delimiter(input: &Input) -> u8 {
        match input {
            Input::File(path) if ending(path).as_deref() == Some("tsv") => b'\t',
            _ => b',',
        }
    }
}

/// Returns the ending of a file in lower case, that of what is packed inside `.gz`.
fn ending(path: &Path) -> Option<String> {
    let own = path.extension()?.to_str()?.to_ascii_lowercase();
    if own == "gz" { ending(Path::new(path.file_stem()?)) } else { Some(own) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ending_below_gz_decides() {
        let guess = |name: &str| Format::guess(&Input::new(Path::new(name)), false);
        assert_eq!(guess("a.csv"), Some(Format::Csv));
        assert_eq!(guess("a.NDJSON.gz"), Some(Format::Ndjson));
        assert_eq!(guess("-"), Some(Format::Ndjson));
        assert_eq!(guess("a.gz"), None);
        assert_eq!(Format::delimiter(&Input::new(Path::new("a.tsv.gz"))), b'\t');
    }
}
