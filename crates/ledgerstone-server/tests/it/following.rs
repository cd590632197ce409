//! Streams of server-sent events: live, resumable, ended by the server.

use ledgerstone_server::api::state::ApiLimits;
use ledgerstone_server::serve::ServeOptions;
use ledgerstone_testkit::conformance::{CaseResult, Trials};
use serde_json::Value;

use crate::running::{Followed, running, running_with};

pub(crate) fn add(trials: &mut Trials) {
    trials.add("follow::it_catches_up_and_goes_on_live", || async {
        let server = running().await;
        server.append("account-1", "Opened").await;
        let mut followed = server.follow("/v1/follow", None).await;
        assert_eq!(event_type(&mut followed).await, "Opened");
        assert_eq!(followed.next().await.expect("a mark").event, "caught-up");
        server.append("account-1", "Named").await;
        assert_eq!(event_type(&mut followed).await, "Named");
        assert_eq!(followed.next().await.expect("a mark").event, "caught-up");
        Ok(())
    });
    trials.add("follow::it_resumes_after_the_last_event_id", resumes);
    trials.add("follow::it_is_filtered_and_its_ids_move_on", || async {
        let server = running().await;
        for event_type in ["Opened", "Named", "Named"] {
            server.append("account-1", event_type).await;
        }
        let mut followed = server.follow("/v1/follow?type=Opened", None).await;
        assert_eq!(event_type(&mut followed).await, "Opened");
        let caught_up = followed.next().await.expect("a mark");
        assert_eq!((caught_up.event.as_str(), caught_up.data.as_str()), ("caught-up", "{\"position\":3}"));
        assert!(caught_up.id.ends_with(".3"), "{}", caught_up.id);
        Ok(())
    });
    trials.add("follow::system_events_have_ids_of_their_own", || async {
        let server = running().await;
        server.append("account-1", "Opened").await;
        assert_eq!(server.call("DELETE", "/v1/streams/account-1", &[], "").await.status, 200);
        let mut followed = server.follow("/v1/follow?log=system", None).await;
        let sent = followed.next().await.expect("an event");
        assert!(sent.id.starts_with('$'), "{}", sent.id);
        let headers = [("last-event-id", sent.id.as_str())];
        server.call("GET", "/v1/follow", &headers, "").await.problem(409, "LS0017");
        Ok(())
    });
    trials.add("follow::what_cannot_be_resumed_is_refused", || async {
        let server = running().await;
        let log = server.get("/v1/head").await.json()["log"].as_str().expect("a log").to_owned();
        let foreign = format!("{}.1.0", "0".repeat(32));
        for id in [format!("{log}.5"), foreign, "5".to_owned(), "é".to_owned()] {
            server.call("GET", "/v1/follow", &[("last-event-id", &id)], "").await.problem(409, "LS0017");
        }
        server.get("/v1/follow?after=5").await.problem(409, "LS0017");
        Ok(())
    });
    trials.add("follow::the_number_of_followers_is_bounded", || async {
        let limits = ApiLimits { followers: 1, ..ApiLimits::default() };
        let server = running_with(ServeOptions { limits, ..ServeOptions::default() }).await;
        let mut followed = server.follow("/v1/follow", None).await;
        assert_eq!(followed.next().await.expect("a mark").event, "caught-up");
        let answer = server.get("/v1/follow").await;
        assert_eq!(answer.status, 429, "{}", answer.text());
        drop(followed);
        for _ in 0..100 {
            let response = server.send("GET", "/v1/follow", &[], "").await;
            if response.status == 200 {
                return Ok(());
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        Err("the place of a follower that went away was not given free".into())
    });
}

async fn event_type(followed: &mut Followed) -> String {
    let sent = followed.next().await.expect("an event");
    let event: Value = serde_json::from_str(&sent.data).expect("JSON");
    assert!(sent.id.ends_with(&format!(".{}", event["position"])), "{sent:?}");
    event["type"].as_str().unwrap_or_else(|| panic!("{sent:?}")).to_owned()
}

async fn resumes() -> CaseResult {
    let server = running().await;
    for event_type in ["Opened", "Named", "Closed"] {
        server.append("account-1", event_type).await;
    }
    let mut followed = server.follow("/v1/follow?after=1", None).await;
    let first = followed.next().await.expect("an event");
    assert!(first.id.ends_with(".2"));
    drop(followed);
    let mut followed = server.follow("/v1/follow?after=0", Some(&first.id)).await;
    assert_eq!(event_type(&mut followed).await, "Closed");
    assert_eq!(followed.next().await.expect("a mark").event, "caught-up");
    Ok(())
}
