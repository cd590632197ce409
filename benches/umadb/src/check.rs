//! The expectations: what a client of UmaDB may rely on, held against UmaDB itself first and then against us.

use std::collections::HashSet;
use std::future::Future;
use std::time::Duration;

use anyhow::{Result, ensure};
use umadb_client::{AsyncUmaDbClient, ServingStatus, UmaDbClient};
use umadb_dcb::{
    DcbAppendCondition, DcbError, DcbEvent, DcbEventStoreAsync as _, DcbEventStoreSync as _, DcbQuery,
    DcbQueryItem, DcbResult, DcbSequencedEvent, TrackingInfo,
};
use uuid::Uuid;

use crate::check_key;
use crate::events::{Events, never, of_tag};
use crate::server::{Server, Which};
use crate::settings::Settings;

/// What has been found so far.
#[derive(Debug, Default)]
struct Account {
    met: usize,
    failed: usize,
}

impl Account {
    fn tell(&mut self, which: Which, what: &str, outcome: Result<()>) {
        match outcome {
            Ok(()) => {
                self.met += 1;
                println!("{:<12} ok      {what}", which.name());
            }
            Err(error) => {
                self.failed += 1;
                println!("{:<12} FAILED  {what}: {error:#}", which.name());
            }
        }
    }
}

/// Holds a server to the expectations that are wanted, each on a fresh log.
macro_rules! expect {
    ($account:expr, $settings:expr, $which:expr => $($expectation:ident)*) => {$(
        let what = stringify!($expectation).replace('_', " ");
        if $settings.wants(&what) {
            $account.tell($which, &what, on_a_fresh_log($settings, $which, $expectation).await);
        }
    )*};
}

/// Runs every expectation against each server; tells whether all were met.
pub async fn run(settings: &Settings) -> Result<bool> {
    let theirs = settings.programs.umadb.as_ref().map(|_| Which::UmaDb);
    let mut account = Account::default();
    for which in theirs.into_iter().chain([Which::Ledgerstone]) {
        of_both(settings, which, &mut account).await;
    }
    ours(settings, &mut account).await;
    println!("{} met, {} failed", account.met, account.failed);
    Ok(account.failed == 0)
}

/// What both servers are held to.
async fn of_both(settings: &Settings, which: Which, account: &mut Account) {
    expect! { account, settings, which =>
        an_empty_log_has_no_head
        positions_count_from_one_without_gaps
        events_come_back_as_they_were_given
        a_read_starts_where_it_is_told_and_goes_either_way
        a_limit_bounds_the_read_and_its_head
        a_query_is_any_item_of_any_type_and_all_tags
        a_condition_refuses_what_matches_after_its_position
        the_same_ids_under_the_same_condition_answer_as_the_first_time
        tracking_is_recorded_with_its_events_and_only_rises
        requests_that_make_no_sense_are_invalid_arguments
        a_batch_size_bounds_what_comes_at_once
        a_long_log_comes_back_whole
        a_subscription_catches_up_and_goes_on
        a_subscription_is_filtered_and_begins_after_a_position
        the_health_of_the_server_and_of_its_service_is_told
        many_clients_on_one_connection_are_answered
        only_one_of_many_racing_conditions_wins
    }
    account.tell(which, "the key is asked for", check_key::run(settings, which).await);
    account.tell(which, "what was acknowledged outlives a kill", outlives_a_kill(settings, which).await);
    account.tell(which, "a server that goes down ends its streams", goes_down(settings, which).await);
    account.tell(which, "the blocking client works too", blocking(settings, which).await);
}

/// What we are held to besides.
async fn ours(settings: &Settings, account: &mut Account) {
    expect! { account, settings, Which::Ledgerstone =>
        an_append_of_nothing_records_nothing
        what_belongs_to_the_system_is_refused
        an_id_is_recorded_once_even_without_a_condition
        a_position_beyond_the_head_is_refused
    }
}

async fn on_a_fresh_log<F: Future<Output = Result<()>>>(
    settings: &Settings,
    which: Which,
    expectation: impl FnOnce(AsyncUmaDbClient, String) -> F,
) -> Result<()> {
    let folder = tempfile::tempdir_in(&settings.folder)?;
    let server = Server::start(&settings.programs, which, folder.path(), None).await?;
    expectation(server.connect().await?, server.url()).await
}

fn event(event_type: &str, tags: &[&str]) -> DcbEvent {
    DcbEvent::new().event_type(event_type).tags(tags.iter().copied()).data("{}").uuid(Uuid::now_v7())
}

type Read = (Vec<DcbSequencedEvent>, Option<u64>);

async fn read(
    client: &AsyncUmaDbClient,
    query: Option<DcbQuery>,
    start: Option<u64>,
    backwards: bool,
    limit: Option<u32>,
) -> DcbResult<Read> {
    client.read(query, start, backwards, limit).await?.collect_with_head().await
}

fn positions(read: &Read) -> Vec<u64> {
    read.0.iter().map(|event| event.position).collect()
}

fn is_empty(read: &Read, head: Option<u64>) -> bool {
    read.0.is_empty() && read.1 == head
}

/// Compares two events, which have no comparison of their own.
fn is_same(one: &DcbEvent, other: &DcbEvent) -> bool {
    format!("{one:?}") == format!("{other:?}")
}

fn is_conflict<T: std::fmt::Debug>(result: &DcbResult<T>) -> bool {
    matches!(result, Err(DcbError::IntegrityError(_)))
}

fn is_invalid<T: std::fmt::Debug>(result: &DcbResult<T>) -> bool {
    matches!(result, Err(DcbError::InvalidArgument(_)))
}

async fn an_empty_log_has_no_head(client: AsyncUmaDbClient, _: String) -> Result<()> {
    ensure!(client.head().await?.is_none());
    ensure!(is_empty(&read(&client, None, None, false, None).await?, None));
    ensure!(is_empty(&read(&client, None, None, true, Some(5)).await?, None));
    ensure!(client.get_tracking_info("nobody").await?.is_none());
    Ok(())
}

async fn positions_count_from_one_without_gaps(client: AsyncUmaDbClient, _: String) -> Result<()> {
    let batch = |many: usize| (0..many).map(|_| event("A", &["t"])).collect::<Vec<_>>();
    ensure!(client.append(batch(1), None, None).await? == 1);
    ensure!(client.append(batch(3), None, None).await? == 4);
    let refused = client.append(batch(2), Some(DcbAppendCondition::new(of_tag("t"))), None).await;
    ensure!(is_conflict(&refused), "{refused:?}");
    ensure!(client.append(batch(2), None, None).await? == 6);
    ensure!(client.head().await? == Some(6));
    ensure!(positions(&read(&client, None, None, false, None).await?) == [1, 2, 3, 4, 5, 6]);
    Ok(())
}

async fn events_come_back_as_they_were_given(client: AsyncUmaDbClient, _: String) -> Result<()> {
    let given = vec![
        event("Typical", &["order:1", "customer:7"]),
        DcbEvent::new().event_type("Without an id").data("{\"a\": 1}"),
        event("Bytes", &[]).data(vec![0, 159, 146, 150, 10]),
        event("Nothing in it", &["ä", "with a space"]).data(""),
        event("Known", &["k"]).metadata([
            ("trace", "1"),
            ("user", "ada"),
            ("correlation", "c-1"),
            ("empty", ""),
        ]),
        event("Doubled tag", &["d", "d"]),
        event("Not quite JSON", &[]).data("{not json}"),
        event("Version eight", &[]).uuid(uuid::Builder::from_custom_bytes([9; 16]).into_uuid()),
        event("Nil", &[]).uuid(Uuid::nil()),
    ];
    let last = client.append(given.clone(), None, None).await?;
    ensure!(last == given.len() as u64);
    let (events, head) = read(&client, None, None, false, None).await?;
    ensure!(head == Some(last));
    for (event, given) in events.iter().zip(&given) {
        ensure!(is_same(&event.event, given) && event.tracking_info.is_none(), "{event:?} is not {given:?}");
    }
    ensure!(events.len() == given.len());
    Ok(())
}

/// UmaDB 0.7.8 cannot be asked: its writer ends by a panic at the second append of this.
async fn an_append_of_nothing_records_nothing(client: AsyncUmaDbClient, _: String) -> Result<()> {
    ensure!(client.append(vec![], None, None).await? == 0);
    client.append(vec![event("A", &["t"])], None, None).await?;
    let refused = client.append(vec![], Some(DcbAppendCondition::new(of_tag("t"))), None).await;
    ensure!(is_conflict(&refused), "{refused:?}");
    ensure!(
        client.append(vec![], Some(DcbAppendCondition::new(of_tag("t")).after(Some(1))), None).await? == 0
    );
    ensure!(client.head().await? == Some(1));
    Ok(())
}

async fn ten(client: &AsyncUmaDbClient) -> Result<()> {
    let events = (1..=10).map(|number| event(if number % 2 == 0 { "Even" } else { "Odd" }, &["t"]));
    client.append(events.collect(), None, None).await?;
    Ok(())
}

async fn a_read_starts_where_it_is_told_and_goes_either_way(
    client: AsyncUmaDbClient,
    _: String,
) -> Result<()> {
    ten(&client).await?;
    for (start, backwards, expected) in [
        (Some(8), false, vec![8, 9, 10]),
        (Some(0), false, (1..=10).collect()),
        (Some(10), false, vec![10]),
        (Some(11), false, vec![]),
        (Some(100), false, vec![]),
        (Some(3), true, vec![3, 2, 1]),
        (None, true, (1..=10).rev().collect()),
        (Some(100), true, (1..=10).rev().collect()),
    ] {
        let found = read(&client, None, start, backwards, None).await?;
        ensure!(positions(&found) == expected, "{start:?} {backwards}: {:?}", positions(&found));
        ensure!(found.1 == Some(10), "{start:?} {backwards}: head {:?}", found.1);
    }
    let even = DcbQuery::with_items([DcbQueryItem::new().types(["Even"])]);
    let found = read(&client, Some(even), Some(5), true, None).await?;
    ensure!(positions(&found) == [4, 2], "{:?}", positions(&found));
    Ok(())
}

async fn a_limit_bounds_the_read_and_its_head(client: AsyncUmaDbClient, _: String) -> Result<()> {
    ten(&client).await?;
    for (limit, backwards, expected, head) in [
        (Some(0), false, vec![], None),
        (Some(3), false, vec![1, 2, 3], Some(3)),
        (Some(3), true, vec![10, 9, 8], Some(8)),
        (Some(99), false, (1..=10).collect(), Some(10)),
        (None, false, (1..=10).collect(), Some(10)),
    ] {
        let found = read(&client, None, None, backwards, limit).await?;
        ensure!(
            positions(&found) == expected && found.1 == head,
            "{limit:?}: {:?} {:?}",
            positions(&found),
            found.1
        );
    }
    let nothing = read(&client, Some(of_tag("nobody")), None, false, Some(3)).await?;
    ensure!(is_empty(&nothing, None), "{nothing:?}");
    let nothing = read(&client, Some(of_tag("nobody")), None, false, None).await?;
    ensure!(is_empty(&nothing, Some(10)), "{nothing:?}");
    Ok(())
}

async fn a_query_is_any_item_of_any_type_and_all_tags(client: AsyncUmaDbClient, _: String) -> Result<()> {
    let events = [("A", &["x"][..]), ("B", &["x", "y"]), ("C", &["y"]), ("A", &[]), ("B", &["z", "y", "x"])];
    let events = events.into_iter().map(|(name, tags)| event(name, tags)).collect();
    client.append(events, None, None).await?;
    let item = DcbQueryItem::new;
    for (items, expected) in [
        (vec![], vec![1, 2, 3, 4, 5]),
        (vec![item()], vec![1, 2, 3, 4, 5]),
        (vec![item().types(["A"])], vec![1, 4]),
        (vec![item().types(["A", "C"])], vec![1, 3, 4]),
        (vec![item().tags(["x"])], vec![1, 2, 5]),
        (vec![item().tags(["x", "y"])], vec![2, 5]),
        (vec![item().types(["B"]).tags(["z"])], vec![5]),
        (vec![item().types(["A"]), item().tags(["y"])], vec![1, 2, 3, 4, 5]),
        (vec![item().types(["C"]), item().types(["A"]).tags(["x"])], vec![1, 3]),
        (vec![item().tags(["nobody"])], vec![]),
    ] {
        let found = read(&client, Some(DcbQuery::with_items(items.clone())), None, false, None).await?;
        ensure!(positions(&found) == expected, "{items:?}: {:?}", positions(&found));
    }
    Ok(())
}

async fn a_condition_refuses_what_matches_after_its_position(
    client: AsyncUmaDbClient,
    _: String,
) -> Result<()> {
    client.append(vec![event("A", &["x"]), event("B", &["y"])], None, None).await?;
    let x = || DcbAppendCondition::new(of_tag("x"));
    let one = || vec![event("C", &["z"])];
    for condition in [x(), x().after(Some(0)), DcbAppendCondition::new(DcbQuery::new()).after(Some(1))] {
        let refused = client.append(one(), Some(condition.clone()), None).await;
        ensure!(is_conflict(&refused), "{condition:?}: {refused:?}");
    }
    ensure!(client.head().await? == Some(2));
    ensure!(client.append(one(), Some(x().after(Some(1))), None).await? == 3);
    ensure!(client.append(one(), Some(DcbAppendCondition::new(of_tag("nobody"))), None).await? == 4);
    ensure!(
        client.append(one(), Some(DcbAppendCondition::new(DcbQuery::new()).after(Some(4))), None).await? == 5
    );
    Ok(())
}

async fn the_same_ids_under_the_same_condition_answer_as_the_first_time(
    client: AsyncUmaDbClient,
    _: String,
) -> Result<()> {
    let batch = vec![event("A", &["x"]), event("B", &["x"])];
    let condition = || Some(never(&batch[0]));
    ensure!(client.append(batch.clone(), condition(), None).await? == 2);
    client.append(vec![event("C", &["other"])], None, None).await?;
    for _ in 0..2 {
        ensure!(client.append(batch.clone(), condition(), None).await? == 2);
    }
    let unnamed = batch.iter().cloned().map(|event| DcbEvent { uuid: None, ..event }).collect();
    let others = batch.iter().cloned().map(|event| event.uuid(Uuid::now_v7())).collect();
    for other in [unnamed, others] {
        let refused = client.append(other, condition(), None).await;
        ensure!(is_conflict(&refused), "{refused:?}");
    }
    ensure!(client.head().await? == Some(3));
    Ok(())
}

async fn tracking_is_recorded_with_its_events_and_only_rises(
    client: AsyncUmaDbClient,
    _: String,
) -> Result<()> {
    let tracking = |position| Some(TrackingInfo { source: "upstream".to_owned(), position });
    let given =
        event("A", &["x"]).metadata([("source", "of mine"), ("tracking_position", "7"), ("user", "ada")]);
    ensure!(client.append(vec![given.clone(), event("B", &[])], None, tracking(5)).await? == 2);
    ensure!(client.get_tracking_info("upstream").await? == Some(5));
    for position in [5, 4, 0] {
        let refused = client.append(vec![event("C", &[])], None, tracking(position)).await;
        ensure!(is_conflict(&refused), "{position}: {refused:?}");
    }
    let unmet = Some(DcbAppendCondition::new(of_tag("x")));
    let refused = client.append(vec![event("C", &[])], unmet, tracking(9)).await;
    ensure!(is_conflict(&refused), "{refused:?}");
    ensure!(client.get_tracking_info("upstream").await? == Some(5) && client.head().await? == Some(2));
    ensure!(client.append(vec![event("D", &[])], None, tracking(6)).await? == 3);
    ensure!(client.get_tracking_info("upstream").await? == Some(6));
    ensure!(client.get_tracking_info("up").await?.is_none());
    client.append(vec![event("E", &[])], None, None).await?;
    let (events, _) = read(&client, None, None, false, None).await?;
    let told: Vec<_> = events.iter().map(|event| event.tracking_info.clone()).collect();
    ensure!(told == [tracking(5), tracking(5), tracking(6), None], "{told:?}");
    ensure!(is_same(&events[0].event, &given), "{:?}", events[0]);
    Ok(())
}

async fn requests_that_make_no_sense_are_invalid_arguments(
    client: AsyncUmaDbClient,
    _: String,
) -> Result<()> {
    let twice = event("A", &[]).metadata([("a", "1"), ("a", "2")]);
    let long = event("A", &[]).metadata([("a", "x".repeat(70_000))]);
    for event in [twice, long] {
        let refused = client.append(vec![event], None, None).await;
        ensure!(is_invalid(&refused), "{refused:?}");
    }
    let source = TrackingInfo { source: "s".repeat(256), position: 1 };
    let refused = client.append(vec![event("A", &[])], None, Some(source)).await;
    ensure!(is_invalid(&refused), "{refused:?}");
    ensure!(client.head().await?.is_none());
    Ok(())
}

async fn a_batch_size_bounds_what_comes_at_once(client: AsyncUmaDbClient, url: String) -> Result<()> {
    ten(&client).await?;
    let client = UmaDbClient::new(url).batch_size(3).connect_async().await?;
    let mut found = client.read(None, None, false, None).await?;
    for expected in [3, 3, 3, 1, 0] {
        let batch = found.next_batch().await?;
        ensure!(batch.len() == expected, "{} and not {expected}", batch.len());
    }
    let limited = read(&client, None, None, false, Some(7)).await?;
    ensure!(positions(&limited) == [1, 2, 3, 4, 5, 6, 7] && limited.1 == Some(7));
    Ok(())
}

async fn a_long_log_comes_back_whole(client: AsyncUmaDbClient, _: String) -> Result<()> {
    let mut events = Events::new(7);
    for _ in 0..12 {
        let batch = (0..1_000).map(|_| events.fresh()).collect();
        client.append(batch, None, None).await?;
    }
    let large = |size: usize| event("Large", &["large"]).data(vec![b'x'; size]);
    client.append(vec![large(1_500_000), large(1_500_000)], None, None).await?;
    client.append(vec![large(2_500_000)], None, None).await?;
    for backwards in [false, true] {
        let found = read(&client, None, None, backwards, None).await?;
        let mut expected: Vec<_> = (1..=12_003).collect();
        if backwards {
            expected.reverse();
        }
        ensure!(positions(&found) == expected);
        ensure!(found.1 == Some(12_003));
    }
    let found = read(&client, Some(of_tag("large")), None, false, None).await?;
    ensure!(found.0.iter().map(|event| event.event.data.len()).sum::<usize>() == 5_500_000);
    Ok(())
}

async fn a_subscription_catches_up_and_goes_on(client: AsyncUmaDbClient, _: String) -> Result<()> {
    ten(&client).await?;
    let mut subscription = client.subscribe(None, None).await?;
    let mut seen = Vec::new();
    while seen.len() < 10 {
        let batch = subscription.next_batch_timeout(Duration::from_secs(20)).await?;
        seen.extend(batch.iter().map(|event| event.position));
    }
    for position in 11..=30 {
        client.append(vec![event("Later", &["t"])], None, None).await?;
        while seen.len() < position {
            let batch = subscription.next_batch_timeout(Duration::from_secs(20)).await?;
            seen.extend(batch.iter().map(|event| event.position));
        }
    }
    ensure!(seen == (1..=30).collect::<Vec<_>>(), "{seen:?}");
    let mut none = client.subscribe(None, Some(u64::MAX)).await?;
    ensure!(none.next_batch_timeout(Duration::from_secs(20)).await?.is_empty());
    Ok(())
}

async fn a_subscription_is_filtered_and_begins_after_a_position(
    client: AsyncUmaDbClient,
    _: String,
) -> Result<()> {
    ten(&client).await?;
    let even = DcbQuery::with_items([DcbQueryItem::new().types(["Even"])]);
    let mut subscription = client.subscribe(Some(even), Some(4)).await?;
    client.append(vec![event("Odd", &[]), event("Even", &[]), event("Odd", &[])], None, None).await?;
    let mut seen = Vec::new();
    while seen.len() < 4 {
        let batch = subscription.next_batch_timeout(Duration::from_secs(20)).await?;
        seen.extend(batch.iter().map(|event| event.position));
    }
    ensure!(seen == [6, 8, 10, 12], "{seen:?}");
    Ok(())
}

async fn the_health_of_the_server_and_of_its_service_is_told(
    client: AsyncUmaDbClient,
    _: String,
) -> Result<()> {
    for service in ["", "umadb.v1.DCB"] {
        ensure!(client.check_health(service).await? == ServingStatus::Serving);
        let mut watch = client.watch_health(service).await?;
        ensure!(watch.next_timeout(Duration::from_secs(20)).await? == Some(ServingStatus::Serving));
    }
    ensure!(client.check_health("nobody.v1.Nothing").await.is_err());
    Ok(())
}

async fn many_clients_on_one_connection_are_answered(client: AsyncUmaDbClient, _: String) -> Result<()> {
    let client = std::sync::Arc::new(client);
    let mut tasks = tokio::task::JoinSet::new();
    for seed in 0..256 {
        let client = std::sync::Arc::clone(&client);
        tasks.spawn(async move {
            let event = Events::new(seed + 1).fresh();
            let condition = never(&event);
            client.append(vec![event], Some(condition), None).await
        });
    }
    let mut seen = HashSet::new();
    while let Some(appended) = tasks.join_next().await {
        seen.insert(appended??);
    }
    ensure!(seen == (1..=256).collect());
    Ok(())
}

async fn only_one_of_many_racing_conditions_wins(_: AsyncUmaDbClient, url: String) -> Result<()> {
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..16 {
        let client = UmaDbClient::new(url.clone()).connect_async().await?;
        tasks.spawn(async move {
            let mut won = 0;
            for seat in 0..50 {
                let event = event("SeatTaken", &[&format!("seat:{seat}")]);
                let condition = never(&event);
                match client.append(vec![event], Some(condition), None).await {
                    Ok(_) => won += 1,
                    Err(DcbError::IntegrityError(_)) => {}
                    Err(error) => return Err(error),
                }
            }
            Ok(won)
        });
    }
    let mut won = 0;
    while let Some(ended) = tasks.join_next().await {
        won += ended??;
    }
    ensure!(won == 50, "{won} won for 50 seats");
    Ok(())
}

async fn outlives_a_kill(settings: &Settings, which: Which) -> Result<()> {
    let folder = tempfile::tempdir_in(&settings.folder)?;
    let server = Server::start(&settings.programs, which, folder.path(), None).await?;
    let client = server.connect().await?;
    let tracking = TrackingInfo { source: "upstream".to_owned(), position: 9 };
    client.append(vec![event("A", &["x"])], None, Some(tracking)).await?;
    drop(client);
    drop(server);
    let server = Server::start(&settings.programs, which, folder.path(), None).await?;
    let client = server.connect().await?;
    ensure!(client.head().await? == Some(1));
    ensure!(client.get_tracking_info("upstream").await? == Some(9));
    ensure!(positions(&read(&client, Some(of_tag("x")), None, false, None).await?) == [1]);
    Ok(())
}

async fn goes_down(settings: &Settings, which: Which) -> Result<()> {
    let folder = tempfile::tempdir_in(&settings.folder)?;
    let server = Server::start(&settings.programs, which, folder.path(), None).await?;
    let client = server.connect().await?;
    ten(&client).await?;
    let mut subscription = client.subscribe(None, Some(9)).await?;
    let mut watch = client.watch_health("").await?;
    ensure!(subscription.next_batch_timeout(Duration::from_secs(20)).await?.len() == 1);
    ensure!(watch.next_timeout(Duration::from_secs(20)).await? == Some(ServingStatus::Serving));
    server.terminate()?;
    ensure!(subscription.next_batch_timeout(Duration::from_secs(20)).await?.is_empty());
    ensure!(watch.next_timeout(Duration::from_secs(20)).await? == Some(ServingStatus::NotServing));
    ensure!(tokio::task::spawn_blocking(move || server.ended()).await??, "it did not end well");
    Ok(())
}

async fn blocking(settings: &Settings, which: Which) -> Result<()> {
    let folder = tempfile::tempdir_in(&settings.folder)?;
    let server = Server::start(&settings.programs, which, folder.path(), None).await?;
    let url = server.url();
    let done = std::thread::spawn(move || {
        let client = UmaDbClient::new(url).connect()?;
        ensure!(client.append(vec![event("A", &["x"]), event("B", &["x"])], None, None)? == 2);
        let (events, head) = client.read_with_head(Some(of_tag("x")), None, false, None)?;
        ensure!(events.len() == 2 && head == Some(2) && client.head()? == Some(2));
        let mut subscription = client.subscribe(None, Some(1))?;
        ensure!(subscription.next().transpose()?.is_some_and(|event| event.position == 2));
        Ok(())
    });
    tokio::task::spawn_blocking(move || done.join()).await?.map_err(|_| anyhow::anyhow!("it panicked"))?
}

async fn what_belongs_to_the_system_is_refused(client: AsyncUmaDbClient, _: String) -> Result<()> {
    let many: Vec<String> = (0..65).map(|number| format!("t{number}")).collect();
    for given in [
        event("$truncated", &[]),
        event("", &[]),
        event(&"A".repeat(256), &[]),
        event("A", &["$category:order"]),
        event("A", &[""]),
        event("A", &[&"t".repeat(256)]),
        event("A", &["line\nbreak"]),
        event("A", &[]).tags(many),
        event("A", &[]).metadata([("", "x")]),
    ] {
        let refused = client.append(vec![given.clone()], None, None).await;
        ensure!(is_invalid(&refused), "{given:?}: {refused:?}");
    }
    ensure!(client.head().await?.is_none());
    Ok(())
}

async fn an_id_is_recorded_once_even_without_a_condition(client: AsyncUmaDbClient, _: String) -> Result<()> {
    let one = event("A", &["x"]);
    ensure!(client.append(vec![one.clone()], None, None).await? == 1);
    ensure!(client.append(vec![one.clone()], None, None).await? == 1);
    let refused = client.append(vec![one.clone(), event("B", &[])], None, None).await;
    ensure!(is_conflict(&refused), "{refused:?}");
    let refused = client.append(vec![event("C", &[]).uuid(Uuid::max()); 2], None, None).await;
    ensure!(is_invalid(&refused), "{refused:?}");
    ensure!(client.head().await? == Some(1));
    Ok(())
}

async fn a_position_beyond_the_head_is_refused(client: AsyncUmaDbClient, _: String) -> Result<()> {
    ten(&client).await?;
    let condition = DcbAppendCondition::new(of_tag("nobody")).after(Some(11));
    let refused = client.append(vec![event("A", &[])], Some(condition), None).await;
    ensure!(is_conflict(&refused), "{refused:?}");
    let refused = client.subscribe(None, Some(11)).await.map(|_| ());
    ensure!(is_conflict(&refused), "{refused:?}");
    Ok(())
}
