//! What calls are measured by: T-09.

use std::collections::BTreeSet;
use std::sync::Arc;

use example_users::domain::{PageSize, User, Users as _};
use metrics::{
    Counter, Gauge, Histogram, Key, KeyName, Metadata, NoopRecorder, Recorder, SharedString, Unit,
};
use parking_lot::Mutex;

use crate::wire::Does;
use crate::world::{World, create, find, name};

/// Keeps which series there are.
#[derive(Debug, Clone, Default)]
struct Series(Arc<Mutex<BTreeSet<String>>>);

impl Series {
    fn keep(&self, key: &Key) {
        let labels: Vec<_> = key.labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
        self.0.lock().insert(format!("{} {}", key.name(), labels.join(" ")));
    }
}

impl Recorder for Series {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, metadata: &Metadata<'_>) -> Counter {
        self.keep(key);
        NoopRecorder.register_counter(key, metadata)
    }

    fn register_gauge(&self, key: &Key, metadata: &Metadata<'_>) -> Gauge {
        self.keep(key);
        NoopRecorder.register_gauge(key, metadata)
    }

    fn register_histogram(&self, key: &Key, metadata: &Metadata<'_>) -> Histogram {
        self.keep(key);
        NoopRecorder.register_histogram(key, metadata)
    }
}

async fn a_day() -> Vec<String> {
    let world = World::new().await;
    let node = world.node();
    let mut ids = Vec::new();
    for number in 0..100 {
        let user = create(&node, &format!("User{number}")).await;
        find(&node, user.id).await;
        ids.push(user.id.to_string());
        let renamed = User { name: name("Other"), ..user };
        let renamed = node.update(renamed).await.expect("renamed");
        node.delete(renamed.id).await.expect("deleted");
        node.exists(renamed.id).await.expect("an answer");
        node.page(PageSize::new(10).expect("a size"), None).await.expect("a page");
    }
    world.wire.now(Does::IsDown);
    for number in 0..100 {
        node.exists(uuid::Uuid::from_u128(number).into()).await.expect_err("it is down");
    }
    ids
}

#[test]
fn metric_labels_are_route_templates_and_never_urls() {
    let series = Series::default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let runtime = runtime.expect("a runtime");
    let ids = metrics::with_local_recorder(&series, || runtime.block_on(a_day()));
    let series = series.0.lock();
    let of_calls: Vec<_> =
        series.iter().filter(|name| name.starts_with("ledgerstone_http_client_seconds ")).collect();
    let routes: BTreeSet<_> = of_calls
        .iter()
        .flat_map(|name| name.split(' '))
        .filter(|label| label.starts_with("route="))
        .collect();
    assert_eq!(routes, BTreeSet::from(["route=/users", "route=/users/{id}"]));
    // Five kinds of calls, and few ways to end; not one for each of two hundred users.
    assert!(of_calls.len() <= 12, "{of_calls:#?}");
    for name in series.iter() {
        assert!(!name.contains("http://") && ids.iter().all(|id| !name.contains(id)), "{name}");
    }
}
