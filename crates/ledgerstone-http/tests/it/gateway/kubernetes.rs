//! Endpoints from a fake of the API of Kubernetes, over real HTTP; no cluster was at hand to test against.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use ledgerstone_core::{ErrorKind, HttpClient};
use ledgerstone_http::{
    ClientOptions, KubernetesResolver, KubernetesSettings, ReqwestClient, Resolver as _, ServiceSettings,
    Services,
};
use parking_lot::Mutex;
use serde_json::json;
use std::collections::BTreeMap;
use tokio::sync::watch;

use super::fakes::{addresses, named};

/// The state of the cluster: a version that rises with each change, and the addresses at each.
#[derive(Debug)]
struct Cluster {
    state: watch::Sender<(u64, Vec<String>)>,
    token: Mutex<String>,
    asked: Mutex<Vec<String>>,
    gone: Mutex<bool>,
}

impl Cluster {
    fn change(&self, addresses: &[&str]) {
        let addresses = addresses.iter().map(|address| (*address).to_owned()).collect();
        self.state.send_modify(|state| *state = (state.0 + 1, addresses));
    }
}

type Asked = BTreeMap<String, String>;

async fn slices(
    State(cluster): State<Arc<Cluster>>,
    Query(query): Query<Asked>,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    cluster.asked.lock().push(uri.to_string());
    let token = format!("Bearer {}", cluster.token.lock());
    if headers.get("authorization").is_none_or(|given| *given != *token) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    if query.get("labelSelector").is_none_or(|label| label != "kubernetes.io/service-name=orders") {
        return StatusCode::BAD_REQUEST.into_response();
    }
    if query.contains_key("watch") {
        return watch_from(&cluster, &query);
    }
    let (version, addresses) = cluster.state.borrow().clone();
    // A page for each address, so that a list of several has to be read to its end.
    let at = query.get("continue").and_then(|at| at.parse().ok()).unwrap_or(0_usize);
    let rest = if at + 1 < addresses.len() { (at + 1).to_string() } else { String::new() };
    let items: Vec<_> = addresses.get(at).into_iter().map(slice).collect();
    let metadata = json!({"resourceVersion": version.to_string(), "continue": rest});
    json!({"kind": "EndpointSliceList", "metadata": metadata, "items": items}).to_string().into_response()
}

fn slice(address: &String) -> serde_json::Value {
    json!({
        "addressType": "IPv4",
        "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
        "endpoints": [{"addresses": [address], "conditions": {"ready": true}}]
    })
}

/// Tells, as a line, once the state is newer than the version; and before that, in pieces, a bookmark.
fn watch_from(cluster: &Arc<Cluster>, query: &Asked) -> Response {
    if std::mem::take(&mut *cluster.gone.lock()) {
        let gone = json!({"type": "ERROR", "object": {"kind": "Status", "code": 410}});
        return format!("{gone}\n").into_response();
    }
    let from: u64 = query.get("resourceVersion").and_then(|given| given.parse().ok()).unwrap_or(0);
    let mut state = cluster.state.subscribe();
    let bookmark = json!({"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": from.to_string()}}});
    let bookmark = format!("{bookmark}\n");
    let (first, second) = bookmark.split_at(10);
    let pieces = [first.to_owned(), second.to_owned()].map(Ok::<_, std::io::Error>);
    let told = async move {
        let _ = state.wait_for(|(version, _)| *version > from).await;
        Ok(format!("{}\n", json!({"type": "MODIFIED", "object": {"metadata": {"resourceVersion": "9"}}})))
    };
    let lines = futures_util::stream::iter(pieces);
    let lines = futures_util::StreamExt::chain(lines, futures_util::stream::once(told));
    Body::from_stream(lines).into_response()
}

struct Fake {
    cluster: Arc<Cluster>,
    settings: KubernetesSettings,
    client: Arc<dyn HttpClient>,
    token_file: PathBuf,
    _folder: tempfile::TempDir,
}

async fn fake(initial: &[&str]) -> Fake {
    let (state, _) = watch::channel((1, Vec::new()));
    let token = Mutex::new("first".to_owned());
    let cluster = Arc::new(Cluster { state, token, asked: Mutex::default(), gone: Mutex::default() });
    cluster.change(initial);
    let path = "/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices";
    let router = Router::new().route(path, axum::routing::get(slices)).with_state(Arc::clone(&cluster));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address: SocketAddr = listener.local_addr().expect("an address");
    tokio::spawn(async move { axum::serve(listener, router).await });
    let folder = tempfile::tempdir().expect("a folder");
    let token_file = folder.path().join("token");
    std::fs::write(&token_file, "first\n").expect("a file");
    let settings = KubernetesSettings {
        service: "orders".to_owned(),
        namespace: Some("shop".to_owned()),
        port: Some("http".to_owned()),
        api: Some(format!("http://{address}")),
        token_file: Some(token_file.clone()),
    };
    let client = Arc::new(ReqwestClient::new(ClientOptions::default()).expect("a client"));
    Fake { cluster, settings, client, token_file, _folder: folder }
}

impl Fake {
    fn resolver(&self) -> KubernetesResolver {
        KubernetesResolver::new(&self.settings, Arc::clone(&self.client)).expect("a resolver")
    }
}

#[tokio::test]
async fn all_pages_of_a_list_are_read() {
    let fake = fake(&["10.0.0.1", "10.0.0.2", "10.0.0.3"]).await;
    let found = fake.resolver().resolve("orders").await.expect("found");
    let addresses: Vec<_> = found.endpoints.iter().map(|endpoint| endpoint.address.as_str()).collect();
    assert_eq!(addresses, ["10.0.0.1:8080", "10.0.0.2:8080", "10.0.0.3:8080"]);
    assert_eq!(fake.cluster.asked.lock().len(), 3);
}

#[tokio::test]
async fn a_service_scaled_to_nothing_is_empty_and_not_a_failure() {
    let fake = fake(&[]).await;
    assert!(fake.resolver().resolve("orders").await.expect("found").endpoints.is_empty());
}

#[tokio::test]
async fn a_change_is_told_also_if_it_happened_before_the_watch_began() {
    let fake = fake(&["10.0.0.1"]).await;
    let resolver = fake.resolver();
    resolver.resolve("orders").await.expect("found");
    fake.cluster.change(&["10.0.0.2"]);
    resolver.changed("orders").await;
    assert_eq!(resolver.resolve("orders").await.expect("found").endpoints[0].address, "10.0.0.2:8080");
    let change = async {
        tokio::task::yield_now().await;
        fake.cluster.change(&["10.0.0.3"]);
    };
    tokio::join!(resolver.changed("orders"), change);
    // A version that the cluster has forgotten is a change too.
    *fake.cluster.gone.lock() = true;
    resolver.changed("orders").await;
}

#[tokio::test]
async fn the_token_is_read_again_and_a_wrong_one_is_told() {
    let fake = fake(&["10.0.0.1"]).await;
    let resolver = fake.resolver();
    *fake.cluster.token.lock() = "second".to_owned();
    let error = resolver.resolve("orders").await.expect_err("the token expired");
    assert_eq!(error.kind(), ErrorKind::Denied);
    std::fs::write(&fake.token_file, "second\n").expect("a file");
    assert!(resolver.resolve("orders").await.is_ok());
    std::fs::remove_file(&fake.token_file).expect("a file");
    let error = resolver.resolve("orders").await.expect_err("no token");
    assert_eq!(error.kind(), ErrorKind::Misconfigured);
}

#[tokio::test]
async fn a_service_follows_the_cluster() {
    let fake = fake(&["10.0.0.1"]).await;
    let settings = ServiceSettings { kubernetes: Some(fake.settings.clone()), ..ServiceSettings::default() };
    let services = Services::builder(Arc::clone(&fake.client)).start(&named(settings)).expect("services");
    let mut watcher = services.watch("orders").expect("a service");
    for wanted in ["10.0.0.1", "10.0.0.2", "10.0.0.3"] {
        fake.cluster.change(&[wanted]);
        let mut seen = watcher.changed().await;
        while addresses(&seen) != [format!("{wanted}:8080")] {
            seen = watcher.changed().await;
        }
    }
}
