//! What was measured, as a table: each figure with its spread, and the ratios that the bars speak of.

use crate::window::{Measured, spread};

/// A row: one thing done by several subjects in turn.
#[derive(Debug)]
pub struct Row {
    /// What was done.
    pub what: String,
    /// The windows of each subject.
    pub subjects: Vec<(&'static str, Vec<Measured>)>,
    /// Which subject is compared with which, and the ratio that is wanted.
    pub bars: Vec<(&'static str, &'static str, f64)>,
}

impl Row {
    /// Prints the row; tells whether every bar holds.
    pub fn print(&self) -> bool {
        println!("\n{}", self.what);
        for (name, windows) in &self.subjects {
            let (middle, low, high) = spread(windows);
            let waits = windows.get(windows.len() / 2);
            let (p50, p99) = waits.map_or((0, 0), |window| (window.p50, window.p99));
            println!("  {name:<18} {middle:>12.0}/s  ({low:.0} .. {high:.0})  p50 {p50} us, p99 {p99} us");
        }
        let rate = |wanted: &str| {
            let found = self.subjects.iter().find(|(name, _)| *name == wanted);
            found.map(|(_, windows)| spread(windows).0)
        };
        let mut holds = true;
        for (ours, theirs, bar) in &self.bars {
            let (Some(a), Some(b)) = (rate(ours), rate(theirs)) else { continue };
            let ratio = a / b;
            let verdict = if ratio >= *bar { "holds" } else { "MISSED" };
            holds &= ratio >= *bar;
            println!("  {ours} / {theirs} = {ratio:.2}, wanted {bar}: {verdict}");
        }
        holds
    }
}
