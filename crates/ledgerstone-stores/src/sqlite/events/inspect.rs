//! A look at a whole file: every row, every checksum, and whether the index agrees with the log.

use std::collections::HashSet;
use std::path::Path;

use ledgerstone_core::{BackendError, Code, LogKind, RecordedEvent};
use rusqlite::Connection;

use crate::inspection::Inspection;
use crate::sqlite::database::look_at;
use crate::sqlite::events::id_index::{id_key, place_of_run, positions_by_id};
use crate::sqlite::events::lists::decode;
use crate::sqlite::events::load::{hasher, indexed, tenants};
use crate::sqlite::events::records::{from_sql, table};
use crate::sqlite::events::tail::RUN;
use crate::sqlite::events::tally::{Entries, Kind};
use crate::sqlite::failure::failed;
use ledgerstone_log::TermHasher;

const SOUND: &str = "ok";
const POSTINGS: &str = "SELECT first, positions, term FROM postings";
const IDS: &str = "SELECT run, ids FROM event_ids";

/// Inspects a database file without changing it, even while another process writes to it; it blocks.
pub(crate) fn inspect(path: &Path) -> Result<Inspection, BackendError> {
    let connection = look_at(path)?;
    // One snapshot for everything.
    let snapshot = connection.unchecked_transaction().map_err(failed("verify"))?;
    let mut look = Look::new(&snapshot)?;
    let done = look.at_pages();
    look.note(done)?;
    for log in [LogKind::Application, LogKind::System] {
        let done = look.at_events(log);
        look.note(done)?;
    }
    let done = look.at_index();
    look.note(done)?;
    look.found.index_entries = Some(look.in_log.count());
    for (low, high) in look.in_log.differences(&look.in_index) {
        look.found.problem(format!("the index does not agree with the log at positions {low} to {high}"));
    }
    Ok(look.found)
}

/// What has been seen of a file so far.
struct Look<'c> {
    connection: &'c Connection,
    hasher: TermHasher,
    tenants: HashSet<String>,
    /// What the index must hold, and what it holds.
    in_log: Entries,
    in_index: Entries,
    /// Postings of the runs that are being merged: the index may know them already.
    merging: HashSet<(i64, u64)>,
    found: Inspection,
}

impl<'c> Look<'c> {
    fn new(connection: &'c Connection) -> Result<Self, BackendError> {
        let tenants = tenants(connection)?.iter().map(|tenant| tenant.as_str().to_owned()).collect();
        Ok(Self {
            connection,
            hasher: hasher(connection)?,
            tenants,
            in_log: Entries::default(),
            in_index: Entries::default(),
            merging: HashSet::new(),
            found: Inspection::default(),
        })
    }

    /// Takes damage as something found, and any other failure as the end.
    fn note(&mut self, done: Result<(), BackendError>) -> Result<(), BackendError> {
        match done {
            Err(error) if error.code() == Code::Corrupt => self.found.problem(error.message()),
            other => return other,
        }
        Ok(())
    }

    /// Lets SQLite look at every page of the file.
    fn at_pages(&mut self) -> Result<(), BackendError> {
        let mut statement = self.connection.prepare("PRAGMA integrity_check").map_err(failed("verify"))?;
        let mut rows = statement.query([]).map_err(failed("verify"))?;
        while let Some(row) = rows.next().map_err(failed("verify"))? {
            let text: String = row.get(0).map_err(failed("verify"))?;
            if text != SOUND {
                self.found.problem(format!("the database file: {text}"));
            }
        }
        Ok(())
    }

    /// Looks at every event of a count.
    fn at_events(&mut self, log: LogKind) -> Result<(), BackendError> {
        let indexed = indexed(self.connection, log)?;
        let mut terms = Vec::new();
        table(log).each_whole(self.connection, |position, event| {
            match log {
                LogKind::Application => self.found.application += 1,
                LogKind::System => self.found.system += 1,
            }
            match event {
                Ok(event) => {
                    terms.clear();
                    self.at_event(log, indexed, &event, &mut terms);
                }
                Err(error) => {
                    self.in_log.leave_out(position);
                    self.found.problem(error.message());
                }
            }
        })
    }

    fn at_event(&mut self, log: LogKind, indexed: u64, event: &RecordedEvent, terms: &mut Vec<u64>) {
        let position = event.position().0;
        if event.log() != log {
            self.found.problem(format!("the event at position {position} belongs to the other count"));
            return self.in_log.leave_out(position);
        }
        if !self.tenants.contains(event.tenant()) {
            self.found.problem(format!("the tenant of the event at position {position} is not listed"));
        }
        self.hasher.of_recorded(event, terms);
        terms.extend(event.stream().map(|stream| self.hasher.stream(log, event.tenant(), stream)));
        if position <= indexed {
            terms.iter().for_each(|term| self.in_log.add(Kind::Term, *term, position));
            self.in_log.add(Kind::Id(log), id_key(event.id()), position);
        } else if position <= indexed + RUN {
            self.merging.extend(terms.iter().map(|term| (term.cast_signed(), position)));
        }
    }

    /// Looks at every entry of the index.
    fn at_index(&mut self) -> Result<(), BackendError> {
        let mut statement = self.connection.prepare(POSTINGS).map_err(failed("verify"))?;
        let mut rows = statement.query([]).map_err(failed("verify"))?;
        while let Some(row) = rows.next().map_err(failed("verify"))? {
            let term: i64 = row.get(2).map_err(failed("verify"))?;
            match decode(row) {
                Ok(block) => {
                    let settled = block.positions.iter().filter(|at| !self.merging.contains(&(term, **at)));
                    settled.for_each(|at| self.in_index.add(Kind::Term, term.cast_unsigned(), *at));
                }
                Err(error) => self.found.problem(error.message()),
            }
        }
        let indexed =
            [indexed(self.connection, LogKind::Application)?, indexed(self.connection, LogKind::System)?];
        let mut statement = self.connection.prepare(IDS).map_err(failed("verify"))?;
        let mut rows = statement.query([]).map_err(failed("verify"))?;
        while let Some(row) = rows.next().map_err(failed("verify"))? {
            let (log, base) = place_of_run(from_sql(row.get(0).map_err(failed("verify"))?));
            if base >= indexed[log as usize] {
                continue;
            }
            let block: Vec<u8> = row.get(1).map_err(failed("verify"))?;
            for (key, position) in positions_by_id(&block, base) {
                self.in_index.add(Kind::Id(log), key, position);
            }
        }
        Ok(())
    }
}
