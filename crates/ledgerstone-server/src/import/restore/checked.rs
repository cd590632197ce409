//! What a file was found to hold before anything of it is written.

use ledgerstone::core::{Heads, LogEnd, LogIdentity};

use super::order::{MOST_LEFT_OUT, Order};
use super::restore_file::RestoreFile;
use super::{NOTHING_WRITTEN, invalid};
use crate::failure::Failure;
use crate::import::source::Input;
use crate::log_digest::LogTally;

/// What a file holds, every event of which was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// The log that it was exported from, if it says so.
    pub(super) origin: Option<LogIdentity>,
    /// The newest positions, those of removed events included as far as the file tells.
    pub(super) heads: Heads,
    /// Why it is not a whole log, if it is not.
    pub(super) missing: Option<String>,
    /// Whether what is there will do.
    pub(super) incomplete: bool,
}

/// Looks through a whole file before anything is written: every event must read and stand in order, and
/// the last one must say that they are a whole log, unless what is there will do.
pub fn validate(input: &Input, incomplete: bool) -> Result<Checked, Failure> {
    let mut file = RestoreFile::open(input, incomplete)?;
    let (mut order, mut tally) = (Order::default(), LogTally::default());
    while let Some(event) = file.next()? {
        order.take(file.line, &event).map_err(|reason| invalid(file.line, &reason))?;
        tally.take(&event);
    }
    order.finish().map_err(|(line, reason)| invalid(line, &reason))?;
    let found = compare(&file, tally);
    if let (Err(reason), false) = (&found, incomplete) {
        return Err(Failure::usage(reason).with_help(NOTHING_WRITTEN));
    }
    // What is wrong about the events, is as likely wrong about the heads and the log.
    let end = file.end.map(|(_, end)| end).filter(|_| found.is_ok());
    let heads = end.as_ref().map_or(file.last, LogEnd::heads);
    Ok(Checked { origin: end.map(|end| end.identity()), heads, missing: found.err(), incomplete })
}

/// Compares the events with what the last line says of them.
fn compare(file: &RestoreFile, tally: LogTally) -> Result<(), String> {
    if file.line == 0 {
        return Err("the file holds no event".to_owned());
    }
    let Some((line, end)) = &file.end else {
        return Err("the last line does not say that the log ends there: the export is incomplete, \
                    or it was filtered"
            .to_owned());
    };
    if *line != file.line {
        return Err(format!("line {line} says that the log ends there, and more lines follow"));
    }
    let found = tally.finish(end.heads());
    let counts = [
        ("application", found.application, end.application, file.last.application),
        ("system", found.system, end.system, file.last.system),
    ];
    for (name, events, end, last) in counts {
        if events != end.events {
            return Err(format!(
                "the last line tells of {} {name} events, and there are {events}",
                end.events
            ));
        }
        if end.head < last || end.head.0.saturating_sub(events) > MOST_LEFT_OUT {
            return Err(format!(
                "the last line tells of the {name} head {}, and the newest event stands at {last}",
                end.head
            ));
        }
    }
    if found.digest != end.digest {
        return Err(format!(
            "the events have the digest {}, and the last line tells of {}: something was changed",
            found.digest, end.digest
        ));
    }
    Ok(())
}
