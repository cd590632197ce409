//! The product's benchmarks: `cargo xtask bench`, which prints ratios against baselines of the same run.

mod baseline;
mod options;
mod runs;

fn main() -> anyhow::Result<()> {
    let options = options::Options::parse(std::env::args().skip(1))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(runs::run(&options))
}
