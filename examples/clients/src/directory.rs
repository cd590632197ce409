//! The directory: records the changes that a feed brings, and answers questions about clients.

use std::sync::Arc;

use futures_util::{StreamExt, TryStreamExt, stream};
use ledgerstone::core::{
    CollectionName, DocumentStore, EventStore, Filter, InvalidName, LogPoint, OffsetTime, Page, Select,
    Tenant, Timestamp,
};
use ledgerstone::engine::{AsOf, Context, Loaded, Past, Repository, RepositoryError};

use crate::domain::{Client, ClientEvent, ClientRefusal};
use crate::read_model::CLIENTS;
use crate::salesforce::{NormalisedChange, lines};

/// How many clients are recorded at once; the changes of one client keep their order.
const CLIENTS_AT_ONCE: usize = 64;

/// A line of the feed that was not recorded, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RejectedLine {
    /// Its number, from 1.
    pub number: usize,
    /// Why.
    pub reason: String,
}

/// What became of a feed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ingested {
    /// The lines read.
    pub read: usize,
    /// The changes recorded.
    pub recorded: usize,
    /// The changes that had been recorded before.
    pub repeated: usize,
    /// The lines that were not recorded, in their order.
    pub rejected: Vec<RejectedLine>,
    /// Where the last change stands: what to wait for before searching.
    pub point: Option<LogPoint>,
}

/// Records changes of clients, and answers questions about them.
#[derive(Debug, Clone)]
pub struct ClientDirectory {
    clients: Repository<Client>,
    documents: Arc<dyn DocumentStore>,
}

impl ClientDirectory {
    /// Creates the directory over a store of events and one of documents.
    pub fn new(events: Arc<dyn EventStore>, documents: Arc<dyn DocumentStore>) -> Self {
        Self { clients: Repository::new(events), documents }
    }

    /// Records a feed; `seen` is told after every line how many were read.
    ///
    /// Malformed lines, and changes that make no sense, are rejected by number and the rest goes on.
    /// The same feed recorded again adds nothing.
    pub async fn ingest(
        &self,
        feed: &str,
        seen: &(dyn Fn(usize) + Send + Sync),
    ) -> Result<Ingested, RepositoryError<ClientRefusal>> {
        let mut ingested = Ingested::default();
        let mut by_client: Vec<(String, Vec<(usize, NormalisedChange)>)> = Vec::new();
        let mut index = std::collections::HashMap::new();
        for line in lines(feed) {
            ingested.read += 1;
            match line.changes {
                Ok(changes) => {
                    for change in changes {
                        let at = *index.entry(change.client.clone()).or_insert_with(|| {
                            by_client.push((change.client.clone(), Vec::new()));
                            by_client.len() - 1
                        });
                        by_client[at].1.push((line.number, change));
                    }
                }
                Err(malformed) => ingested.reject(line.number, malformed.to_string()),
            }
        }
        let results = stream::iter(by_client)
            .map(|(client, changes)| self.record(client, changes, seen))
            .buffer_unordered(CLIENTS_AT_ONCE);
        let mut results = std::pin::pin!(results);
        while let Some(part) = results.try_next().await? {
            ingested.add(part);
        }
        ingested.rejected.sort_by_key(|line| line.number);
        Ok(ingested)
    }

    async fn record(
        &self,
        client: String,
        changes: Vec<(usize, NormalisedChange)>,
        seen: &(dyn Fn(usize) + Send + Sync),
    ) -> Result<Ingested, RepositoryError<ClientRefusal>> {
        let mut part = Ingested::default();
        for (number, change) in changes {
            let mut context = Context::new()
                .source("salesforce")
                .correlation(change.transaction)
                .actor(change.actor)
                .occurred_at(OffsetTime::utc(Timestamp::from_micros(change.occurred_micros)));
            context.metadata.validation = Some(change.validation);
            match self.clients.handle(&client, change.command, &context).await {
                Ok(outcome) => match outcome.appended {
                    Some(appended) => {
                        part.recorded += 1;
                        part.point = appended.point().or(part.point);
                    }
                    None => part.repeated += 1,
                },
                Err(RepositoryError::Refused(refusal)) => part.reject(number, refusal.to_string()),
                Err(error) => return Err(error),
            }
            seen(1);
        }
        Ok(part)
    }

    /// Searches clients by words of their names and business types; deleted ones stay hidden.
    pub async fn search(&self, text: &str, more: Vec<Filter>) -> Result<Page, DirectoryError> {
        let mut all = vec![Filter::Matches { field: None, text: text.to_owned() }];
        all.extend(more);
        self.page(all).await
    }

    /// Returns the first page of the clients with this status.
    pub async fn by_status(&self, status: &str) -> Result<Page, DirectoryError> {
        self.page(vec![equals("status", status)?]).await
    }

    /// Returns the first page of the clients that are billed in this country.
    pub async fn by_country(&self, country: &str) -> Result<Page, DirectoryError> {
        self.page(vec![equals("country", country)?]).await
    }

    async fn page(&self, mut filters: Vec<Filter>) -> Result<Page, DirectoryError> {
        filters.push(Filter::Eq { field: "is_deleted".try_into()?, value: false.into() });
        let select = Select::from(CollectionName::new(CLIENTS)?)
            .filter(Filter::And(filters))
            .order_by("name".try_into()?, false);
        Ok(self.documents.query(select).await?)
    }

    /// Counts the clients that are not deleted.
    pub async fn count(&self) -> Result<u64, DirectoryError> {
        let shown = Filter::Eq { field: "is_deleted".try_into()?, value: false.into() };
        let collection = CollectionName::new(CLIENTS)?.into();
        let tenant = ledgerstone::core::TenantScope::One(Tenant::default());
        Ok(self.documents.count(&collection, &tenant, &shown).await?)
    }

    /// Returns everything that happened to a client, oldest first.
    pub async fn history(
        &self,
        client: &str,
    ) -> Result<Vec<Past<ClientEvent>>, RepositoryError<ClientRefusal>> {
        self.clients.history(client).try_collect().await
    }

    /// Loads a client as it is now.
    pub async fn load(&self, client: &str) -> Result<Loaded<Client>, RepositoryError<ClientRefusal>> {
        self.clients.load(client).await
    }

    /// Loads a client as it was.
    pub async fn load_at(
        &self,
        client: &str,
        as_of: AsOf,
    ) -> Result<Loaded<Client>, RepositoryError<ClientRefusal>> {
        self.clients.load_at(client, as_of).await
    }
}

fn equals(field: &str, value: &str) -> Result<Filter, InvalidName> {
    Ok(Filter::Eq { field: field.try_into()?, value: value.into() })
}

impl Ingested {
    fn reject(&mut self, number: usize, reason: String) {
        self.rejected.push(RejectedLine { number, reason });
    }

    fn add(&mut self, part: Self) {
        self.recorded += part.recorded;
        self.repeated += part.repeated;
        self.rejected.extend(part.rejected);
        self.point = match (self.point, part.point) {
            (Some(one), Some(other)) if other.position <= one.position => Some(one),
            (one, other) => other.or(one),
        };
    }
}

/// Why the directory could not answer.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// A name is not valid.
    #[error(transparent)]
    Name(#[from] InvalidName),
    /// The read model did not answer.
    #[error(transparent)]
    Documents(#[from] ledgerstone::core::DocumentStoreError),
}

#[cfg(test)]
#[path = "directory_tests.rs"]
mod tests;
