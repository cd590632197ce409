//! The chores of the house, as a program: one verb for each, run as `cargo xtask VERB`.

mod bench;
mod checkout;
mod ci;
mod crash;
mod data;
mod failing_disk;
mod feature;
mod format;
mod fuzz;
mod help;
mod histories;
mod http_call;
mod lock;
mod product;
mod scratch;
mod served;
mod services;
mod setup;
mod store;
mod stories;
mod tally;
mod terminal;
mod test;
mod tidy;
mod told;
mod umadb;

use std::env;
use std::process::ExitCode;

use anyhow::{Result, bail};

use crate::checkout::Checkout;
use crate::terminal::say;

fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).collect();
    match run(&words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            terminal::complain(format!("xtask: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(words: &[String]) -> Result<()> {
    let (verb, rest) = match words.split_first() {
        Some((verb, rest)) => (verb.as_str(), rest),
        None => ("help", words),
    };
    if matches!(verb, "help" | "-h" | "--help") || rest.first().is_some_and(|word| word == "--help") {
        say(help::text());
        return Ok(());
    }
    let checkout = Checkout::find()?;
    match verb {
        "setup" => setup::run(),
        "test" => test::run(&checkout, rest),
        "tidy" => tidy::run(&checkout),
        "ci" => ci::run(&checkout),
        "bench" => match rest.split_first() {
            Some((peer, words)) if peer == "umadb" => umadb::run(&checkout, words),
            _ => bench::run(&checkout, rest),
        },
        "data" => data::run(&checkout, rest),
        "crash" => crash::run(&checkout, rest),
        "fuzz" => fuzz::run(&checkout, rest),
        "soak" => crash::soak(&checkout, rest),
        "services" => services::run(rest),
        unknown => bail!("there is no verb `{unknown}`; `cargo xtask help` lists them"),
    }
}
