//! Rows as lines of CSV, with a header and a mapping of its columns.

use bytes::Bytes;
use csv_core::ReadRecordResult;
use ledgerstone::core::{EventData, EventType, OffsetTime, SubjectId, Tag};
use uuid::Uuid;

use super::convert::write_text;
use super::ids::Ids;
use super::mapping::{Column, Mapping, MappingArguments};
use super::row::{Identity, MAX_ROW_BYTES, NO_ID, Record, Row, Rules};
use super::source::Source;
use crate::failure::Failure;

/// How much is kept of a record that is too long.
const SHOWN_BYTES: usize = 4096;

/// Reads CSV as RFC 4180 describes it, with any delimiter.
///
/// A quote that is never closed swallows what follows it; so a record of several lines that does not
/// have the columns of the header is rejected by its first line only, and reading goes on with the next.
pub(super) struct CsvReader {
    reader: csv_core::Reader,
    text: Vec<u8>,
    ends: Vec<usize>,
    header: Vec<String>,
    mapping: Mapping,
    /// Whether a record reached the end of the input with its quote open.
    ends_in_quote: bool,
}

/// A record that was looked at and not taken.
struct Scanned {
    /// Its bytes, blank lines before it and its line end included.
    length: usize,
    /// The number of its columns, 0 if it is too long.
    columns: usize,
    /// Whether the input ended inside its quotes.
    unclosed: bool,
}

/// The cells of one record, in `text`.
struct Cells<'a> {
    text: &'a [u8],
    ends: &'a [usize],
}

impl Cells<'_> {
    fn get(&self, at: usize) -> &[u8] {
        let start = at.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        self.ends.get(at).and_then(|end| self.text.get(start..*end)).unwrap_or_default()
    }

    fn text(&self, column: &Column) -> Result<&str, String> {
        std::str::from_utf8(self.get(column.at)).map_err(|_| format!("column {:?} is not UTF-8", column.name))
    }

    fn filled(&self, column: Option<&Column>) -> Result<Option<&str>, String> {
        let text = column.map(|column| self.text(column)).transpose()?;
        Ok(text.filter(|text| !text.is_empty()))
    }
}

impl CsvReader {
    /// Reads the header and looks the mapping up in it.
    pub(super) fn new(
        source: &mut Source,
        delimiter: u8,
        arguments: &MappingArguments,
    ) -> Result<Self, Failure> {
        source.skip_byte_order_mark()?;
        let reader = csv_core::ReaderBuilder::new().delimiter(delimiter).build();
        let mut csv = Self {
            reader,
            text: vec![0; 4096],
            ends: vec![0; 64],
            header: Vec::new(),
            mapping: Mapping::default(),
            ends_in_quote: false,
        };
        let Some(Scanned { length, columns, unclosed }) = csv.scan(source)? else {
            return Err(Failure::usage("the input is empty; a CSV file begins with a header"));
        };
        if unclosed {
            return Err(Failure::usage("a quote in the header is not closed")
                .with_help("close it; the first line of a CSV file names its columns"));
        }
        let cells = Cells { text: &csv.text, ends: csv.ends.get(..columns).unwrap_or_default() };
        let names = (0..columns).map(|at| std::str::from_utf8(cells.get(at)).map(str::to_owned));
        let header: Result<Vec<_>, _> = names.collect();
        csv.header = header.map_err(|_| Failure::usage("the header is not UTF-8"))?;
        source.take(length);
        let resolved = Mapping::resolve(arguments, &csv.header);
        csv.mapping = resolved.map_err(|failure| hint_at_delimiter(failure, &csv.header, delimiter))?;
        Ok(csv)
    }

    /// Reads the next row.
    pub(super) fn next(&mut self, source: &mut Source, rules: &Rules) -> Result<Option<Record>, Failure> {
        let Some(Scanned { length, columns, unclosed }) = self.scan(source)? else { return Ok(None) };
        self.ends_in_quote |= unclosed;
        let ahead = source.ahead();
        let bytes = ahead.get(..length).unwrap_or_default();
        let blank = bytes.iter().take_while(|byte| matches!(byte, b'\n' | b'\r')).count();
        let newlines = bytes.iter().take(blank).filter(|byte| **byte == b'\n').count() as u64;
        let line = source.line() + newlines;
        let record = bytes.get(blank..).unwrap_or_default();
        let first_line = record.iter().position(|byte| *byte == b'\n').map_or(record.len(), |at| at + 1);
        // Quotes come in pairs; an odd one swallows the lines that follow.
        let open = record.iter().filter(|byte| **byte == b'"').count() % 2 == 1;
        let broken = unclosed || (open || columns != self.header.len()) && first_line < record.len();
        let (taken, raw) = if broken || columns == 0 {
            (blank + first_line, record.get(..first_line).unwrap_or_default())
        } else {
            (length, record)
        };
        let shown = if columns == 0 { raw.len().min(SHOWN_BYTES) } else { raw.len() };
        let raw = raw.get(..shown).unwrap_or_default().trim_ascii_end().to_vec();
        let row = if broken {
            Err("a quote is not closed, or the number of columns is wrong".to_owned())
        } else if columns == 0 {
            Err(format!("the row has more than {MAX_ROW_BYTES} bytes"))
        } else if columns != self.header.len() {
            Err(format!("the row has {columns} columns and the header has {}", self.header.len()))
        } else {
            let ends = self.ends.get(..columns).unwrap_or_default();
            make_row(&Cells { text: &self.text, ends }, &self.header, &self.mapping, rules)
        };
        source.take(taken);
        Ok(Some(Record { line, raw, row }))
    }

    /// Tells whether a row that was read may be another when the input has grown.
    pub(super) fn ends_open(&self, source: &Source) -> bool {
        self.ends_in_quote || source.ends_open()
    }

    /// Looks at the next record.
    fn scan(&mut self, source: &mut Source) -> Result<Option<Scanned>, Failure> {
        self.reader.reset();
        let (mut length, mut written, mut columns) = (0, 0, 0);
        let (mut ended, mut unclosed) = (false, false);
        if source.ahead().is_empty() {
            source.fill()?;
        }
        loop {
            // At the end of the input, a line end tells whether the record is whole: inside quotes it is text.
            let input: &[u8] = match (ended, unclosed) {
                (true, false) => b"\n",
                _ => source.ahead().get(length..).unwrap_or_default(),
            };
            let text = self.text.get_mut(written..).unwrap_or_default();
            let ends = self.ends.get_mut(columns..).unwrap_or_default();
            let (result, read, wrote, ended_columns) = self.reader.read_record(input, text, ends);
            length += if ended { 0 } else { read };
            written += wrote;
            columns += ended_columns;
            match result {
                ReadRecordResult::Record => {
                    length += rest_of_line_end(source, length)?;
                    return Ok(Some(Scanned { length, columns, unclosed }));
                }
                ReadRecordResult::End => {
                    source.take(length);
                    return Ok(None);
                }
                ReadRecordResult::OutputFull => self.text.resize(self.text.len() * 2, 0),
                ReadRecordResult::OutputEndsFull => self.ends.resize(self.ends.len() * 2, 0),
                ReadRecordResult::InputEmpty if length > MAX_ROW_BYTES => {
                    return Ok(Some(Scanned { length, columns: 0, unclosed }));
                }
                ReadRecordResult::InputEmpty => {
                    unclosed = ended;
                    ended = !source.fill()?;
                }
            }
        }
    }
}

/// Returns the length of what is left of a line end: a record is whole at `\r`, its line at `\r\n`.
fn rest_of_line_end(source: &mut Source, length: usize) -> Result<usize, Failure> {
    let Some(last) = length.checked_sub(1) else { return Ok(0) };
    if source.ahead().get(last) != Some(&b'\r') {
        return Ok(0);
    }
    if source.ahead().len() == length {
        source.fill()?;
    }
    Ok(usize::from(source.ahead().get(length) == Some(&b'\n')))
}

/// Guesses at another delimiter, if the header is one column that holds it.
fn hint_at_delimiter(failure: Failure, header: &[String], delimiter: u8) -> Failure {
    let [only] = header else { return failure };
    let others = [(';', "';'"), ('\t', "tab"), (',', "','"), ('|', "'|'")];
    let found =
        others.iter().find(|(other, _)| u32::from(*other) != u32::from(delimiter) && only.contains(*other));
    match found {
        Some((_, written)) => failure.with_help(format!(
            "the header is one column, so the cells may be separated otherwise; try --delimiter {written}"
        )),
        None => failure,
    }
}

fn make_row(cells: &Cells<'_>, header: &[String], mapping: &Mapping, rules: &Rules) -> Result<Row, String> {
    let stream = cells.filled(mapping.stream.as_ref())?.unwrap_or_default();
    let event_type = cells.filled(mapping.event_type.as_ref())?.ok_or("type is missing")?;
    let event_type = EventType::new(event_type).map_err(|error| error.to_string())?;
    let (id, identity) = match cells.filled(mapping.id.as_ref())? {
        Some(id) => {
            let named = || Ids::named(&rules.source, id);
            (Uuid::try_parse(id).unwrap_or_else(|_| named()), Identity::Own)
        }
        None => (NO_ID, Identity::Content(canonical(cells, header, mapping))),
    };
    let mut event = EventData::json(id, event_type, data(cells, mapping, rules)?);
    if let Some(time) = cells.filled(mapping.time.as_ref())? {
        let time = OffsetTime::parse(time, rules.zone.as_deref()).map_err(|error| error.to_string())?;
        event.metadata.occurred_at = Some(time);
    }
    let own = |column: &Option<Column>| cells.filled(column.as_ref()).map(|text| text.map(str::to_owned));
    event.metadata.correlation = own(&mapping.correlation)?;
    event.metadata.actor = own(&mapping.actor)?;
    event.metadata.source = own(&mapping.source)?;
    let subject = cells.filled(mapping.subject.as_ref())?;
    event.subject = subject.map(SubjectId::new).transpose().map_err(|error| error.to_string())?;
    for column in &mapping.tags {
        if let Some(value) = cells.filled(Some(column))? {
            let tag = Tag::new(format!("{}:{value}", column.name)).map_err(|error| error.to_string())?;
            event.tags.push(tag);
        }
    }
    Row::new(stream, event, identity, rules)
}

/// Writes the data columns as an object, in the order of the header.
fn data(cells: &Cells<'_>, mapping: &Mapping, rules: &Rules) -> Result<Bytes, String> {
    let mut json = vec![b'{'];
    for (at, column) in mapping.data.iter().enumerate() {
        if at > 0 {
            json.push(b',');
        }
        write_text(&column.name, &mut json);
        json.push(b':');
        let cell = cells.text(column)?;
        let written = column.kind.write(cell, rules.zone.as_deref(), &mut json);
        written.map_err(|reason| format!("column {:?}: {reason}", column.name))?;
    }
    json.push(b'}');
    Ok(json.into())
}

/// Writes what the row says, so that neither the order of columns nor a new empty one changes it.
fn canonical(cells: &Cells<'_>, header: &[String], mapping: &Mapping) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(cells.text.len().min(4096));
    for at in &mapping.by_name {
        let cell = cells.get(*at);
        if !cell.is_empty() {
            bytes.extend_from_slice(header.get(*at).map_or("", String::as_str).as_bytes());
            bytes.push(0x1f);
            bytes.extend_from_slice(cell);
            bytes.push(0x1e);
        }
    }
    bytes
}

#[cfg(test)]
#[path = "csv_tests.rs"]
mod tests;
