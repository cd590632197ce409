//! The tour: what two nodes see of one service, in a few lines.

use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use example_users::HttpUsers;
use example_users::domain::{Email, Name, NewUser, PageSize, User, Users as _};
use example_users::service::{Fingerprints, UsersService, router};
use ledgerstone::cache::{CacheInvalidator, CacheSettings};
use ledgerstone::http::{ClientOptions, Http, ReqwestClient};
use ledgerstone::stores::{Backend, Resources, open};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use uuid::Uuid;

type Told<T> = Result<T, Box<dyn Error>>;

/// How long answers are fresh here: short, so that the tour need not wait for them to age.
const FRESH: Duration = Duration::from_millis(50);

/// A service that listens until it is stopped.
struct Serving {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    ended: JoinHandle<std::io::Result<()>>,
}

impl Serving {
    async fn begin(backend: &Backend) -> Told<Self> {
        let service = UsersService::open(backend, Fingerprints::default()).await;
        let service = service.map_err(|failure| failure.problem().detail.clone())?;
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let (stop, stopped) = oneshot::channel::<()>();
        let serve = axum::serve(listener, router(service)).with_graceful_shutdown(async {
            let _ = stopped.await;
        });
        Ok(Self { address, stop, ended: tokio::spawn(async { serve.await }) })
    }

    async fn end(self) -> Told<()> {
        let _ = self.stop.send(());
        Ok(self.ended.await??)
    }
}

/// Makes a node, and what lets the log tell it of changes.
fn node(serving: &Serving, backend: &Backend) -> Told<(HttpUsers, CacheInvalidator)> {
    let client = Arc::new(ReqwestClient::new(ClientOptions::default())?);
    let http = Http::builder("users", client, &format!("http://{}", serving.address));
    let settings =
        CacheSettings { stale_on_error: Some(Duration::from_secs(60)), ..CacheSettings::with_ttl(FRESH) };
    let node = HttpUsers::new(http.policy(HttpUsers::policy()?).build()?, settings)?;
    let invalidator = node.invalidator(Arc::clone(&backend.events))?;
    Ok((node, invalidator))
}

/// Runs the tour and returns what happened, a line each.
pub(crate) async fn run() -> Told<Vec<String>> {
    let backend = open(&"memory:".parse()?, &Resources::default()).await?;
    let serving = Serving::begin(&backend).await?;
    let ((here, _), (there, news)) = (node(&serving, &backend)?, node(&serving, &backend)?);
    let mut told = vec![HttpUsers::policy()?.explain()];

    let wish =
        NewUser { wish: Uuid::now_v7(), name: Name::new("Ada")?, email: Email::new("ada@example.org")? };
    let ada = here.create(wish.clone()).await?;
    told.push(format!("created              {} as version {}", ada.name.as_str(), ada.version));
    let again = here.create(wish.clone()).await?;
    told.push(format!("the same wish again  the same user: {}", again.id == ada.id));
    let greedy = here.create(NewUser { wish: Uuid::now_v7(), ..wish }).await;
    told.push(format!("her address again    {}", outcome(&greedy)));

    news.catch_up().await?;
    let seen = there.find(ada.id).await?.ok_or("she is there")?;
    let king = here.update(User { name: Name::new("Ada King")?, ..ada }).await?;
    news.catch_up().await?;
    let found = there.find(ada.id).await?.ok_or("she is there")?;
    told.push(format!("renamed elsewhere    from {} to {}", seen.name.as_str(), found.name.as_str()));
    let late = there.update(User { name: Name::new("Ada Byron")?, ..seen }).await;
    told.push(format!("an old version       {}", outcome(&late)));
    let page = there.page(PageSize::new(10)?, None).await?;
    told.push(format!("a page               {} user, more: {}", page.users.len(), page.next.is_some()));

    there.find(king.id).await?;
    serving.end().await?;
    tokio::time::sleep(2 * FRESH).await;
    let stale = there.find(king.id).await?.ok_or("she was there")?;
    told.push(format!("the service is down  still known: {}", stale.name.as_str()));
    let unknown = there.exists(Uuid::now_v7().into()).await;
    told.push(format!("and somebody else    {}", outcome(&unknown)));
    Ok(told)
}

fn outcome<T, E: Error>(result: &Result<T, E>) -> String {
    result.as_ref().map_or_else(|error| format!("refused: {error}"), |_| "it worked".to_owned())
}
