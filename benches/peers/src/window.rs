//! Windows: everybody runs for a short time in turn, over and over, so that noise meets all alike.

use std::fmt::Write as _;
use std::io::Write as _;
use std::time::{Duration, Instant};

use anyhow::Result;
use rustix::time::{ClockId, clock_gettime};

use crate::settings::Settings;

/// Somebody who runs in every round, and returns how much a second it did.
pub(crate) struct Runner<'a> {
    pub(crate) name: &'static str,
    pub(crate) run: Box<dyn FnMut() -> Result<f64> + 'a>,
}

impl<'a> Runner<'a> {
    pub(crate) fn new(name: &'static str, run: impl FnMut() -> Result<f64> + 'a) -> Self {
        Self { name, run: Box::new(run) }
    }
}

/// What was measured of somebody, round by round.
#[derive(Debug, Clone)]
pub(crate) struct Rates {
    pub(crate) name: &'static str,
    pub(crate) rates: Vec<f64>,
    /// Microseconds of processor time for each that it did, of the whole process.
    pub(crate) cpu: Vec<f64>,
}

/// What a bar asks for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Bar {
    /// So many times what the fastest of the others does.
    Ratio(f64),
    /// No more than this.
    AtMost(f64),
    /// Nothing: the ratio is only told.
    Told,
}

/// A line of the report, and whether it is missed.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) unit: &'static str,
    pub(crate) bar: Bar,
    /// The first is ours.
    pub(crate) measured: Vec<Rates>,
}

/// Runs everybody in turn, in as many rounds as are set; a first one is not counted where `warm` is wanted.
pub(crate) fn interleave(settings: &Settings, warm: bool, runners: &mut [Runner<'_>]) -> Result<Vec<Rates>> {
    let of = |runner: &Runner<'_>| Rates { name: runner.name, rates: Vec::new(), cpu: Vec::new() };
    let mut measured: Vec<_> = runners.iter().filter(|one| settings.runs(one.name)).map(of).collect();
    for round in 0..settings.windows + usize::from(warm) {
        let runners = runners.iter_mut().filter(|one| settings.runs(one.name));
        for (runner, rates) in runners.zip(&mut measured) {
            let (started, cpu) = (Instant::now(), cpu_seconds());
            let rate = (runner.run)()?;
            let done = rate * started.elapsed().as_secs_f64();
            if round >= usize::from(warm) {
                rates.rates.push(rate);
                rates.cpu.push((cpu_seconds() - cpu) * 1e6 / done.max(1e-9));
            }
            // What is still being written or merged behind somebody is not to slow the next one down.
            std::thread::sleep(Duration::from_millis(50));
        }
    }
    Ok(measured)
}

fn cpu_seconds() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

impl Row {
    /// Returns what the bar is held against: ratios to the fastest of the others, round by round, or our own.
    fn judged(&self) -> Vec<f64> {
        let Some((ours, others)) = self.measured.split_first() else { return Vec::new() };
        let fastest = others.iter().max_by(|one, other| median(&one.rates).total_cmp(&median(&other.rates)));
        match (self.bar, fastest) {
            (Bar::Ratio(_) | Bar::Told, Some(fastest)) => {
                ours.rates.iter().zip(&fastest.rates).map(|(ours, other)| ours / other.max(1e-9)).collect()
            }
            // Nobody else ran.
            (Bar::Ratio(_) | Bar::Told, None) => Vec::new(),
            (Bar::AtMost(_), _) => ours.rates.clone(),
        }
    }

    /// Tells whether the whole spread lies on the wrong side of the bar.
    pub(crate) fn is_missed(&self) -> bool {
        let judged = self.judged();
        if judged.is_empty() {
            return false;
        }
        match self.bar {
            Bar::Ratio(bar) => judged.iter().all(|ratio| *ratio < bar),
            Bar::AtMost(bar) => judged.iter().all(|value| *value > bar),
            Bar::Told => false,
        }
    }

    /// Prints the row: everybody's median and spread, the ratio, the bar.
    pub(crate) fn print(&self) -> Result<()> {
        let mut line = format!("| {} |", self.name);
        for rates in &self.measured {
            write!(line, " {} {} {}", rates.name, spread(&rates.rates, true), self.unit)?;
            if !rates.cpu.is_empty() {
                write!(line, ", {:.2} us of CPU each", median(&rates.cpu))?;
            }
            line.push_str("<br>");
        }
        let verdict = if self.is_missed() { "missed" } else { "held" };
        if self.judged().is_empty() {
            line.push_str(" | | not judged |");
        } else {
            self.print_verdict(&mut line, verdict)?;
        }
        let mut out = std::io::stdout().lock();
        writeln!(out, "{line}")?;
        out.flush()?;
        Ok(())
    }

    fn print_verdict(&self, line: &mut String, verdict: &str) -> Result<()> {
        match self.bar {
            Bar::Ratio(bar) => write!(line, " | {} | {bar} {verdict} |", spread(&self.judged(), false))?,
            Bar::Told => write!(line, " | {} | none |", spread(&self.judged(), false))?,
            Bar::AtMost(bar) => write!(line, " | | at most {bar} {verdict} |")?,
        }
        Ok(())
    }
}

/// Prints what stands above the rows.
pub(crate) fn print_head() -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "| row | median (lowest .. highest) | ratio | bar |\n|---|---|---|---|")?;
    Ok(())
}

pub(crate) fn median(numbers: &[f64]) -> f64 {
    let mut sorted = numbers.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}

fn spread(numbers: &[f64], whole: bool) -> String {
    let low = numbers.iter().copied().fold(f64::INFINITY, f64::min);
    let high = numbers.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let median = median(numbers);
    let digits = if whole && median >= 100.0 { 0 } else { 2 };
    format!("{median:.digits$} ({low:.digits$} .. {high:.digits$})")
}

#[cfg(test)]
mod tests {
    use super::{Bar, Rates, Row};

    fn row(bar: Bar, ours: &[f64], other: &[f64]) -> Row {
        let measured = [("ours", ours), ("slow", &[1.0, 1.0, 1.0]), ("other", other)];
        let measured = measured.map(|(name, rates)| Rates { name, rates: rates.to_vec(), cpu: Vec::new() });
        let measured = measured.to_vec();
        Row { name: String::new(), unit: "", bar, measured }
    }

    #[test]
    fn a_bar_is_missed_only_if_the_whole_spread_lies_below_it() {
        assert!(!row(Bar::Ratio(0.7), &[5.0, 5.0, 8.0], &[10.0, 10.0, 10.0]).is_missed());
        assert!(row(Bar::Ratio(0.9), &[5.0, 5.0, 8.0], &[10.0, 10.0, 10.0]).is_missed());
        assert!(row(Bar::AtMost(4.0), &[5.0, 4.5, 8.0], &[]).is_missed());
        assert!(!row(Bar::AtMost(4.6), &[5.0, 4.5, 8.0], &[]).is_missed());
    }
}
