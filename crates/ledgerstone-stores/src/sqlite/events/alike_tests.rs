//! The property that the events are alike to those in memory.

use std::path::Path;
use std::sync::Arc;

use ledgerstone_testkit::FixedClock;

use crate::alike::{OnDisk, OneId, finds_what_has_the_type_and_the_tag, judges_and_reads_like_the_memory};
use crate::sqlite::database::Database;
use crate::sqlite::events::SqliteEvents;
use crate::sqlite::events::writer::Writer;

struct Sqlite;

impl OnDisk for Sqlite {
    type Reader = SqliteEvents;
    type Writer = Writer;

    fn open(path: &Path, clock: &Arc<FixedClock>) -> (SqliteEvents, Writer) {
        let database = Database::open(path).expect("a database");
        SqliteEvents::halves(database, Arc::clone(clock) as _, &OneId).expect("events")
    }

    fn copy(from: &Path, to: &Path) {
        for ending in ["", "-wal"] {
            let name = |path: &Path| format!("{}{ending}", path.display());
            if Path::new(&name(from)).exists() {
                std::fs::copy(name(from), name(to)).expect("copies");
            }
        }
    }
}

#[test]
fn sqlite_judges_and_reads_like_the_memory() {
    judges_and_reads_like_the_memory::<Sqlite>(96);
}

#[test]
fn a_condition_finds_what_has_the_type_and_the_tag() {
    finds_what_has_the_type_and_the_tag::<Sqlite>();
}
