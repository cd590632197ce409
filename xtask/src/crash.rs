//! `cargo xtask crash` and `soak`: imports killed, or failed by the disk, must end where undisturbed ones do.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::checkout::Checkout;
use crate::failing_disk::FailingDisk;
use crate::histories;
use crate::product::Product;
use crate::scratch::Scratch;
use crate::served;
use crate::store::{Scheme, Store};
use crate::stories;
use crate::terminal::{heading, say};

/// How many life stories of the log `crash` tells.
const STORIES: u64 = 5_000;

/// One comparison of an undisturbed import with disturbed ones.
#[derive(Debug, Clone, Copy)]
struct Trial {
    scheme: Scheme,
    events: u64,
    streams: u64,
    kills: u64,
    /// How many imports meet a failing disk.
    faults: u64,
    seed: u64,
}

impl Trial {
    fn of(scheme: Scheme, kills: u64) -> Self {
        Self { scheme, events: 20_000, streams: 700, kills, faults: kills, seed: now() }
    }

    /// Writes the events of the trial as an import reads them; the same seed gives the same events.
    fn ndjson(self) -> String {
        let mut dice = Dice(self.seed);
        let mut text = String::new();
        for number in 0..self.events {
            let stream = format!("thing-{}", dice.next() % self.streams);
            let data = json!({ "number": number, "dice": dice.next() });
            let event = json!({ "stream": stream, "type": "ThingNoted", "data": data });
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{event}");
        }
        text
    }
}

/// Kills an import as often as `words` say (20 times unless told), lets the disk fail as often, and compares
/// the stores.
pub(crate) fn run(checkout: &Checkout, words: &[String]) -> Result<()> {
    let kills = number(words, 20, "kills")?;
    let product = Product::build(checkout)?;
    for scheme in Scheme::ALL {
        heading(format!("{scheme:?}"));
        hit(&product, Trial::of(scheme, kills))?;
    }
    stories::tell(checkout, STORIES)
}

/// Kills and fails imports and servers over one kind of store.
fn hit(product: &Product, trial: Trial) -> Result<()> {
    round(product, trial)?;
    let mut dice = Dice(trial.seed);
    served::kill(product, trial.scheme, trial.kills, &mut dice)?;
    if let Some(disk) = FailingDisk::create(trial.scheme)? {
        served::fail(product, &disk, trial.faults, &mut dice)?;
    }
    Ok(())
}

/// Returns a seed that no run before has had: the time in seconds.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |since| since.as_secs())
}

/// Repeats rounds of twenty kills, each over other data, for as many minutes as `words` say.
pub(crate) fn soak(checkout: &Checkout, words: &[String]) -> Result<()> {
    let minutes = number(words, 10, "minutes")?;
    let product = Product::build(checkout)?;
    let (begun, mut rounds) = (Instant::now(), 0_u64);
    while begun.elapsed() < Duration::from_secs(60 * minutes) {
        rounds += 1;
        heading(format!("round {rounds}"));
        for scheme in Scheme::ALL {
            hit(&product, Trial::of(scheme, 20))?;
        }
        stories::tell(checkout, 1_000)?;
        histories::check(checkout, 50)?;
    }
    say(format!("{rounds} rounds, {} s, no difference", begun.elapsed().as_secs()));
    Ok(())
}

fn round(product: &Product, trial: Trial) -> Result<()> {
    say(format!("{trial:?}"));
    let scratch = Scratch::create()?;
    let file = scratch.join("events.ndjson");
    fs::write(&file, trial.ndjson()).with_context(|| format!("{} could not be written", file.display()))?;
    let undisturbed = Store::new(trial.scheme, scratch.join("undisturbed"));
    let begun = Instant::now();
    product.import(&undisturbed, &file, &["--source", "crash"])?;
    let usual = begun.elapsed();
    let expected = comparable(product.export(&undisturbed)?);
    ensure!(expected.len() as u64 == trial.events, "the undisturbed import holds {} events", expected.len());

    let (mut dice, mut done, mut stores) = (Dice(trial.seed), 0, 0);
    while done < trial.kills {
        stores += 1;
        let store = Store::new(trial.scheme, scratch.join(format!("killed-{stores}")));
        done += kill_until_finished(product, &store, &file, usual, trial.kills - done, &mut dice)?;
        product.import(&store, &file, &["--source", "crash"])?;
        let found = comparable(product.export(&store)?);
        ensure!(found == expected, "{trial:?}: a store differs after {done} kills ({} events)", found.len());
    }
    say(format!("{done} kills over {stores} stores, no difference"));
    if trial.faults > 0
        && let Some(disk) = FailingDisk::create(trial.scheme)?
    {
        disk.imports(product, &file, &expected, trial.faults, &mut dice)?;
        disk.appends(product, &mut dice)?;
        say(format!("{} imports on a failing disk, no difference", trial.faults));
    }
    Ok(())
}

/// Starts and kills imports into one store until one ends by itself or `most` were killed.
fn kill_until_finished(
    product: &Product,
    store: &Store,
    file: &Path,
    usual: Duration,
    most: u64,
    dice: &mut Dice,
) -> Result<u64> {
    for kills in 0..most {
        let mut command = product.command(store, &["import"]);
        command.arg(file).args(["--source", "crash"]).stdout(Stdio::null());
        let mut import = command.spawn().context("the import could not be started")?;
        thread::sleep(usual.mul_f64(dice.fraction()));
        if let Some(status) = import.try_wait()? {
            ensure!(status.success(), "an import after {kills} kills failed ({status})");
            return Ok(kills);
        }
        import.kill().context("the import could not be killed")?;
        import.wait()?;
    }
    Ok(most)
}

/// Leaves out what may differ between two imports of one file: when it was recorded, and into which log.
pub(crate) fn comparable(events: Vec<Value>) -> Vec<Value> {
    let without_time = |mut event: Value| {
        if let Some(fields) = event.as_object_mut() {
            fields.remove("recorded_at");
            fields.remove("end");
        }
        event
    };
    events.into_iter().map(without_time).collect()
}

fn number(words: &[String], otherwise: u64, what: &str) -> Result<u64> {
    match words.first() {
        None => Ok(otherwise),
        Some(word) => word.parse().with_context(|| format!("`{word}` is not a number of {what}")),
    }
}

/// Numbers that look random and come back for the same seed (SplitMix64, Steele et al. 2014).
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn fraction(&mut self) -> f64 {
        (self.next() % 1_000) as f64 / 1_000.0
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Dice, Trial, comparable, number, round};
    use crate::product::Product;
    use crate::store::Scheme;

    const SMALL: Trial =
        Trial { scheme: Scheme::Sqlite, events: 20, streams: 3, kills: 3, faults: 0, seed: 5 };

    #[test]
    fn a_store_that_replaces_itself_in_one_step_survives_every_kill() {
        let honest = "store=${3#sqlite:}
            case $1 in
                import) sleep 0.05; cat \"$4\" > \"$store.new\"; sleep 0.05; mv \"$store.new\" \"$store\" ;;
                export) cat \"$store\" ;;
            esac";
        round(&Product::script(honest), SMALL).unwrap();
    }

    #[test]
    fn a_store_that_forgets_how_far_it_came_is_found() {
        let forgetful = "store=${3#sqlite:}
            case $1 in
                import) head -n 9 \"$4\" >> \"$store\"; sleep 0.1; tail -n +10 \"$4\" >> \"$store\" ;;
                export) cat \"$store\" ;;
            esac";
        let error = round(&Product::script(forgetful), Trial { kills: 12, ..SMALL }).unwrap_err();
        assert!(error.to_string().contains("differs"), "{error:#}");
    }

    #[test]
    fn the_same_seed_gives_the_same_events() {
        assert_eq!(SMALL.ndjson(), SMALL.ndjson());
        assert_ne!(SMALL.ndjson(), Trial { seed: 6, ..SMALL }.ndjson());
        assert_eq!(SMALL.ndjson().lines().count(), 20);
    }

    #[test]
    fn stores_are_compared_without_the_time_of_recording() {
        let left = comparable(vec![json!({ "id": 1, "recorded_at": "a" })]);
        assert_eq!(left, comparable(vec![json!({ "id": 1, "recorded_at": "b" })]));
        assert_ne!(left, comparable(vec![json!({ "id": 2, "recorded_at": "a" })]));
    }

    #[test]
    fn a_fraction_lies_below_one() {
        let mut dice = Dice(1);
        assert!((0..1_000).all(|_| (0.0..1.0).contains(&dice.fraction())));
    }

    #[test]
    fn a_number_that_is_none_is_refused() {
        assert_eq!(number(&[], 20, "kills").unwrap(), 20);
        assert!(number(&["many".to_owned()], 20, "kills").is_err());
    }
}
