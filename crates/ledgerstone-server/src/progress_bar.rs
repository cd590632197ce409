//! Progress bars, on a terminal and nowhere else.

use std::sync::Mutex;
use std::time::Duration;

use indicatif::{ProgressBar as Bar, ProgressDrawTarget, ProgressStyle};
use ledgerstone::stores::RebuildWatch;

use crate::output::Output;

/// Shows how far long work is, on standard error; it is gone when the work ends.
#[derive(Debug)]
pub struct ProgressBar(Bar);

impl ProgressBar {
    /// Begins a bar over bytes; without a total it only counts.
    pub fn bytes(output: &Output, what: &str, total: Option<u64>) -> Self {
        let with_total = "{prefix} {bar:30} {bytes}/{total_bytes} {msg} {eta}";
        Self::begin(output.shows_progress(), what, total, with_total, "{prefix} {bytes} {msg} {elapsed}")
    }

    /// Shows how far indexes are that are made again before a store opens; nothing is shown if none is.
    pub fn of_indexes(output: &Output) -> RebuildWatch {
        if !output.shows_progress() {
            return RebuildWatch::default();
        }
        let shown: Mutex<Option<Self>> = Mutex::new(None);
        RebuildWatch::new(move |done| {
            let Ok(mut shown) = shown.lock() else { return };
            if done.bytes >= done.of_bytes {
                return drop(shown.take());
            }
            let begin = || {
                let with_total = "{prefix} {bar:30} {bytes}/{total_bytes} {msg} {eta}";
                Self::begin(true, "making missing indexes", Some(done.of_bytes), with_total, "")
            };
            let bar = shown.get_or_insert_with(begin);
            bar.set(done.bytes);
            bar.say(format!("{} of {} segments", done.segments, done.of_segments));
        })
    }

    /// Begins a bar over things that are counted.
    pub fn count(output: &Output, what: &str, total: Option<u64>) -> Self {
        let with_total = "{prefix} {bar:30} {human_pos}/{human_len} {msg} {eta}";
        Self::begin(output.shows_progress(), what, total, with_total, "{prefix} {human_pos} {msg} {elapsed}")
    }

    fn begin(is_shown: bool, what: &str, total: Option<u64>, with_total: &str, without: &str) -> Self {
        let bar = match total {
            _ if !is_shown => Bar::hidden(),
            Some(total) => Bar::new(total),
            None => Bar::no_length(),
        };
        if is_shown {
            bar.set_draw_target(ProgressDrawTarget::stderr_with_hz(10));
        }
        let template = if total.is_some() { with_total } else { without };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.set_prefix(what.to_owned());
        bar.enable_steady_tick(Duration::from_millis(200));
        Self(bar)
    }

    /// Moves it.
    pub fn set(&self, position: u64) {
        self.0.set_position(position);
    }

    /// Gives it another end.
    pub fn set_total(&self, total: u64) {
        self.0.set_length(total);
    }

    /// Says something beside it.
    pub fn say(&self, message: String) {
        self.0.set_message(message);
    }
}

impl Drop for ProgressBar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
