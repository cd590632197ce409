//! The service: accounts are loaded and changed by their events, pages come from a read model.

use std::sync::Arc;

use ledgerstone::core::{
    AppendCondition, CollectionName, EventStoreError, IdSource, Position, QueryItem, Refusal, SubjectId, Tag,
    TimeOrderedIds,
};
use ledgerstone::engine::{
    Context, Documents, FoundPage, Ledger, ReadModelOptions, ReadModels, Repository, Specification,
    UnitOfWork,
};
use ledgerstone::http::Failure;
use ledgerstone::stores::Backend;
use serde::Deserialize;

use super::account::{Account, AccountCommand};
use super::failure;
use super::fingerprints::Fingerprints;
use super::wishes::{Earlier, Wish};
use crate::domain::{Email, Name, PageSize, UserId};

/// The read model that pages come from.
const MODEL: &str = include_str!("users.toml");

/// A user as the read model tells it.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Row {
    pub(super) name: String,
    pub(super) email: String,
    pub(super) version: u64,
}

/// Registers, changes, removes and shows users.
///
/// 1. No two users have the same address: that is decided at the append, by a tag that holds the address,
///    and not by a look beforehand.
/// 2. A change says which version it is of. One that finds everything as it wants it has nothing to do, so
///    a change whose answer was lost is no conflict with itself.
/// 3. A registration with a key happens once, however often it is asked for.
/// 4. A page shows at least what was recorded before it was asked for.
///
/// A cheap handle: clone it freely.
#[derive(Debug, Clone)]
pub struct UsersService {
    ledger: Ledger,
    accounts: Repository<Account>,
    models: ReadModels,
    model: CollectionName,
    rows: Documents<Row>,
    fingerprints: Arc<Fingerprints>,
    ids: Arc<dyn IdSource>,
}

impl UsersService {
    /// Opens the service over a store.
    pub async fn open(backend: &Backend, fingerprints: Fingerprints) -> Result<Self, Failure> {
        let (events, documents) = (Arc::clone(&backend.events), Arc::clone(&backend.documents));
        let models =
            ReadModels::new(Arc::clone(&events), Arc::clone(&documents), ReadModelOptions::default());
        models.load().await.map_err(failure::of_read_model)?;
        let model = models.declare(MODEL).await.map_err(failure::of_read_model)?.name;
        let ledger = Ledger::new(events);
        Ok(Self {
            accounts: ledger.repository(),
            ledger,
            models,
            rows: Documents::new(documents, model.clone()),
            model,
            fingerprints: Arc::new(fingerprints),
            ids: Arc::new(TimeOrderedIds),
        })
    }

    /// Returns a user as it is now.
    pub(super) async fn show(&self, id: UserId) -> Result<Account, Failure> {
        let account = self.accounts.load(&id.to_string()).await.map_err(failure::of_repository)?.state;
        if account.is_active() { Ok(account) } else { Err(failure::missing()) }
    }

    /// Returns a page of users.
    pub(super) async fn page(&self, size: PageSize, from: Option<String>) -> Result<FoundPage<Row>, Failure> {
        self.models.catch_up(&self.model, &|_| ()).await.map_err(failure::of_read_model)?;
        let size = usize::from(size.get());
        let page = self.rows.page(&Specification::all(), Vec::new(), size, from).await;
        page.map_err(failure::of_documents)
    }

    /// Registers a user; a wish with a key is fulfilled once.
    pub(super) async fn register(
        &self,
        key: Option<&str>,
        name: Name,
        email: Email,
    ) -> Result<(UserId, Account), Failure> {
        let wish = key.map(|key| Wish::new(key, &name, &email, &self.fingerprints)).transpose()?;
        if let Some(first) = self.first_answer(wish.as_ref()).await? {
            return Ok(first);
        }
        let id = UserId::from(self.ids.next_id());
        let unit = self.ledger.begin();
        let taken = self.fingerprints.taken(email.as_str())?;
        let context = about(id)?.tag(taken.clone());
        let command = AccountCommand::Register { name, email };
        let account = unit.handle(&self.accounts, &id.to_string(), command, &context).await;
        let account = account.map_err(failure::of_repository)?;
        unit.require(nobody_has(taken))?;
        if let Some(wish) = &wish {
            unit.mark(wish.fulfilled(id))?;
        }
        match commit(unit).await {
            Ok(()) => Ok((id, account)),
            // Perhaps it was the same wish that was faster.
            Err(refused) => self.first_answer(wish.as_ref()).await?.ok_or(refused),
        }
    }

    /// Gives a user this name and this address, if it is of the version that the caller has seen.
    pub(super) async fn change(
        &self,
        id: UserId,
        version: u64,
        name: Name,
        email: Email,
    ) -> Result<Account, Failure> {
        let (unit, key) = (self.ledger.begin(), id.to_string());
        let account = unit.load(&self.accounts, &key).await.map_err(failure::of_repository)?;
        if !account.is_active() {
            return Err(failure::missing());
        }
        if account.name == name.as_str() && account.email == email.as_str() {
            return Ok(account);
        }
        if account.version != version {
            return Err(failure::changed());
        }
        let rename = AccountCommand::Rename(name);
        let renamed = unit.handle(&self.accounts, &key, rename, &about(id)?).await;
        let mut changed = renamed.map_err(failure::of_repository)?;
        if account.email != email.as_str() {
            let taken = self.fingerprints.taken(email.as_str())?;
            let released = self.fingerprints.released(&account.email)?;
            let context = about(id)?.tag(taken.clone()).tag(released);
            unit.require(nobody_has(taken))?;
            let command = AccountCommand::ChangeEmail(email);
            let moved = unit.handle(&self.accounts, &key, command, &context).await;
            changed = moved.map_err(failure::of_repository)?;
        }
        commit(unit).await.map(|()| changed)
    }

    /// Removes a user and sets the address free; one that was removed before is removed.
    pub(super) async fn remove(&self, id: UserId) -> Result<(), Failure> {
        let (service, key) = (self, id.to_string());
        let removed = self.ledger.transaction(|unit| {
            let key = key.clone();
            async move {
                let account = unit.load(&service.accounts, &key).await.map_err(failure::of_repository)?;
                let released = service.fingerprints.released(&account.email)?;
                let context = about(id)?.tag(released);
                let command = AccountCommand::Remove;
                let removed = unit.handle(&service.accounts, &key, command, &context).await;
                removed.map(drop).map_err(failure::of_repository)
            }
        });
        removed.await.map(drop)
    }

    /// Returns what a wish became when it was made before.
    async fn first_answer(&self, wish: Option<&Wish>) -> Result<Option<(UserId, Account)>, Failure> {
        let Some(wish) = wish else { return Ok(None) };
        match wish.earlier(&**self.ledger.store()).await? {
            Some(Earlier::Same(id)) => Ok(Some((id, self.show(id).await?))),
            Some(Earlier::Another) => Err(failure::key_reused()),
            None => Ok(None),
        }
    }
}

/// Says whom events are about, so that what they hold can be made unreadable when the user is forgotten.
fn about(id: UserId) -> Result<Context, Failure> {
    Ok(Context::new().subject(SubjectId::new(id.to_string())?))
}

fn nobody_has(taken: Tag) -> AppendCondition {
    AppendCondition { fail_if_match: QueryItem::tags([taken]).into(), after: Position::START }
}

async fn commit(unit: UnitOfWork) -> Result<(), Failure> {
    match unit.commit().await {
        Ok(_) => Ok(()),
        Err(EventStoreError::Refused(Refusal::ConditionFailed { .. })) => Err(failure::taken()),
        Err(EventStoreError::Refused(Refusal::WrongRevision { .. })) => Err(failure::changed()),
        Err(error) => Err(error.into()),
    }
}
