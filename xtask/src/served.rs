//! Servers that are killed, or failed by their disk, under concurrent appends: what they told must be true.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::crash::Dice;
use crate::failing_disk::{Calls, FailingDisk, sound};
use crate::http_call::Connection;
use crate::product::Product;
use crate::scratch::Scratch;
use crate::store::{Scheme, Store};
use crate::terminal::say;
use crate::told::{Answer, Sent, Tally, judge};

/// How many clients append at once.
const CLIENTS: u64 = 6;
/// How long a server lives at most, in milliseconds.
const LIFE: u64 = 700;
/// How often a store is hit before the next round begins with an empty one.
const HITS: u64 = 8;

/// Kills servers over a store of this kind, `kills` in all.
pub(crate) fn kill(product: &Product, scheme: Scheme, kills: u64, dice: &mut Dice) -> Result<()> {
    let mut tally = Tally::default();
    let mut left = kills;
    while left > 0 {
        let scratch = Scratch::create()?;
        let mut round = Round::over(product, Store::new(scheme, scratch.join("store")));
        let hits = left.min(HITS);
        for _ in 0..hits {
            let life = Duration::from_millis(30 + dice.next() % LIFE);
            round.hit(product.command(&round.store, &[]), life, "a kill", dice, false)?;
        }
        tally.add(round.conclude()?);
        left -= hits;
    }
    say(format!("{kills} kills of a server over {scheme:?}: {tally:?}, no difference"));
    Ok(())
}

/// Lets the disk fail beneath servers, `faults` times in all.
pub(crate) fn fail(product: &Product, disk: &FailingDisk, faults: u64, dice: &mut Dice) -> Result<()> {
    let mut tally = Tally::default();
    let mut left = faults;
    while left > 0 {
        let mut round = Round::over(product, disk.store(&format!("served-{left}"))?);
        let hits = left.min(HITS);
        for _ in 0..hits {
            // About as many as a server makes in its life.
            let fault = Calls { syncs: 150, writes: 250, names: 6 }.fault(dice);
            let mut command = product.command(&round.store, &[]);
            disk.beneath(&mut command, &fault)?;
            let killed = dice.next().is_multiple_of(2);
            let life = Duration::from_millis(100 + dice.next() % LIFE);
            round.hit(command, life, &fault, dice, !killed)?;
            disk.check_failed_sync_was_believed(&fault)?;
        }
        tally.add(round.conclude()?);
        left -= hits;
    }
    say(format!("{faults} faults beneath a server: {tally:?}, no difference"));
    Ok(())
}

/// A store that servers are killed over, and what their clients were told.
struct Round<'a> {
    product: &'a Product,
    store: Store,
    sent: Vec<Sent>,
    lives: u64,
}

impl<'a> Round<'a> {
    fn over(product: &'a Product, store: Store) -> Self {
        Self { product, store, sent: Vec::new(), lives: 0 }
    }

    /// Starts a server, lets clients append for a while, ends it, and compares.
    fn hit(
        &mut self,
        command: Command,
        life: Duration,
        why: &str,
        dice: &mut Dice,
        in_order: bool,
    ) -> Result<()> {
        self.lives += 1;
        if let Some(mut server) = Server::start(command)? {
            let address = server.address.clone();
            let unsettled: Vec<Sent> = self.take_unsettled();
            let clients: Vec<_> = (0..CLIENTS)
                .map(|number| {
                    let mut client = Client::new(self.lives, number, Dice(dice.next()));
                    client.again =
                        unsettled.iter().skip(number as usize).step_by(CLIENTS as usize).cloned().collect();
                    let address = address.clone();
                    thread::spawn(move || client.append_until_the_end(&address))
                })
                .collect();
            thread::sleep(life);
            server.end(in_order)?;
            for client in clients {
                self.sent.extend(client.join().ok().context("a client panicked")?);
            }
        }
        sound(self.product, &self.store, why)?;
        judge(&self.sent, &self.product.export(&self.store)?).with_context(|| format!("after {why}"))?;
        Ok(())
    }

    /// Takes the batches that nobody was told anything certain of, to ask for them again.
    fn take_unsettled(&mut self) -> Vec<Sent> {
        let (unsettled, settled) =
            std::mem::take(&mut self.sent).into_iter().partition(|sent| sent.answer == Answer::Nothing);
        self.sent = settled;
        unsettled
    }

    /// Asks again for every batch without an answer, on a sound disk: each is there once in the end, or refused.
    fn conclude(mut self) -> Result<Tally> {
        let before = judge(&self.sent, &self.product.export(&self.store)?)?;
        let server = Server::start(self.product.command(&self.store, &[]))?;
        let mut server = server.context("the server does not start on a sound disk")?;
        let mut connection = Connection::open(&server.address)?;
        for mut sent in self.take_unsettled() {
            sent.answer = answer(connection.post("/v1/append", &sent.body));
            self.sent.push(sent);
        }
        server.end(true)?;
        sound(self.product, &self.store, "in the end")?;
        let after = judge(&self.sent, &self.product.export(&self.store)?)?;
        ensure!(after.lost_answers + after.never_recorded == 0, "batches without an answer: {after:?}");
        Ok(before)
    }
}

/// A server in a process of its own.
struct Server {
    process: Child,
    address: String,
}

impl Server {
    /// Starts a server; nothing if it ends before it listens, as it may on a failing disk.
    fn start(mut command: Command) -> Result<Option<Self>> {
        command.args(["serve", "--json", "--no-projections", "--listen", "127.0.0.1:0"]);
        command.stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = command.spawn().context("the server could not be started")?;
        let output = process.stdout.take().context("the server has no output")?;
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        let told: Value = serde_json::from_str(&line).unwrap_or(Value::Null);
        match told["address"].as_str() {
            Some(address) => Ok(Some(Self { process, address: address.to_owned() })),
            None => {
                let status = process.wait()?;
                ensure!(status.code().is_some(), "the server died ({status})");
                Ok(None)
            }
        }
    }

    /// Kills the server, or tells it to stop.
    fn end(&mut self, in_order: bool) -> Result<()> {
        if in_order {
            let mut stop = Command::new("kill");
            stop.args(["-TERM", &self.process.id().to_string()]);
            ensure!(stop.status().context("kill could not be run")?.success(), "the server had ended before");
        } else {
            self.process.kill().context("the server could not be killed")?;
        }
        let status = self.process.wait()?;
        ensure!(!in_order || status.code().is_some(), "the server died when it was told to stop ({status})");
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It has ended long before, unless something went wrong.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A client that appends until its server is gone.
struct Client {
    life: u64,
    number: u64,
    dice: Dice,
    next: u64,
    /// Where its own stream stands, if that is known.
    revision: Option<u64>,
    /// What it asks for again first.
    again: Vec<Sent>,
}

impl Client {
    fn new(life: u64, number: u64, dice: Dice) -> Self {
        Self { life, number, dice, next: 0, revision: None, again: Vec::new() }
    }

    fn append_until_the_end(mut self, address: &str) -> Vec<Sent> {
        let mut all = Vec::new();
        let mut again = std::mem::take(&mut self.again).into_iter();
        let Ok(mut connection) = Connection::open(address) else { return again.collect() };
        loop {
            let mut sent = again.next().unwrap_or_else(|| self.batch());
            let answered = connection.post("/v1/append", &sent.body);
            let gone = answered.is_err();
            sent.answer = answer(answered);
            self.revision = match &sent.answer {
                Answer::Recorded(told) => own_revision(told, &sent.body, &self.own()).or(self.revision),
                _ => None,
            };
            all.push(sent);
            if gone {
                all.extend(again);
                return all;
            }
        }
    }

    fn own(&self) -> String {
        format!("own-{}-{}", self.life, self.number)
    }

    /// Makes a batch of one to six events over one stream or two.
    fn batch(&mut self) -> Sent {
        let mut ids = Vec::new();
        let mut appends = vec![self.first_append(&mut ids)];
        if self.dice.next().is_multiple_of(3) {
            let stream = format!("many-{}", self.dice.next() % 50);
            appends.push(json!({ "stream": stream, "events": self.events(&mut ids) }));
        }
        Sent { ids, body: json!({ "appends": appends }).to_string(), answer: Answer::Nothing }
    }

    fn first_append(&mut self, ids: &mut Vec<String>) -> Value {
        let (stream, expected) = match (self.dice.next() % 4, self.revision) {
            (0, Some(revision)) => (self.own(), json!(revision)),
            (0, None) => (self.own(), json!("any")),
            // Most of these are refused: the stream is there soon.
            (1, _) => (format!("new-{}", self.dice.next() % 400), json!("no_stream")),
            _ => (format!("shared-{}", self.dice.next() % 3), json!("any")),
        };
        json!({ "stream": stream, "expected": expected, "events": self.events(ids) })
    }

    fn events(&mut self, ids: &mut Vec<String>) -> Vec<Value> {
        let count = 1 + self.dice.next() % 3;
        (0..count)
            .map(|_| {
                self.next += 1;
                let id = format!("{:08x}-{:04x}-4000-8000-{:012x}", self.life, self.number, self.next);
                ids.push(id.clone());
                let padding = "x".repeat((self.dice.next() % 400) as usize);
                json!({ "id": id, "type": "Noted", "data": { "padding": padding } })
            })
            .collect()
    }
}

/// Returns the newest revision of the client's own stream, if the batch went there.
fn own_revision(told: &Value, body: &str, own: &str) -> Option<u64> {
    let first: Value = serde_json::from_str(body).ok()?;
    (first["appends"][0]["stream"].as_str() == Some(own)).then(|| told["ranges"][0]["revision"].as_u64())?
}

/// Tells what an answer says: only what is certain counts.
fn answer(answered: Result<(u16, Value)>) -> Answer {
    match answered {
        Ok((200, told)) => Answer::Recorded(told),
        // Code LS0028: nobody knows.
        Ok((_, told)) if told["code"] == "LS0028" => Answer::Nothing,
        Ok((_, told)) if told["code"].is_string() => Answer::Refused(told),
        _ => Answer::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_certain_counts_as_an_answer() {
        let problem = |code: &str| json!({ "code": code });
        assert_eq!(answer(Ok((200, json!(1)))), Answer::Recorded(json!(1)));
        assert_eq!(answer(Ok((409, problem("LS0009")))), Answer::Refused(problem("LS0009")));
        assert_eq!(answer(Ok((503, problem("LS0028")))), Answer::Nothing);
        assert_eq!(answer(Ok((502, Value::Null))), Answer::Nothing);
        assert_eq!(answer(Err(anyhow::anyhow!("gone"))), Answer::Nothing);
    }

    #[test]
    fn a_client_sends_every_id_once() {
        let mut client = Client::new(3, 4, Dice(9));
        let mut ids: Vec<_> = (0..200).flat_map(|_| client.batch().ids).collect();
        let all = ids.len();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), all);
    }
}
