//! Runs every read model: follows the log forever, tries again after failures, and watches for new ones.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::StreamExt;
use ledgerstone_core::{CollectionName, Heads, Position, Retry};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

use crate::projector::random;
use crate::read_models::declarations;
use crate::read_models::error::ReadModelError;
use crate::read_models::handle::{Inner, ReadModels};
use crate::read_models::model::{Model, Side};

impl ReadModels {
    /// Feeds every read model as the log grows, until `shutdown` is ready.
    ///
    /// Each model has a task of its own. One that fails is tried again, later and later; one that only
    /// a person can help stops, and [`list`](Self::list) says why. Models that are declared meanwhile,
    /// here or by another process, are taken up if [`load`](Self::load) was called. What is not
    /// committed when it ends was not done.
    pub async fn run(&self, shutdown: impl Future<Output = ()> + Send) -> Result<(), ReadModelError> {
        let inner = &self.inner;
        let mut tasks: BTreeMap<CollectionName, (Arc<Model>, JoinHandle<()>)> = BTreeMap::new();
        let mut registry = inner.registry.subscribe();
        let mut changes = inner.events.changes();
        let (stop, stopped) = watch::channel(false);
        let mut ticks = tokio::time::interval(inner.options.poll.max(Duration::from_millis(1)));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        tokio::pin!(shutdown);
        loop {
            inner.supervise(&mut tasks, &stopped);
            tokio::select! {
                () = &mut shutdown => break,
                _ = registry.changed() => {}
                heads = changes.next() => inner.hear(heads).await,
                _ = ticks.tick() => inner.look().await,
            }
        }
        stop.send_replace(true);
        for (_, (_, task)) in tasks {
            if let Err(error) = task.await {
                tracing::error!(%error, "a read model's task ended badly");
            }
        }
        Ok(())
    }
}

impl Inner {
    /// Gives every model a task, and takes the tasks of models that are gone.
    fn supervise(
        self: &Arc<Self>,
        tasks: &mut BTreeMap<CollectionName, (Arc<Model>, JoinHandle<()>)>,
        stopped: &watch::Receiver<bool>,
    ) {
        let models = self.models.read().clone();
        tasks.retain(|name, (model, task)| {
            let current = models.get(name).is_some_and(|known| Arc::ptr_eq(known, model));
            if !current {
                task.abort();
            }
            current && !task.is_finished()
        });
        for (name, model) in models {
            tasks.entry(name).or_insert_with(|| {
                let (inner, looped, stopped) = (Arc::clone(self), Arc::clone(&model), stopped.clone());
                let task = tokio::spawn(async move { inner.follow(looped, stopped).await });
                (model, task)
            });
        }
    }

    /// Looks at what nobody announces: pauses by other processes, and declarations that failed to load.
    async fn look(&self) {
        let looked = async {
            self.refresh_marks().await?;
            Ok::<_, ReadModelError>(self.events.head().await?.heads)
        };
        match looked.await {
            Ok(heads) => self.hear(Some(heads)).await,
            Err(error) => tracing::warn!(%error, "the marks of read models could not be read"),
        }
    }

    /// Takes up what other processes declared.
    pub(crate) async fn hear(&self, heads: Option<Heads>) {
        let Some(heads) = heads else {
            // The store tells nothing more; the slow look goes on.
            return tokio::time::sleep(self.options.poll).await;
        };
        if let Err(error) = self.hear_declarations(heads.system).await {
            tracing::warn!(%error, "the declarations of read models could not be read");
        }
    }

    /// Loads again if something was declared or taken away since; other system events concern it not.
    async fn hear_declarations(&self, head: Position) -> Result<(), ReadModelError> {
        let known = self.declared_to.load(Ordering::Relaxed);
        if head.0 <= known {
            return Ok(());
        }
        if declarations::changed(&*self.events, Position(known), head).await? {
            return self.load().await;
        }
        self.declared_to.fetch_max(head.0, Ordering::Relaxed);
        Ok(())
    }

    async fn follow(self: Arc<Self>, model: Arc<Model>, mut stopped: watch::Receiver<bool>) {
        let both = async {
            tokio::join!(self.keep(&model, Side::Live), self.keep(&model, Side::Building));
        };
        tokio::select! {
            () = both => {}
            // What is not committed yet was not done; the next run begins from the checkpoint.
            _ = stopped.wait_for(|stop| *stop) => {}
        }
    }

    /// Feeds or fills one of a model's generations, again and again.
    async fn keep(&self, model: &Arc<Model>, side: Side) {
        let mut changes = self.events.changes();
        let mut bell = model.bell.subscribe();
        let mut failures = 0_u32;
        loop {
            bell.borrow_and_update();
            let mut retry = None;
            if !model.is_paused() && !model.is_stopped(side) {
                let done = match side {
                    Side::Live => self.feed(model, &|_| {}).await,
                    Side::Building => self.fill(model, &|_| {}).await,
                };
                model.note(side, done.as_ref().err());
                match done {
                    Ok(_) => failures = 0,
                    Err(error) => {
                        failures = failures.saturating_add(1);
                        retry = Some(self.backoff(failures));
                        tracing::warn!(read_model = %model.name, %error, failures, "a read model failed");
                    }
                }
            }
            let next_head = async {
                match (side, changes.next().await) {
                    (Side::Live, Some(_)) => {}
                    // A generation beside the live one is filled to its end in one go.
                    _ => std::future::pending().await,
                }
            };
            match retry {
                Some(wait) => tokio::select! {
                    () = tokio::time::sleep(wait) => {}
                    _ = bell.changed() => {}
                },
                None => tokio::select! {
                    () = next_head => {}
                    _ = bell.changed() => {}
                },
            }
        }
    }

    fn backoff(&self, failures: u32) -> Duration {
        let retry =
            Retry { attempts: u32::MAX, base: Duration::from_millis(250), cap: self.options.backoff_cap };
        let least = Duration::from_millis(50);
        retry.wait(failures, random()).unwrap_or(self.options.backoff_cap).max(least)
    }
}
