//! What clients of a server were told of their batches, and whether the store keeps to it.

use std::collections::{BTreeMap, HashMap};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// What a client was told of a batch.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Answer {
    /// It was recorded, and where.
    Recorded(Value),
    /// It was not, and this is why.
    Refused(Value),
    /// Nothing certain.
    Nothing,
}

/// A batch that a client sent.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    /// The ids of its events, in order.
    pub(crate) ids: Vec<String>,
    /// The request.
    pub(crate) body: String,
    pub(crate) answer: Answer,
}

/// How many batches were there, by what was told of them.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) recorded: u64,
    pub(crate) refused: u64,
    /// Told nothing certain, and there.
    pub(crate) lost_answers: u64,
    /// Told nothing certain, and not there.
    pub(crate) never_recorded: u64,
}

impl Tally {
    pub(crate) fn add(&mut self, other: Self) {
        self.recorded += other.recorded;
        self.refused += other.refused;
        self.lost_answers += other.lost_answers;
        self.never_recorded += other.never_recorded;
    }
}

/// Compares what clients were told with the events of an export, which must be those of these batches alone.
pub(crate) fn judge(sent: &[Sent], events: &[Value]) -> Result<Tally> {
    check_numbers(events)?;
    let mut positions = HashMap::new();
    for event in events {
        let id = event["id"].as_str().context("an event has no id")?;
        let before = positions.insert(id, number(event, "position")?);
        ensure!(before.is_none(), "event {id} is there twice");
    }
    let mut tally = Tally::default();
    let mut claimed = 0;
    for batch in sent {
        let there: Vec<u64> = batch.ids.iter().filter_map(|id| positions.get(id.as_str()).copied()).collect();
        claimed += there.len();
        let whole = there.len() == batch.ids.len();
        ensure!(whole || there.is_empty(), "a batch is there in part: {batch:?} at {there:?}");
        let together = there.iter().zip(there.iter().skip(1)).all(|(one, next)| *next == one + 1);
        ensure!(together, "a batch does not stand together: {batch:?} at {there:?}");
        match &batch.answer {
            Answer::Recorded(answer) => {
                ensure!(whole, "an acknowledged batch is lost: {batch:?}");
                let last = answer["last"]["application"].as_u64();
                ensure!(last == there.last().copied(), "a batch was told {last:?}: {batch:?} at {there:?}");
                tally.recorded += 1;
            }
            Answer::Refused(_) => {
                ensure!(there.is_empty(), "a refused batch is there: {batch:?} at {there:?}");
                tally.refused += 1;
            }
            Answer::Nothing if whole => tally.lost_answers += 1,
            Answer::Nothing => tally.never_recorded += 1,
        }
    }
    ensure!(claimed == events.len(), "{} events, and {claimed} were sent", events.len());
    Ok(tally)
}

/// Checks that no position and no revision was left out or used twice.
fn check_numbers(events: &[Value]) -> Result<()> {
    let mut revisions = BTreeMap::new();
    for (event, position) in events.iter().zip(1..) {
        ensure!(number(event, "position")? == position, "position {position} is missing: {event}");
        let next = revisions.entry(event["stream"].as_str().unwrap_or_default()).or_insert(0);
        ensure!(number(event, "revision")? == *next, "revision {next} is missing: {event}");
        *next += 1;
    }
    Ok(())
}

fn number(event: &Value, name: &str) -> Result<u64> {
    event[name].as_u64().with_context(|| format!("an event has no {name}: {event}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn events() -> Vec<Value> {
        let event = |position: u64, id: &str, revision: u64| json!({ "position": position, "id": id, "stream": "s", "revision": revision });
        vec![event(1, "a", 0), event(2, "b", 1), event(3, "c", 2)]
    }

    fn sent(ids: &[&str], answer: Answer) -> Sent {
        Sent { ids: ids.iter().map(|id| (*id).to_owned()).collect(), body: String::new(), answer }
    }

    fn recorded(last: u64) -> Answer {
        Answer::Recorded(json!({ "last": { "application": last } }))
    }

    fn told() -> Vec<Sent> {
        vec![
            sent(&["a", "b"], recorded(2)),
            sent(&["x"], Answer::Refused(Value::Null)),
            sent(&["c"], Answer::Nothing),
            sent(&["y", "z"], Answer::Nothing),
        ]
    }

    fn refused(sent: &[Sent], events: &[Value]) -> String {
        judge(sent, events).unwrap_err().to_string()
    }

    #[test]
    fn a_store_that_keeps_to_what_it_told_is_counted() {
        let tally = Tally { recorded: 1, refused: 1, lost_answers: 1, never_recorded: 1 };
        assert_eq!(judge(&told(), &events()).unwrap(), tally);
    }

    #[test]
    fn a_lost_acknowledgement_is_found() {
        assert!(refused(&told(), &[]).contains("is lost"));
    }

    #[test]
    fn a_batch_in_part_is_found() {
        assert!(refused(&told(), &events()[..1]).contains("in part"));
    }

    #[test]
    fn a_refused_batch_that_is_there_is_found() {
        let mut sent = told();
        sent[2].answer = Answer::Refused(Value::Null);
        assert!(refused(&sent, &events()).contains("a refused batch is there"));
    }

    #[test]
    fn a_batch_at_another_place_than_told_is_found() {
        let mut sent = told();
        sent[0].answer = recorded(3);
        assert!(refused(&sent, &events()).contains("was told"));
    }

    #[test]
    fn a_batch_with_another_between_is_found() {
        let sent = [sent(&["a", "c"], Answer::Nothing), sent(&["b"], Answer::Nothing)];
        assert!(refused(&sent, &events()).contains("stand together"));
    }

    #[test]
    fn an_event_that_nobody_sent_or_that_is_there_twice_is_found() {
        let mut doubled = events();
        assert!(refused(&told()[..2], &doubled).contains("3 events, and 2 were sent"));
        doubled[2]["id"] = json!("a");
        assert!(refused(&told(), &doubled).contains("twice"));
    }

    #[test]
    fn a_number_left_out_is_found() {
        let mut gap = events();
        gap[2]["position"] = json!(4);
        assert!(refused(&told(), &gap).contains("position 3 is missing"));
        let mut gap = events();
        gap[2]["revision"] = json!(3);
        assert!(refused(&told(), &gap).contains("revision 2 is missing"));
    }
}
