//! Windows: every workload runs for a short time in turn, over and over, so that noise meets all alike.

use std::io::Write;
use std::time::Duration;

use futures_util::future::BoxFuture;

/// Something that runs for about a time and says how many per second it did.
pub struct Workload {
    /// What it is called in the table.
    pub name: String,
    /// Against which workload it is compared, by name.
    pub baseline: Option<String>,
    /// The bar that it must reach: a rate, or with a baseline a ratio.
    pub bar: Option<f64>,
    /// Runs one window and returns the rate per second.
    pub window: Box<dyn FnMut(Duration) -> BoxFuture<'static, anyhow::Result<f64>> + Send>,
}

impl std::fmt::Debug for Workload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Workload").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Workload {
    /// Makes a workload from what runs one window.
    pub fn new<F>(name: impl Into<String>, mut window: F) -> Self
    where
        F: FnMut(Duration) -> BoxFuture<'static, anyhow::Result<f64>> + Send + 'static,
    {
        Self { name: name.into(), baseline: None, bar: None, window: Box::new(move |time| window(time)) }
    }

    /// Compares it with another workload of the run, which should be beaten by this factor.
    #[must_use]
    pub fn against(mut self, baseline: impl Into<String>, ratio: f64) -> Self {
        self.baseline = Some(baseline.into());
        self.bar = Some(ratio);
        self
    }

    /// Sets the rate that it should reach on the reference machine.
    #[must_use]
    pub fn at_least(mut self, rate: f64) -> Self {
        self.bar = Some(rate);
        self
    }
}

/// How often and how long.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// The number of windows of each workload.
    pub windows: usize,
    /// The length of a window.
    pub length: Duration,
}

impl Default for Plan {
    fn default() -> Self {
        Self { windows: 5, length: Duration::from_secs(1) }
    }
}

/// The rates of one workload, window by window.
#[derive(Debug, Clone)]
pub struct Measured {
    /// What it is called.
    pub name: String,
    /// Rates per second.
    pub rates: Vec<f64>,
    /// Ratios to the baseline's window of the same round.
    pub ratios: Vec<f64>,
    /// The bar, for the ratio if there is a baseline and else for the rate.
    pub bar: Option<f64>,
}

/// Runs all workloads in turn, `plan.windows` times.
pub async fn run_interleaved(plan: Plan, mut workloads: Vec<Workload>) -> anyhow::Result<Vec<Measured>> {
    let mut rates: Vec<Vec<f64>> = vec![Vec::new(); workloads.len()];
    for _ in 0..plan.windows {
        for (workload, rates) in workloads.iter_mut().zip(&mut rates) {
            rates.push((workload.window)(plan.length).await?);
        }
    }
    let baseline_of = |workload: &Workload| {
        let name = workload.baseline.as_ref()?;
        workloads.iter().position(|other| other.name == *name)
    };
    let measured = workloads.iter().enumerate().map(|(index, workload)| {
        let own = &rates[index];
        let ratios = baseline_of(workload).map(|baseline| {
            own.iter().zip(&rates[baseline]).map(|(rate, base)| rate / base.max(1e-9)).collect()
        });
        Measured {
            name: workload.name.clone(),
            rates: own.clone(),
            ratios: ratios.unwrap_or_default(),
            bar: workload.bar,
        }
    });
    Ok(measured.collect())
}

impl Measured {
    /// Returns what the bar is held against: ratios where there is a baseline, else rates.
    fn judged(&self) -> &[f64] {
        if self.ratios.is_empty() { &self.rates } else { &self.ratios }
    }

    /// Tells whether the whole spread lies below the bar.
    pub fn is_missed(&self) -> bool {
        let best = self.judged().iter().copied().fold(f64::MIN, f64::max);
        self.bar.is_some_and(|bar| best < bar)
    }
}

/// Returns the smallest, the median and the largest of some numbers.
fn spread(numbers: &[f64]) -> (f64, f64, f64) {
    let mut sorted = numbers.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = |index: usize| sorted.get(index).copied().unwrap_or_default();
    (at(0), at(sorted.len() / 2), at(sorted.len().saturating_sub(1)))
}

/// Prints the table: rates per second, ratios where there is a baseline, and whether bars were reached.
pub fn print_table(out: &mut dyn Write, measured: &[Measured]) -> std::io::Result<()> {
    writeln!(out, "| workload | median/s | lowest .. highest | ratio (lowest .. highest) | bar |")?;
    writeln!(out, "|---|---|---|---|---|")?;
    for row in measured {
        let (low, median, high) = spread(&row.rates);
        let ratio = if row.ratios.is_empty() {
            "-".to_owned()
        } else {
            let (low, median, high) = spread(&row.ratios);
            format!("{median:.2} ({low:.2} .. {high:.2})")
        };
        let bar = match row.bar {
            Some(bar) if row.is_missed() => format!("{bar} missed"),
            Some(bar) => format!("{bar} held"),
            None => "-".to_owned(),
        };
        writeln!(out, "| {} | {median:.0} | {low:.0} .. {high:.0} | {ratio} | {bar} |", row.name)?;
    }
    Ok(())
}
