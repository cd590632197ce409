//! Output: what commands print, for people as aligned text, for scripts as JSON; nothing else is printed.

use std::fmt::Display;
use std::io::{self, BufWriter, IsTerminal as _, Write};

use serde::Serialize;

use crate::exit::Exit;
use crate::failure::Failure;

/// Where a command prints, and how.
pub struct Output {
    /// Whether scripts read it: one JSON document, or one a line.
    pub json: bool,
    /// Whether remarks and progress are left out.
    pub quiet: bool,
    /// Whether it tells more of what it does.
    pub verbose: bool,
    writer: Box<dyn Write + Send>,
}

impl std::fmt::Debug for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Output").field("json", &self.json).field("quiet", &self.quiet).finish_non_exhaustive()
    }
}

impl Output {
    /// Prints to standard output.
    pub fn new(json: bool, quiet: bool, verbose: bool) -> Self {
        let writer: Box<dyn Write + Send> = Box::new(BufWriter::with_capacity(64 * 1024, io::stdout()));
        Self { json, quiet, verbose, writer }
    }

    /// Tells whether progress bars are shown: to people at a terminal only.
    pub fn shows_progress(&self) -> bool {
        !self.json && !self.quiet && io::stderr().is_terminal()
    }

    /// Returns where text is written; what fails there fails the command.
    pub fn writer(&mut self) -> &mut (dyn Write + Send) {
        &mut *self.writer
    }

    /// Prints a line of the answer, with control characters made visible.
    pub fn line(&mut self, line: impl Display) -> Result<(), Failure> {
        writeln!(self.writer, "{}", visible(&line.to_string())).map_err(|error| stdout_failed(&error))
    }

    /// Prints text as it is.
    pub fn text(&mut self, text: &str) -> Result<(), Failure> {
        self.writer.write_all(text.as_bytes()).map_err(|error| stdout_failed(&error))
    }

    /// Prints a JSON document on a line of its own.
    pub fn document(&mut self, document: &impl Serialize) -> Result<(), Failure> {
        let mut json = serde_json::to_vec(document).map_err(anyhow::Error::new)?;
        json.push(b'\n');
        self.writer.write_all(&json).map_err(|error| stdout_failed(&error))
    }

    /// Prints rows in columns as wide as they need; columns of numbers are aligned to the right.
    pub fn table(&mut self, head: &[&str], rows: &[Vec<String>]) -> Result<(), Failure> {
        let rows: Vec<Vec<String>> =
            rows.iter().map(|row| row.iter().map(|cell| visible(cell)).collect()).collect();
        let columns: Vec<Column> =
            head.iter().enumerate().map(|(at, name)| Column::of(at, name, &rows)).collect();
        let head: Vec<String> = head.iter().map(|name| (*name).to_owned()).collect();
        for row in std::iter::once(&head).chain(&rows) {
            let cells: Vec<String> =
                columns.iter().zip(row).map(|(column, cell)| column.aligned(cell)).collect();
            let line = cells.join("  ");
            writeln!(self.writer, "{}", line.trim_end()).map_err(|error| stdout_failed(&error))?;
        }
        Ok(())
    }

    /// Prints names and values, one a line, the values aligned.
    pub fn facts(&mut self, facts: &[(&str, String)]) -> Result<(), Failure> {
        let width = facts.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
        facts.iter().try_for_each(|(name, value)| self.line(format!("{name:width$}  {value}")))
    }

    /// Writes a remark to people on standard error; scripts and quiet people do not get it.
    pub fn remark(&self, remark: impl Display) {
        if !self.json && !self.quiet {
            let _ = writeln!(io::stderr(), "{remark}");
        }
    }

    /// Writes what only a curious person wants to know.
    pub fn detail(&self, detail: impl Display) {
        if self.verbose {
            let _ = writeln!(io::stderr(), "{detail}");
        }
    }

    /// Sends everything on its way.
    pub fn flush(&mut self) -> Result<(), Failure> {
        self.writer.flush().map_err(|error| stdout_failed(&error))
    }

    /// Tells of a failure on standard error: a problem document for scripts, text for people.
    pub fn failure(json: bool, failure: &Failure) {
        let mut stderr = io::stderr();
        let _ = if json {
            let problem = serde_json::to_string(&failure.to_problem()).unwrap_or_default();
            writeln!(stderr, "{problem}")
        } else {
            writeln!(stderr, "{failure}")
        };
    }
}

/// Tells of an output that failed; the reader of a pipe that has gone away has all that it wanted.
pub fn stdout_failed(error: &io::Error) -> Failure {
    let failure = Failure::io("standard output", error);
    if error.kind() == io::ErrorKind::BrokenPipe { failure.with_exit(Exit::Done) } else { failure }
}

/// Replaces what would move a terminal's cursor or colour it.
fn visible(text: &str) -> String {
    if !text.chars().any(char::is_control) {
        return text.to_owned();
    }
    text.chars().fold(String::new(), |mut visible, c| {
        if c.is_control() {
            visible.extend(c.escape_default())
        } else {
            visible.push(c)
        }
        visible
    })
}

struct Column {
    width: usize,
    right: bool,
}

impl Column {
    fn of(at: usize, name: &str, rows: &[Vec<String>]) -> Self {
        let cells = || rows.iter().filter_map(|row| row.get(at));
        let width = cells().map(|cell| cell.chars().count()).chain([name.chars().count()]).max();
        let is_number = |cell: &String| cell.chars().all(|c| c.is_ascii_digit() || c == ',' || c == '-');
        Self { width: width.unwrap_or(0), right: !rows.is_empty() && cells().all(is_number) }
    }

    fn aligned(&self, cell: &str) -> String {
        let width = self.width;
        if self.right { format!("{cell:>width$}") } else { format!("{cell:width$}") }
    }
}

/// Writes a number with commas, as people read it.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_thousands() {
        for (number, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(grouped(number), text);
        }
    }

    #[test]
    fn what_would_move_the_cursor_is_made_visible() {
        assert_eq!(visible("a\x1b[2Jb\nc"), "a\\u{1b}[2Jb\\nc");
    }
}
