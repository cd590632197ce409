//! `events verify` and `doctor --deep`: what they say of sound and of damaged stores.

use ledgerstone_testkit::conformance::{CaseResult, Trials};
use rusqlite::Connection;

use super::commands::Served;
use super::{Desk, number};

pub(super) fn add(trials: &mut Trials) {
    trials.add("cli::a_sound_store_is_verified_here_and_through_a_server", sound);
    trials.add("cli::a_damaged_event_is_named_with_its_position", damaged);
    trials.add("cli::damage_that_keeps_a_store_from_opening_is_named", unopened);
}

/// A store with a batch, two streams, and one of them truncated.
fn filled() -> Desk {
    let desk = Desk::new();
    desk.write(
        "feed.csv",
        "id,what,n\nthing-a,Counted,1\nthing-b,Counted,2\nthing-a,Counted,3\nthing-b,Counted,4\n",
    );
    desk.done(&["import", "feed.csv", "--map", "stream=id", "--map", "type=what"]);
    desk.done(&["events", "append", "thing-a", "Counted", "5"]);
    desk.done(&["streams", "truncate", "thing-a", "--before", "1", "--transient"]);
    desk
}

async fn sound() -> CaseResult {
    let desk = filled();
    let digest = desk.digest()["digest"].clone();
    let check = desk.json(&["events", "verify"]);
    assert_eq!((number(&check, "application"), number(&check, "removed")), (4, 1), "{check}");
    assert_eq!(check["digest"], digest);
    assert_eq!(check["problems"], serde_json::json!([]));
    assert_eq!(check["files"]["application"], 5, "{check}");
    assert!(desk.done(&["events", "verify"]).contains("all is well"));
    assert!(desk.done(&["doctor", "--deep"]).contains("every event is sound"));

    let served = Served::start(&desk, &[]).await;
    let check = desk.json(&["events", "verify"]);
    assert_eq!((&check["digest"], &check["problems"]), (&digest, &serde_json::json!([])), "{check}");
    served.stop().await;
    Ok(())
}

async fn damaged() -> CaseResult {
    let desk = filled();
    let file = Connection::open(desk.path("app.db"))?;
    file.execute("UPDATE events SET data = CAST('{\"n\":9}' AS BLOB) WHERE position = 2", [])?;
    drop(file);
    let ended = desk.run(&["events", "verify"]);
    ended.failed(7, "LS0006");
    assert!(ended.out.contains("position 2 is damaged"), "{}", ended.out);
    let ended = desk.run(&["doctor", "--deep"]);
    assert_eq!(ended.code, 6, "{}", ended.out);
    assert!(ended.out.contains("position 2 is damaged"), "{}", ended.out);
    assert_eq!(desk.run(&["doctor"]).code, 0);
    desk.run(&["events", "show", "2"]).failed(7, "position 2 is damaged");
    desk.done(&["events", "show", "3"]);
    Ok(())
}

async fn unopened() -> CaseResult {
    let desk = filled();
    let file = Connection::open(desk.path("app.db"))?;
    file.execute("UPDATE events SET sum = sum + (1 << 40) WHERE position = 5", [])?;
    drop(file);
    desk.run(&["events", "read"]).failed(7, "position 5 is damaged");
    let ended = desk.run(&["events", "verify"]);
    ended.failed(7, "LS0006");
    assert!(ended.out.contains("position 5 is damaged"), "{}", ended.out);
    let ended = desk.run(&["doctor", "--deep"]);
    assert!(ended.code == 6 && ended.out.matches("position 5 is damaged").count() > 1, "{}", ended.out);
    Ok(())
}
