//! Benchmarks: what this build does on this machine, as medians over interleaved windows.

mod append;
mod events;
mod http;
mod projecting;
mod read;
mod window;

pub use append::{batches, concurrent_singles};
pub use events::{bench_batch, bench_event, bench_stream};
pub use http::http_appends;
pub use projecting::{model_reads, projecting, replays};
pub use read::{read_all, stream_loads};
pub use window::{Measured, Plan, Workload, print_table, run_interleaved};
