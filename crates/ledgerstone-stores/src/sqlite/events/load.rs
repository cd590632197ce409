//! What is read from the file when the events are opened.

use ledgerstone_core::{
    BackendError, EventType, Heads, IdSource, LogIdentity, LogKind, QueryItem, RecordedEvent, Removal,
    Selection, StreamState, Tenant, TenantScope,
};
use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior, params};
use uuid::Uuid;

use crate::cursor::Cursor;
use crate::removals::Removals;
use crate::sqlite::events::id_index::id_key;
use crate::sqlite::events::merge::{Merge, indexed_name};
use crate::sqlite::events::reading::Reading;
use crate::sqlite::events::records::{from_sql, table};
use crate::sqlite::events::shared::Shared;
use crate::sqlite::events::tail::{Entry, Tail};
use crate::sqlite::failure::{corrupt, failed};
use ledgerstone_log::TermHasher;

const GET_META: &str = "SELECT value FROM meta WHERE name = ?1";
const PUT_META: &str = "INSERT INTO meta (name, value) VALUES (?1, ?2)";

/// Returns which log the file holds, and what its terms are hashed with; makes both up for a new file.
pub(crate) fn identity(
    connection: &mut Connection,
    ids: &dyn IdSource,
) -> Result<(LogIdentity, TermHasher), BackendError> {
    let transaction =
        connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed("open"))?;
    let known: Option<String> = meta(&transaction, "log")?;
    if known.is_none() {
        let log = ids.next_id().to_string();
        let (seed, _) = Uuid::new_v4().as_u64_pair();
        let mut put = transaction.prepare(PUT_META).map_err(failed("open"))?;
        put.execute(params!["log", log]).map_err(failed("open"))?;
        put.execute(params!["epoch", 1]).map_err(failed("open"))?;
        put.execute(params!["seed", seed.cast_signed()]).map_err(failed("open"))?;
    }
    let log = stored_identity(&transaction)?;
    let hasher = hasher(&transaction)?;
    transaction.commit().map_err(failed("open"))?;
    Ok((log, hasher))
}

/// Returns which log the file holds.
pub(crate) fn stored_identity(connection: &Connection) -> Result<LogIdentity, BackendError> {
    let id: String = meta(connection, "log")?.ok_or_else(|| missing("log id"))?;
    let epoch: u32 = meta(connection, "epoch")?.ok_or_else(|| missing("epoch"))?;
    let id = Uuid::try_parse(&id).map_err(|_| missing("log id"))?;
    Ok(LogIdentity { id, epoch })
}

fn missing(what: &str) -> BackendError {
    corrupt("open", format_args!("the file does not say its {what}"))
}

/// Returns what the terms of the file are hashed with.
pub(crate) fn hasher(connection: &Connection) -> Result<TermHasher, BackendError> {
    let seed: i64 = meta(connection, "seed")?.ok_or_else(|| missing("seed"))?;
    Ok(TermHasher::new(seed.cast_unsigned()))
}

/// Returns up to where the tables of the index know everything of a count.
pub(crate) fn indexed(connection: &Connection, log: LogKind) -> Result<u64, BackendError> {
    Ok(meta::<i64>(connection, indexed_name(log))?.map_or(0, from_sql))
}

/// The name in `meta` of where a restore set the head of a count.
pub(crate) fn head_name(log: LogKind) -> &'static str {
    match log {
        LogKind::Application => "head",
        LogKind::System => "head_system",
    }
}

/// Reads the head of a count: a restored log may lack the newest events, as they had been removed.
pub(crate) fn head(connection: &Connection, log: LogKind) -> Result<u64, BackendError> {
    let restored = meta::<i64>(connection, head_name(log))?.map_or(0, from_sql);
    Ok(table(log).newest(connection)?.max(restored))
}

/// How many runs a tail has when it is opened at most; what is more goes into the tables at once.
const RUNS: usize = 3;

/// Reads the events that the tables of the index do not know yet, and brings the tables closer where
/// those are many, as after a restore. The caller holds the gate.
pub(crate) fn tail(connection: &Connection, hasher: TermHasher, log: LogKind) -> Result<Tail, BackendError> {
    let mut tail = Tail::after(indexed(connection, log)?);
    loop {
        fill(connection, hasher, log, &mut tail, RUNS)?;
        if tail.runs() <= RUNS {
            return Ok(tail);
        }
        while let Some((base, run)) = tail.oldest_full() {
            let merge = connection.unchecked_transaction().map_err(failed("open"))?;
            Merge::new(log, base, run).step(&merge, usize::MAX)?;
            merge.commit().map_err(failed("open"))?;
            tail.drop_oldest();
        }
    }
}

/// Does as [`tail`] where nothing can be written: it grows as large as it must.
pub(crate) fn whole_tail(
    connection: &Connection,
    hasher: TermHasher,
    log: LogKind,
) -> Result<Tail, BackendError> {
    let mut tail = Tail::after(indexed(connection, log)?);
    fill(connection, hasher, log, &mut tail, usize::MAX)?;
    Ok(tail)
}

/// Adds events to the tail until it has more runs than it should, or there are no more.
fn fill(
    connection: &Connection,
    hasher: TermHasher,
    log: LogKind,
    tail: &mut Tail,
    runs: usize,
) -> Result<(), BackendError> {
    let mut terms = Vec::new();
    table(log).each_after(connection, tail.newest(), |position, event| {
        terms.clear();
        hasher.of_recorded(&event, &mut terms);
        tail.add(Entry {
            position,
            id_key: id_key(event.id()),
            stream: stream(hasher, &event),
            terms: &terms,
        });
        tail.runs() <= runs
    })
}

fn stream(hasher: TermHasher, event: &RecordedEvent) -> Option<(u64, u64)> {
    let term = hasher.stream(event.log(), event.tenant(), event.stream()?);
    Some((term, event.revision()?.0))
}

/// Reads whose events there are.
pub(crate) fn tenants(connection: &Connection) -> Result<Vec<Tenant>, BackendError> {
    let mut statement =
        connection.prepare("SELECT name FROM tenants ORDER BY name").map_err(failed("open"))?;
    let mut rows = statement.query([]).map_err(failed("open"))?;
    let mut tenants = Vec::new();
    while let Some(row) = rows.next().map_err(failed("open"))? {
        let name: String = row.get(0).map_err(failed("open"))?;
        let tenant = Tenant::new(name);
        tenants.push(tenant.map_err(|error| corrupt("open", format_args!("a tenant is damaged ({error})")))?);
    }
    Ok(tenants)
}

/// Reads what has been removed of streams, from the system events that say so.
pub(crate) fn removals(
    shared: &Shared,
    connection: &Connection,
    heads: Heads,
) -> Result<Removals, BackendError> {
    let types = Removal::TYPES.into_iter().filter_map(|name| EventType::new(name).ok());
    let selection = Selection::query(QueryItem::types(types)).of(TenantScope::All).log(LogKind::System);
    let mut reading = Reading::new(Cursor::new(selection, heads, shared.clock.now()));
    let mut removals = Removals::default();
    while !reading.is_done() {
        let frame = reading.frame(shared, connection)?;
        frame.events.iter().for_each(|event| removals.apply(event));
    }
    removals.complete(|tenant, stream| {
        let newest =
            Selection::stream(stream.clone()).of(TenantScope::One(tenant.clone())).backwards().limit(1);
        let cursor = Cursor::new(newest, heads, shared.clock.now()).with_removal(Some(Removal::default()));
        let mut reading = Reading::new(cursor);
        while !reading.is_done() {
            let frame = reading.frame(shared, connection)?;
            if let Some(revision) = frame.events.first().and_then(RecordedEvent::revision) {
                return Ok(StreamState::At(revision));
            }
        }
        Ok::<_, BackendError>(StreamState::Missing)
    })?;
    Ok(removals)
}

fn meta<T: rusqlite::types::FromSql>(connection: &Connection, name: &str) -> Result<Option<T>, BackendError> {
    let value = connection.query_row(GET_META, [name], |row| row.get(0));
    value.optional().map_err(failed("open"))
}
