//! `cargo xtask data DIR`: the real event log, imported twice and counted.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Result, bail, ensure};
use serde_json::Value;

use crate::checkout::Checkout;
use crate::product::Product;
use crate::scratch::Scratch;
use crate::store::{Scheme, Store};
use crate::terminal::{heading, say};

const FILE: &str = "permit-receipt-log.csv";
const MAPPING: &[&str] = &[
    "--map",
    "stream=case:concept:name",
    "--map",
    "type=concept:name",
    "--map",
    "time=time:timestamp",
    "--source",
    "permits",
];
const ADVICE: &str = "T06 Determine necessity of stop advice";

/// What an export of the imported log must hold; the figures are those of the file.
#[derive(Debug, PartialEq, Eq)]
struct Counts {
    streams: usize,
    events: usize,
    advice: usize,
}

const EXPECTED: Counts = Counts { streams: 1_434, events: 8_577, advice: 1_416 };

/// Imports the log in the folder that `words` names, checks the counts, and imports it once more.
pub(crate) fn run(checkout: &Checkout, words: &[String]) -> Result<()> {
    let [folder] = words else { bail!("name the folder of the data: `cargo xtask data DIR`") };
    let file = Path::new(folder).join(FILE);
    ensure!(file.is_file(), "{} is not there; name the folder that holds {FILE}", file.display());
    let product = Product::build(checkout)?;
    let scratch = Scratch::create()?;
    let store = Store::new(Scheme::Sqlite, scratch.join("data.db"));
    for round in ["first import", "second import, which must add nothing"] {
        heading(round);
        product.import(&store, &file, MAPPING)?;
        let found = count(&product.export(&store)?);
        say(format!(
            "{} streams, {} events, {} of type {ADVICE:?}",
            found.streams, found.events, found.advice
        ));
        ensure!(found == EXPECTED, "expected {EXPECTED:?} after the {round}");
    }
    Ok(())
}

fn count(events: &[Value]) -> Counts {
    let streams: BTreeSet<&str> = events.iter().filter_map(|event| event["stream"].as_str()).collect();
    let advice = events.iter().filter(|event| event["type"] == ADVICE).count();
    Counts { streams: streams.len(), events: events.len(), advice }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{ADVICE, Counts, count};

    #[test]
    fn streams_are_counted_once_and_events_each() {
        let events = [
            json!({ "stream": "a", "type": ADVICE }),
            json!({ "stream": "a", "type": "other" }),
            json!({ "stream": "b", "type": ADVICE }),
        ];
        assert_eq!(count(&events), Counts { streams: 2, events: 3, advice: 2 });
    }
}
