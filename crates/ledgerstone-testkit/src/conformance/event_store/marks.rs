//! Promise 11: marks change only as the batch says, with it or not at all.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use ledgerstone_core::ExpectedRevision::{Any, NoStream};
use ledgerstone_core::{Batch, EventStoreError, Heads, Mark, MarkChange, Refusal, TenantScope};

use super::arrange::{Cases, Events, FreshEvents, batch, mark_name, read_all, refused, write};
use crate::conformance::case::{CaseError, CaseResult, cases};

pub(super) fn cases() -> Cases {
    cases![
        11: a_number_rises_and_never_falls,
        11: a_value_is_swapped_at_its_version_only,
        11: a_value_is_removed_at_its_version_only,
        11: a_version_never_comes_back,
        11: a_value_comes_back_byte_for_byte,
        11: once_is_once_until_it_expires,
        11: a_value_with_a_time_to_live_expires,
        11: marks_alone_take_no_position,
        11: marks_are_listed_by_prefix_and_in_order,
        11: a_refused_change_tells_where_the_mark_stands,
        11: of_concurrent_swaps_at_one_version_exactly_one_wins,
    ]
}

fn rises(name: &str, to: u64) -> MarkChange {
    MarkChange::Rises { name: mark_name(name), to }
}

fn swap(name: &str, version: u64, value: Option<&str>) -> MarkChange {
    let value = value.map(|text| Bytes::copy_from_slice(text.as_bytes()));
    MarkChange::Swap { name: mark_name(name), version, value, keep_for: None }
}

fn once(name: &str, seconds: u64) -> MarkChange {
    MarkChange::Once { name: mark_name(name), keep_for: Duration::from_secs(seconds) }
}

fn alone(change: MarkChange) -> Batch {
    Batch { marks: vec![change], ..Batch::default() }
}

async fn change(store: &Events, change: MarkChange) -> CaseResult {
    store.append(alone(change)).await?;
    Ok(())
}

async fn marks(store: &Events) -> Result<Vec<Mark>, CaseError> {
    Ok(store.marks(TenantScope::default(), "").await?)
}

/// Promise 11. Equal is not higher.
async fn a_number_rises_and_never_falls(fresh: FreshEvents) -> CaseResult {
    let store = fresh.store;
    change(&store, rises("relay", 5)).await?;
    for low in [5, 4, 0] {
        refused(&store, alone(rises("relay", low))).await?;
    }
    change(&store, rises("relay", 6)).await?;
    change(&store, rises("relay", u64::MAX)).await?;
    let kept = marks(&store).await?;
    assert_eq!(kept.len(), 1);
    assert_eq!((kept[0].number, kept[0].version), (u64::MAX, 3));
    Ok(())
}

/// Promise 11. Version 0 means absent.
async fn a_value_is_swapped_at_its_version_only(fresh: FreshEvents) -> CaseResult {
    let store = fresh.store;
    refused(&store, alone(swap("lease", 1, Some("me")))).await?;
    change(&store, swap("lease", 0, Some("me"))).await?;
    for wrong in [0, 2, u64::MAX] {
        refused(&store, alone(swap("lease", wrong, Some("you")))).await?;
    }
    change(&store, swap("lease", 1, Some("you"))).await?;
    let kept = marks(&store).await?;
    assert_eq!((&kept[0].value[..], kept[0].version), (&b"you"[..], 2));
    assert_eq!((kept[0].number, kept[0].expires_at), (0, None));
    Ok(())
}

/// Promise 11. Removed is absent.
async fn a_value_is_removed_at_its_version_only(fresh: FreshEvents) -> CaseResult {
    let store = fresh.store;
    change(&store, swap("lease", 0, Some("me"))).await?;
    refused(&store, alone(swap("lease", 2, None))).await?;
    change(&store, swap("lease", 1, None)).await?;
    assert!(marks(&store).await?.is_empty());
    change(&store, swap("lease", 0, Some("you"))).await?;
    assert_eq!(&marks(&store).await?[0].value[..], b"you");
    Ok(())
}

/// Promise 11. Whoever held a mark that went away cannot change the one that was made anew.
async fn a_version_never_comes_back(fresh: FreshEvents) -> CaseResult {
    let store = fresh.store;
    let hold = |version| MarkChange::Swap {
        name: mark_name("lease"),
        version,
        value: Some("me".into()),
        keep_for: Some(Duration::from_secs(10)),
    };
    let mut held = 0;
    for round in 0..6 {
        change(&store, hold(0)).await?;
        let made = marks(&store).await?.into_iter().find(|mark| mark.name.as_str() == "lease");
        let made = made.ok_or("the mark is not listed")?.version;
        assert!(made > held, "version {made} came back in round {round}, after {held}");
        for stale in 1..=held {
            refused(&store, alone(hold(stale))).await?;
        }
        change(&store, hold(made)).await?;
        held = made + 1;
        match round % 3 {
            0 => change(&store, swap("lease", held, None)).await?,
            1 => fresh.clock.advance(Duration::from_secs(10)),
            // It goes away unseen: others change meanwhile, and it may be cleared away.
            _ => {
                fresh.clock.advance(Duration::from_secs(10));
                change(&store, once(&format!("other/{round}"), 5)).await?;
            }
        }
    }
    Ok(())
}

/// Promise 11. Values are bytes, up to their limit.
async fn a_value_comes_back_byte_for_byte(fresh: FreshEvents) -> CaseResult {
    let store = fresh.store;
    let longest = vec![0xA5; Mark::MAX_VALUE_BYTES];
    for (n, value) in [&b""[..], b"\x00\xff", b"{\"a\":  1}", &longest].into_iter().enumerate() {
        let name = mark_name(&format!("value/{n}"));
        let value = Bytes::copy_from_slice(value);
        let put = MarkChange::Swap { name, version: 0, value: Some(value.clone()), keep_for: None };
        change(&store, put).await?;
        assert_eq!(marks(&store).await?[n].value, value);
    }
    let name = mark_name("value/long");
    let value = Some(Bytes::from(vec![0; Mark::MAX_VALUE_BYTES + 1]));
    let long = store.append(alone(MarkChange::Swap { name, version: 0, value, keep_for: None })).await;
    assert!(matches!(long, Err(EventStoreError::InvalidBatch(_))), "got {long:?}");
    Ok(())
}

/// Promise 11. A guard against doubles goes away by itself.
async fn once_is_once_until_it_expires(fresh: FreshEvents) -> CaseResult {
    let store = fresh.store;
    let handled = |name: &str| Batch { marks: vec![once("inbox/7", 60)], ..batch(name, Any, &["handled"]) };
    store.append(handled("a-1")).await?;
    refused(&store, handled("a-2")).await?;
    fresh.clock.advance(Duration::from_micros(59_999_999));
    refused(&store, handled("a-3")).await?;
    assert_eq!(marks(&store).await?.len(), 1);

    fresh.clock.advance(Duration::from_micros(1));
    assert!(marks(&store).await?.is_empty(), "an expired mark is listed");
    store.append(handled("a-4")).await?;
    let kept = marks(&store).await?;
    assert_eq!(kept.len(), 1, "an expired mark counts as absent");
    assert_eq!(read_all(&store).await?.events.len(), 2);
    Ok(())
}

/// Promise 11. A lease that nobody renews ends; a renewed one lives on.
async fn a_value_with_a_time_to_live_expires(fresh: FreshEvents) -> CaseResult {
    let store = fresh.store;
    let hold = |version| MarkChange::Swap {
        name: mark_name("lease"),
        version,
        value: Some("me".into()),
        keep_for: Some(Duration::from_secs(10)),
    };
    change(&store, hold(0)).await?;
    fresh.clock.advance(Duration::from_secs(9));
    change(&store, hold(1)).await?;
    fresh.clock.advance(Duration::from_secs(9));
    assert_eq!(marks(&store).await?[0].version, 2);
    refused(&store, alone(hold(0))).await?;
    fresh.clock.advance(Duration::from_secs(1));
    refused(&store, alone(hold(2))).await?;
    change(&store, hold(0)).await
}

/// Promise 11. A batch of marks is no event.
async fn marks_alone_take_no_position(fresh: FreshEvents) -> CaseResult {
    let store = fresh.store;
    let answer = store.append(alone(rises("relay", 5))).await?;
    assert_eq!((answer.last, answer.ranges.len()), (Heads::default(), 0));
    assert_eq!(answer.point(), None);
    assert_eq!(store.head().await?.heads, Heads::default());
    assert!(read_all(&store).await?.events.is_empty());
    assert_eq!(write(&store, "a-1", &["noted"]).await?.last.application.0, 1);
    Ok(())
}

/// Promise 11. A prefix is compared as bytes; nothing in it has a meaning.
async fn marks_are_listed_by_prefix_and_in_order(fresh: FreshEvents) -> CaseResult {
    let store = fresh.store;
    let names = ["relay/b", "relay/a", "relay", "Relay/a", "relay_x", "relay%", "r\u{e9}lais", "zone"];
    let all = names.iter().map(|name| rises(name, 1)).collect();
    store.append(Batch { marks: all, ..Batch::default() }).await?;
    let prefixes: [(&str, &[&str]); 7] = [
        ("relay/", &["relay/a", "relay/b"]),
        ("relay", &["relay", "relay%", "relay/a", "relay/b", "relay_x"]),
        ("relay_", &["relay_x"]),
        ("relay%", &["relay%"]),
        ("R", &["Relay/a"]),
        ("r\u{e9}", &["r\u{e9}lais"]),
        ("nothing", &[]),
    ];
    for (prefix, expected) in prefixes {
        let kept = store.marks(TenantScope::default(), prefix).await?;
        assert_eq!(kept.iter().map(|mark| mark.name.as_str()).collect::<Vec<_>>(), expected, "{prefix}");
    }
    let mut sorted = names;
    sorted.sort_unstable();
    let kept = marks(&store).await?;
    assert_eq!(kept.iter().map(|mark| mark.name.as_str()).collect::<Vec<_>>(), sorted);
    Ok(())
}

/// Promise 11. So the loser knows what it lost to.
async fn a_refused_change_tells_where_the_mark_stands(fresh: FreshEvents) -> CaseResult {
    let store = fresh.store;
    change(&store, rises("relay", 5)).await?;
    change(&store, rises("relay", 7)).await?;
    let refusal = refused(&store, alone(rises("relay", 6))).await?;
    assert_eq!(refusal, Refusal::MarkNotMet { name: mark_name("relay"), version: 2, number: 7 });
    let refusal = refused(&store, alone(swap("lease", 3, None))).await?;
    assert_eq!(refusal, Refusal::MarkNotMet { name: mark_name("lease"), version: 0, number: 0 });
    Ok(())
}

/// Promise 11. Batches that are committed together see each other's marks.
async fn of_concurrent_swaps_at_one_version_exactly_one_wins(fresh: FreshEvents) -> CaseResult {
    let store = fresh.store;
    for version in 0..10 {
        let swaps = (0..8).map(|n| {
            let held = batch(&format!("holder-{version}-{n}"), NoStream, &["held"]);
            let held = Batch { marks: vec![swap("lease", version, Some("me"))], ..held };
            let store = Arc::clone(&store);
            tokio::spawn(async move { store.append(held).await })
        });
        let mut won = 0;
        for answer in join_all(swaps).await {
            won += usize::from(answer?.is_ok());
        }
        assert_eq!(won, 1, "version {version} was swapped by {won}");
    }
    assert_eq!(read_all(&store).await?.events.len(), 10);
    assert_eq!(marks(&store).await?[0].version, 10);
    Ok(())
}
