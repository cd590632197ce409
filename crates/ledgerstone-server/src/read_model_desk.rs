//! Read models as commands see them: of this process, or of the server that owns the store.

use ledgerstone::core::{Code, CollectionName, DocumentPageJson, ErrorKind, SelectJson, Tenant, TenantScope};
use ledgerstone::engine::{ParkedSelection, Progress, ReadModels};
use ledgerstone::stores::percent_encode;
use serde::Serialize;
use serde_json::{Value, json};

use crate::compose::{self, Opened};
use crate::failure::Failure;
use crate::progress_bar::ProgressBar;
use crate::read_model_watch::{number, unfinished, watch};
use crate::remote::Remote;

/// Answers in JSON, the same on either side.
#[derive(Debug)]
pub struct ReadModelDesk {
    side: Side,
    tenant: Tenant,
}

#[derive(Debug)]
enum Side {
    Own(ReadModels),
    Server(Remote),
}

impl ReadModelDesk {
    /// Takes the read models of a store, and loads them unless a server does.
    pub async fn of(opened: &Opened, tenant: Tenant) -> Result<Self, Failure> {
        if opened.is_read_only {
            if let Some(owner) = ledgerstone::stores::owner_of(&opened.locator) {
                let message = format!("{} is in use by process {}", opened.locator, owner.pid);
                return Err(Failure::new(ErrorKind::Unavailable, Code::Owned, message).with_help(
                    "read models are read when it has ended; events, export and streams work beside it",
                ));
            }
            let message =
                format!("the read models of {} are not read in a folder that is only read", opened.locator);
            return Err(Failure::new(ErrorKind::Unavailable, Code::ReadOnly, message).with_help(
                "leave --read-only out where the folder can be written; events, export and streams work like this",
            ));
        }
        let side = match &opened.remote {
            Some(remote) => Side::Server(remote.clone()),
            None => {
                let read_models = compose::read_models(&opened.backend);
                read_models.load().await?;
                Side::Own(read_models)
            }
        };
        Ok(Self { side, tenant })
    }

    /// Lists how every read model stands.
    pub async fn list(&self) -> Result<Vec<Value>, Failure> {
        match &self.side {
            Side::Own(own) => own.list().await?.iter().map(value).collect(),
            Side::Server(server) => {
                let mut answer = server.get("/v1/read-models").await?;
                let list = answer.get_mut("read_models").map(Value::take);
                Ok(list.and_then(|list| serde_json::from_value(list).ok()).unwrap_or_default())
            }
        }
    }

    /// Tells how one stands.
    pub async fn status(&self, name: &CollectionName) -> Result<Value, Failure> {
        match &self.side {
            Side::Own(own) => value(&own.status(name).await?),
            Side::Server(server) => server.get(&path(name, "/status")).await,
        }
    }

    /// Fills a read model up to the head that stands now, or waits until the server has done it.
    pub async fn fill(&self, name: &CollectionName, bar: &ProgressBar) -> Result<(), Failure> {
        match &self.side {
            Side::Own(_) => self.catch_up(name, bar).await,
            Side::Server(server) => watch(server, &path(name, "/status"), None, bar).await.map(drop),
        }
    }

    /// Brings a read model up to the head, if that is this process's work and it knows the rules.
    pub async fn catch_up(&self, name: &CollectionName, bar: &ProgressBar) -> Result<(), Failure> {
        match &self.side {
            Side::Own(own) if own.names().contains(name) => {
                own.catch_up(name, &|progress| show(bar, progress)).await?;
            }
            _ => {}
        }
        Ok(())
    }

    /// Reads a page of documents.
    pub async fn query(
        &self,
        name: &CollectionName,
        select: SelectJson,
    ) -> Result<DocumentPageJson, Failure> {
        match &self.side {
            Side::Own(own) => Ok(own.query(select.into_select(name.clone(), self.scope())).await?.into()),
            Side::Server(server) => {
                let page = server.post(&path(name, "/query"), &value(&select)?).await?;
                Ok(serde_json::from_value(page).map_err(anyhow::Error::new)?)
            }
        }
    }

    /// Counts documents.
    pub async fn count(&self, name: &CollectionName, select: SelectJson) -> Result<u64, Failure> {
        match &self.side {
            Side::Own(own) => Ok(own.count(name, &self.scope(), &select.filter).await?),
            Side::Server(server) => {
                // A count takes a filter and nothing of a page.
                let filter = SelectJson { filter: select.filter, ..SelectJson::default() };
                let answer = server.post(&path(name, "/count"), &value(&filter)?).await?;
                Ok(answer.get("count").and_then(Value::as_u64).unwrap_or_default())
            }
        }
    }

    /// Declares a read model.
    pub async fn declare(&self, toml: &str) -> Result<Value, Failure> {
        match &self.side {
            Side::Own(own) => value(&own.declare(toml).await?),
            Side::Server(server) => server.send_toml("PUT", "/v1/read-models", toml).await,
        }
    }

    /// Takes a declaration back.
    pub async fn undeclare(&self, name: &CollectionName) -> Result<Value, Failure> {
        match &self.side {
            Side::Own(own) => own.undeclare(name).await.map(|()| outcome("undeclared")).map_err(Into::into),
            Side::Server(server) => server.delete(&path(name, "")).await,
        }
    }

    /// Tries a declaration on the newest events.
    pub async fn check(&self, toml: &str, last: u64) -> Result<Value, Failure> {
        match &self.side {
            Side::Own(own) => value(&own.check(toml, last).await?),
            Side::Server(server) => {
                server.send_toml("POST", &format!("/v1/read-models/check?last={last}"), toml).await
            }
        }
    }

    /// Builds a read model anew, or waits until the server has done it.
    pub async fn rebuild(&self, name: &CollectionName, bar: &ProgressBar) -> Result<Value, Failure> {
        match &self.side {
            Side::Own(own) => value(&own.rebuild(name, &|progress| show(bar, progress)).await?),
            Side::Server(server) => {
                let status = path(name, "/status");
                let old = server.get(&status).await?;
                server.post(&path(name, "/rebuild"), &json!({})).await?;
                let rebuilt = watch(server, &status, old.get("definition"), bar).await?;
                if rebuilt.get("definition") == old.get("definition") {
                    return Err(unfinished(name, &rebuilt));
                }
                let told = |field: &str| rebuilt.get(field).cloned().unwrap_or_default();
                let (head, lag) = (number(&rebuilt, "head"), number(&rebuilt, "lag"));
                Ok(json!({ "position": head.saturating_sub(lag), "head": head, "parked": told("parked") }))
            }
        }
    }

    /// Pauses, resumes or resets a read model.
    pub async fn steer(&self, name: &CollectionName, verb: Steer) -> Result<Value, Failure> {
        match &self.side {
            Side::Own(own) => {
                match verb {
                    Steer::Pause => own.pause(name).await?,
                    Steer::Resume => own.resume(name).await?,
                    Steer::Reset => own.reset(name).await?,
                }
                Ok(outcome(verb.done()))
            }
            Side::Server(server) => server.post(&path(name, verb.path()), &json!({})).await,
        }
    }

    /// Lists parked keys.
    pub async fn parked(&self, name: &CollectionName) -> Result<Vec<Value>, Failure> {
        match &self.side {
            Side::Own(own) => own.parked(name).await?.iter().map(value).collect(),
            Side::Server(server) => {
                let mut answer = server.get(&path(name, "/parked")).await?;
                let list = answer.get_mut("parked").map(Value::take);
                Ok(list.and_then(|list| serde_json::from_value(list).ok()).unwrap_or_default())
            }
        }
    }

    /// Applies parked events again, of one key or of all.
    pub async fn replay(&self, name: &CollectionName, key: Option<&str>) -> Result<Value, Failure> {
        match &self.side {
            Side::Own(own) => value(&own.replay_parked(name, &self.parked_selection(key)).await?),
            Side::Server(server) => server.post(&path(name, "/parked/replay"), &choice(key, None)).await,
        }
    }

    /// Gives parked events up, of one key or of all.
    pub async fn discard(
        &self,
        name: &CollectionName,
        key: Option<&str>,
        reason: &str,
    ) -> Result<Value, Failure> {
        match &self.side {
            Side::Own(own) => {
                let discarded = own.discard_parked(name, &self.parked_selection(key), reason).await?;
                Ok(json!({ "discarded": discarded }))
            }
            Side::Server(server) => {
                server.post(&path(name, "/parked/discard"), &choice(key, Some(reason))).await
            }
        }
    }

    fn parked_selection(&self, key: Option<&str>) -> ParkedSelection {
        key.map_or(ParkedSelection::All, |key| ParkedSelection::Key(self.tenant.clone(), key.to_owned()))
    }

    fn scope(&self) -> TenantScope {
        TenantScope::One(self.tenant.clone())
    }
}

/// What is done to the feeding of a read model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Steer {
    /// It is fed no longer.
    Pause,
    /// It is fed again.
    Resume,
    /// It is emptied and fed from the beginning.
    Reset,
}

impl Steer {
    fn path(self) -> &'static str {
        match self {
            Self::Pause => "/pause",
            Self::Resume => "/resume",
            Self::Reset => "/reset",
        }
    }

    fn done(self) -> &'static str {
        match self {
            Self::Pause => "paused",
            Self::Resume => "resumed",
            Self::Reset => "reset",
        }
    }
}

fn path(name: &CollectionName, rest: &str) -> String {
    format!("/v1/read-models/{}{rest}", percent_encode(name.as_str()))
}

fn choice(key: Option<&str>, reason: Option<&str>) -> Value {
    let mut choice = match key {
        Some(key) => json!({ "key": key }),
        None => json!({ "all": true }),
    };
    if let (Some(reason), Value::Object(choice)) = (reason, &mut choice) {
        choice.insert("reason".to_owned(), reason.into());
    }
    choice
}

fn outcome(outcome: &str) -> Value {
    json!({ "outcome": outcome })
}

fn value(serialize: &impl Serialize) -> Result<Value, Failure> {
    Ok(serde_json::to_value(serialize).map_err(anyhow::Error::new)?)
}

fn show(bar: &ProgressBar, progress: Progress) {
    bar.set_total(progress.head.0);
    bar.set(progress.position.0);
    if progress.parked > 0 {
        bar.say(format!("{} parked", progress.parked));
    }
}
