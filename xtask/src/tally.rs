//! The sum of what every test executable of a run reported.

use std::fmt;

/// How many tests passed, failed and were skipped, over all executables of a run.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) skipped: u64,
    /// The closing line of each executable, as it was printed.
    pub(crate) closing_lines: Vec<String>,
}

impl Tally {
    /// Takes a line of a run's output, and counts it when it closes an executable's report.
    pub(crate) fn take(&mut self, line: &str) {
        let Some(counts) = line.strip_prefix("test result: ") else { return };
        for part in counts.split([';', '.']) {
            let Some((number, word)) = part.trim().split_once(' ') else { continue };
            let Ok(number) = number.parse::<u64>() else { continue };
            match word {
                "passed" => self.passed += number,
                "failed" => self.failed += number,
                "ignored" => self.skipped += number,
                _ => {}
            }
        }
        self.closing_lines.push(line.to_owned());
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }
}

#[cfg(test)]
mod tests {
    use super::Tally;

    fn of(lines: &[&str]) -> Tally {
        let mut tally = Tally::default();
        lines.iter().for_each(|line| tally.take(line));
        tally
    }

    #[test]
    fn results_of_several_executables_are_added_up() {
        let tally = of(&[
            "test result: ok. 5 passed; 0 failed; 1 ignored; 0 measured; 2 filtered out; finished in 0.00s",
            "test a::b ... ok",
            "test result: FAILED. 7 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.23s",
        ]);
        assert_eq!(tally.to_string(), "12 passed, 2 failed, 1 skipped");
        assert_eq!(tally.closing_lines.len(), 2);
    }

    #[test]
    fn a_line_that_only_speaks_of_a_result_is_not_counted() {
        let tally = of(&["  test result: ok. 5 passed; 0 failed", "the test result: 9 passed"]);
        assert_eq!(tally, Tally::default());
    }
}
