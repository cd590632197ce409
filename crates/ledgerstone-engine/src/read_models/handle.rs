//! The handle to every read model of a store: register, declare, feed, query, rebuild.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::StreamExt;
use ledgerstone_core::{
    CollectionName, CollectionRef, Document, DocumentKey, DocumentStore, DocumentStoreError, EventStore,
    Filter, Page, Projection, Select, Selection, Tenant, TenantScope, nearest,
};
use parking_lot::RwLock;
use tokio::sync::{Mutex, watch};

use crate::declared::built_in::built_in;
use crate::declared::check::{Check, CheckReport};
use crate::declared::model::DeclaredReadModel;
use crate::read_models::declarations::{self, Declarations};
use crate::read_models::error::ReadModelError;
use crate::read_models::marks::{Marks, set_paused};
use crate::read_models::model::Model;
use crate::read_models::options::ReadModelOptions;
use crate::read_models::reconcile::Rules;
use crate::read_models::status::{DeclaredInfo, Origin};
use crate::subscription::Subscription;

/// Every read model of a store; a cheap handle that may be cloned freely.
///
/// A read model is a name and the hash of its rules. Other rules under the same name become another
/// generation, filled beside the live one and swapped in at an equal position, so that queries
/// never fail and never see half of it.
///
/// 1. *Exactly once.* Documents and checkpoint move in one commit, which is refused unless the stored
///    checkpoint is the one that it began from; any number of handles may feed the same read model.
/// 2. *Nothing is lost.* A process may be killed at any moment; the next one goes on from the checkpoint.
/// 3. *Poison is parked.* An event that cannot be applied parks the keys of its documents: they stand
///    still, their later events are held by reference, and everything else goes on.
/// 4. *Pure.* A rebuild yields the same documents, parked keys aside.
#[derive(Debug, Clone)]
pub struct ReadModels {
    pub(crate) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub events: Arc<dyn EventStore>,
    pub documents: Arc<dyn DocumentStore>,
    pub options: ReadModelOptions,
    pub tenants: TenantScope,
    pub models: RwLock<BTreeMap<CollectionName, Arc<Model>>>,
    /// Declarations in the log that could not be set up, with the reason.
    pub broken: RwLock<BTreeMap<CollectionName, String>>,
    /// Held from what the log declares to what is set up by it, so that none takes away what another
    /// is about to declare.
    pub declaring: Mutex<()>,
    /// Held while generations are declared, dropped or counted on.
    pub reconciling: Mutex<()>,
    /// The system position up to which declarations were taken up; the largest number before any were.
    pub declared_to: AtomicU64,
    /// Rung when a model was added or removed.
    pub registry: watch::Sender<u64>,
}

impl ReadModels {
    /// Makes a handle; it does nothing until models are registered, declared or loaded.
    pub fn new(
        events: Arc<dyn EventStore>,
        documents: Arc<dyn DocumentStore>,
        options: ReadModelOptions,
    ) -> Self {
        let tenants = Subscription::every_tenant(&*events);
        let inner = Inner {
            events,
            documents,
            options,
            tenants,
            models: RwLock::default(),
            broken: RwLock::default(),
            declaring: Mutex::new(()),
            reconciling: Mutex::new(()),
            declared_to: AtomicU64::new(u64::MAX),
            registry: watch::Sender::new(0),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Registers a read model whose rules are code.
    ///
    /// If a generation by other rules is live, it goes on answering, and the new one waits to be
    /// filled beside it by [`run`](Self::run) or [`catch_up`](Self::catch_up).
    pub async fn register(&self, projection: Arc<dyn Projection>) -> Result<(), ReadModelError> {
        let rules = Rules { projection, origin: Origin::Code, description: None, toml: None };
        self.inner.install(rules, &[]).await.map(drop)
    }

    /// Declares a read model in TOML, and records the declaration as a system event.
    ///
    /// Nothing is recorded unless it is valid and new. What only concerns indexes is brought in line
    /// at once; other rules are filled beside the live ones. Of several that declare the same name at
    /// once, in whatever process, the one recorded last stands.
    pub async fn declare(&self, toml: &str) -> Result<DeclaredInfo, ReadModelError> {
        let model = Arc::new(DeclaredReadModel::parse(toml)?);
        let definition = model.definition();
        let name = definition.id.name.clone();
        let inner = &self.inner;
        if inner.find(&name).is_some_and(|known| known.lanes.read().origin == Origin::Code) {
            let message = format!("read model {name} is registered by the program; choose another name");
            return Err(ReadModelError::Invalid(message));
        }
        definition.check()?;
        let _declaring = inner.declaring.lock().await;
        // It is recorded before it is set up: whoever loads meanwhile must not take it for undeclared.
        let (known, recorded) = loop {
            let known = Declarations::load(&*inner.events).await?;
            if known.current.get(&name).is_some_and(|text| text == toml) {
                break (known, false);
            }
            if declarations::declare(&*inner.events, &*inner.options.ids, &known, &name, toml).await? {
                break (known, true);
            }
        };
        let history = known.projections_of(&name);
        let rebuilding = inner.install(Rules::declared(&model), &history).await?;
        let (fields, hash) = (definition.fields, definition.id.definition);
        Ok(DeclaredInfo { name, definition: hash, fields, recorded, rebuilding })
    }

    /// Takes a declared read model away: its declaration, its documents and its parked keys.
    pub async fn undeclare(&self, name: &CollectionName) -> Result<(), ReadModelError> {
        let inner = &self.inner;
        if inner.find(name).is_some_and(|known| known.lanes.read().origin == Origin::BuiltIn) {
            let message = format!("read model {name} is built in and cannot be taken away; it may be paused");
            return Err(ReadModelError::Invalid(message));
        }
        let _declaring = inner.declaring.lock().await;
        loop {
            let known = Declarations::load(&*inner.events).await?;
            if !known.current.contains_key(name) {
                return Err(inner.unknown(name.as_str(), known.current.keys()));
            }
            if declarations::undeclare(&*inner.events, &*inner.options.ids, &known, name).await? {
                return inner.remove(name).await;
            }
        }
    }

    /// Sets up the built-in read models and those that the log declares, and drops what it no longer does.
    ///
    /// A declaration that this version cannot read does not fail the others: [`list`](Self::list)
    /// shows it as stopped.
    pub async fn load(&self) -> Result<(), ReadModelError> {
        self.inner.load().await
    }

    /// Tries a declaration on the newest `last_n` events, without storing anything.
    pub async fn check(&self, toml: &str, last_n: u64) -> Result<CheckReport, ReadModelError> {
        let model = DeclaredReadModel::parse(toml)?;
        let inner = &self.inner;
        let head = inner.events.head().await?.heads.application;
        let after = ledgerstone_core::Position(head.0.saturating_sub(last_n));
        let selection = Selection::all().of(inner.tenants.clone()).after(after).up_to(head);
        let mut frames = inner.events.read(selection);
        let mut check = Check::new(&model);
        while let Some(frame) = frames.next().await.transpose()? {
            frame.events.iter().for_each(|event| check.event(event));
            tokio::task::yield_now().await;
        }
        Ok(check.finish())
    }

    /// Returns the names of the read models that are set up here.
    pub fn names(&self) -> Vec<CollectionName> {
        self.inner.models.read().keys().cloned().collect()
    }

    /// Returns the text that declares a read model, if it is declared or built in.
    pub fn declaration(&self, name: &CollectionName) -> Option<String> {
        let model = self.inner.find(name)?;
        let lanes = model.lanes.read();
        lanes.toml.as_deref().map(str::to_owned)
    }

    /// Reads a page of a read model's documents.
    pub async fn query(&self, select: Select) -> Result<Page, ReadModelError> {
        let name = select.collection.name().clone();
        self.inner.documents.query(select).await.map_err(|error| self.inner.explain(&name, error))
    }

    /// Reads documents by key, in the order of the keys.
    pub async fn get(
        &self,
        name: &CollectionName,
        tenant: &Tenant,
        keys: &[DocumentKey],
    ) -> Result<Vec<Option<Document>>, ReadModelError> {
        let found = self.inner.documents.get(&CollectionRef::Live(name.clone()), tenant, keys).await;
        found.map_err(|error| self.inner.explain(name, error))
    }

    /// Counts the documents that match.
    pub async fn count(
        &self,
        name: &CollectionName,
        tenant: &TenantScope,
        filter: &Filter,
    ) -> Result<u64, ReadModelError> {
        let counted = self.inner.documents.count(&CollectionRef::Live(name.clone()), tenant, filter).await;
        counted.map_err(|error| self.inner.explain(name, error))
    }

    /// Pauses a read model: it goes on answering, and is no longer fed until it is resumed.
    ///
    /// The pause is a mark in the event store, so it outlives the process and holds for every other.
    pub async fn pause(&self, name: &CollectionName) -> Result<(), ReadModelError> {
        let model = self.inner.require(name)?;
        set_paused(&*self.inner.events, name, true).await?;
        model.set_paused(true);
        Ok(())
    }

    /// Lets a paused read model go on, and one that stopped try again.
    pub async fn resume(&self, name: &CollectionName) -> Result<(), ReadModelError> {
        let model = self.inner.require(name)?;
        set_paused(&*self.inner.events, name, false).await?;
        model.set_paused(false);
        model.clear_trouble();
        Ok(())
    }
}

impl Inner {
    /// Returns a model that is set up here.
    pub(crate) fn find(&self, name: &CollectionName) -> Option<Arc<Model>> {
        self.models.read().get(name).cloned()
    }

    /// Returns a model that is set up here, or says which one may have been meant.
    pub(crate) fn require(&self, name: &CollectionName) -> Result<Arc<Model>, ReadModelError> {
        self.find(name).ok_or_else(|| self.unknown(name.as_str(), self.models.read().keys()))
    }

    fn unknown<'a>(
        &self,
        name: &str,
        candidates: impl IntoIterator<Item = &'a CollectionName>,
    ) -> ReadModelError {
        let nearest = nearest(name, candidates.into_iter().map(CollectionName::as_str));
        ReadModelError::Unknown { name: name.to_owned(), nearest: nearest.map(str::to_owned) }
    }

    fn explain(&self, name: &CollectionName, error: DocumentStoreError) -> ReadModelError {
        match error {
            DocumentStoreError::UnknownCollection { .. } => {
                self.unknown(name.as_str(), self.models.read().keys())
            }
            other => other.into(),
        }
    }

    /// Sets up what is built in and what the log declares.
    pub(crate) async fn load(&self) -> Result<(), ReadModelError> {
        let _declaring = self.declaring.lock().await;
        for model in built_in()? {
            let rules = Rules { origin: Origin::BuiltIn, ..Rules::declared(&model) };
            self.install(rules, &[]).await?;
        }
        let known = Declarations::load(&*self.events).await?;
        let mut broken = BTreeMap::new();
        for (name, toml) in &known.current {
            match DeclaredReadModel::parse(toml) {
                Ok(model) => {
                    let history = known.projections_of(name);
                    self.install(Rules::declared(&Arc::new(model)), &history).await?;
                }
                Err(error) => {
                    broken.insert(name.clone(), error.to_string());
                }
            }
        }
        *self.broken.write() = broken;
        let gone = |(name, model): (&CollectionName, &Arc<Model>)| {
            let declared = model.lanes.read().origin == Origin::Declared;
            (declared && !known.current.contains_key(name)).then(|| name.clone())
        };
        let gone: Vec<_> = self.models.read().iter().filter_map(gone).collect();
        for name in gone {
            self.remove(&name).await?;
        }
        self.declared_to.store(known.read_to.0, Ordering::Relaxed);
        self.refresh_marks().await
    }

    /// Looks which models are paused.
    pub(crate) async fn refresh_marks(&self) -> Result<(), ReadModelError> {
        let marks = Marks::load(&*self.events).await?;
        for (name, model) in self.models.read().iter() {
            model.set_paused(marks.is_paused(name));
        }
        Ok(())
    }
}
