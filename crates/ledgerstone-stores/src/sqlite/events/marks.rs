//! Marks, as they stand in the table `marks`.

use ledgerstone_core::{BackendError, Mark, MarkName, Tenant, TenantScope, Timestamp};
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use crate::sqlite::events::records::{as_sql, from_sql};
use crate::sqlite::failure::{corrupt, failed};

/// How many expired marks are cleared away with a commit that changes marks.
const CLEARED: i64 = 64;

const GET: &str =
    "SELECT tenant, name, version, number, value, expires_at FROM marks WHERE tenant = ?1 AND name = ?2";
const PUT: &str = "INSERT OR REPLACE INTO marks (tenant, name, version, number, value, expires_at) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
const DELETE: &str = "DELETE FROM marks WHERE tenant = ?1 AND name = ?2 RETURNING version";
const CLEAR: &str = "DELETE FROM marks WHERE (tenant, name) IN \
    (SELECT tenant, name FROM marks WHERE expires_at <= ?1 ORDER BY expires_at LIMIT ?2) RETURNING version";
const RETIRED: &str = "SELECT max(coalesce((SELECT value FROM meta WHERE name = 'retired'), 0), coalesce(\
    (SELECT max(version) FROM marks WHERE expires_at >= ?1 AND expires_at <= ?2), 0))";
const RETIRE: &str = "INSERT INTO meta (name, value) VALUES ('retired', ?1) \
    ON CONFLICT (name) DO UPDATE SET value = max(value, excluded.value)";
const LIST_ALL: &str = "SELECT tenant, name, version, number, value, expires_at FROM marks \
    WHERE name >= ?1 ORDER BY tenant, name";
const LIST_ONE: &str = "SELECT tenant, name, version, number, value, expires_at FROM marks \
    WHERE tenant = ?2 AND name >= ?1 ORDER BY name";

/// Returns a mark, expired or not.
pub(crate) fn get(
    connection: &Connection,
    tenant: &Tenant,
    name: &MarkName,
) -> Result<Option<Mark>, BackendError> {
    let mut statement = connection.prepare_cached(GET).map_err(failed("read a mark"))?;
    let mark = statement.query_row(params![tenant.as_str(), name.as_str()], |row| Ok(mark(row)));
    mark.optional().map_err(failed("read a mark"))?.transpose()
}

/// Writes marks that changed, and clears some away that have expired.
pub(crate) fn put(
    connection: &Connection,
    tenant: &Tenant,
    marks: &[(MarkName, Option<Mark>)],
    now: Timestamp,
) -> Result<(), BackendError> {
    if marks.is_empty() {
        return Ok(());
    }
    delete(connection, CLEAR, params![now.as_micros(), CLEARED])?;
    for (name, mark) in marks {
        let Some(mark) = mark else {
            delete(connection, DELETE, params![tenant.as_str(), name.as_str()])?;
            continue;
        };
        let mut put = connection.prepare_cached(PUT).map_err(failed("change a mark"))?;
        put.execute(params![
            tenant.as_str(),
            name.as_str(),
            as_sql(mark.version),
            as_sql(mark.number),
            &*mark.value,
            mark.expires_at.map(Timestamp::as_micros),
        ])
        .map_err(failed("change a mark"))?;
    }
    Ok(())
}

/// Deletes marks, and keeps the highest of their versions.
fn delete(
    connection: &Connection,
    sql: &'static str,
    which: &[&dyn rusqlite::ToSql],
) -> Result<(), BackendError> {
    let mut delete = connection.prepare_cached(sql).map_err(failed("change a mark"))?;
    let mut rows = delete.query(which).map_err(failed("change a mark"))?;
    let mut highest: Option<i64> = None;
    while let Some(row) = rows.next().map_err(failed("change a mark"))? {
        highest = highest.max(Some(row.get(0).map_err(failed("change a mark"))?));
    }
    if let Some(version) = highest {
        let mut retire = connection.prepare_cached(RETIRE).map_err(failed("change a mark"))?;
        retire.execute([version]).map_err(failed("change a mark"))?;
    }
    Ok(())
}

/// The highest version of any mark that went away; each that expires is looked at once.
#[derive(Debug)]
pub(crate) struct Retired {
    highest: u64,
    /// Up to when it is known what has expired.
    known: Timestamp,
}

impl Default for Retired {
    fn default() -> Self {
        Self { highest: 0, known: Timestamp::from_micros(i64::MIN) }
    }
}

impl Retired {
    /// Returns the highest version of any mark that went away, by itself until `now` or otherwise.
    pub(crate) fn until(&mut self, connection: &Connection, now: Timestamp) -> Result<u64, BackendError> {
        let mut statement = connection.prepare_cached(RETIRED).map_err(failed("read a mark"))?;
        let span = [self.known.as_micros(), now.as_micros()];
        let highest = statement.query_row(span, |row| row.get(0)).map_err(failed("read a mark"))?;
        self.highest = self.highest.max(from_sql(highest));
        self.known = self.known.max(now);
        Ok(self.highest)
    }

    /// Notes a mark that was put: where the clock was set back it may expire before what is known.
    pub(crate) fn note(&mut self, mark: &Mark) {
        self.known = mark.expires_at.map_or(self.known, |at| at.min(self.known));
    }
}

/// Returns the marks whose names begin with `prefix`, by tenant and name, those that expired left out.
pub(crate) fn list(
    connection: &Connection,
    scope: &TenantScope,
    prefix: &str,
    now: Timestamp,
) -> Result<Vec<Mark>, BackendError> {
    let sql = if matches!(scope, TenantScope::All) { LIST_ALL } else { LIST_ONE };
    let mut statement = connection.prepare_cached(sql).map_err(failed("list marks"))?;
    let mut rows = match scope {
        TenantScope::All => statement.query(params![prefix]),
        TenantScope::One(tenant) => statement.query(params![prefix, tenant.as_str()]),
    }
    .map_err(failed("list marks"))?;
    let mut marks = Vec::new();
    while let Some(row) = rows.next().map_err(failed("list marks"))? {
        let mark = mark(row)?;
        if mark.name.as_str().starts_with(prefix) {
            if !mark.is_expired(now) {
                marks.push(mark);
            }
        } else if matches!(scope, TenantScope::One(_)) {
            break;
        }
    }
    Ok(marks)
}

fn mark(row: &Row<'_>) -> Result<Mark, BackendError> {
    let read = |row: &Row<'_>| {
        let texts = (row.get::<_, String>(0)?, row.get::<_, String>(1)?);
        let numbers = (row.get::<_, i64>(2)?, row.get::<_, i64>(3)?);
        Ok((texts, numbers, row.get::<_, Vec<u8>>(4)?, row.get::<_, Option<i64>>(5)?))
    };
    let ((tenant, name), (version, number), value, expires_at) = read(row).map_err(failed("read a mark"))?;
    let damaged = |error| corrupt("read a mark", format_args!("a mark is damaged ({error})"));
    Ok(Mark {
        tenant: Tenant::new(tenant).map_err(damaged)?,
        name: MarkName::new(name).map_err(damaged)?,
        version: from_sql(version),
        number: from_sql(number),
        value: value.into(),
        expires_at: expires_at.map(Timestamp::from_micros),
    })
}
