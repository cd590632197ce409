//! Where the log of a folder stands, found without owning it.

use std::path::Path;

use ledgerstone_core::{BackendError, ErrorKind};
use ledgerstone_log::{Extent, RealDisk, Watermark, extent};

use crate::file::failure::{BACKEND, failed};
use crate::file::{documents, log};
use crate::ownership::{io_failure, owner_of_lock};
use crate::sqlite::database::lock_path;

/// How often it is looked again if the folder changes hands meanwhile.
const GLANCES: usize = 50;

/// Finds what the log in a folder consists of: up to what its owner tells to be durable, or all of it where nobody
/// owns it.
pub(crate) fn standing(folder: &Path, operation: &'static str) -> Result<Extent, BackendError> {
    let (log, lock) = (log(folder), lock_path(&documents(folder)));
    let unread = |error| io_failure(BACKEND, operation, &log, error);
    let nothing = || {
        let message = format!("{} holds no store yet; the first append or import makes it", folder.display());
        BackendError::new(ErrorKind::NotFound, BACKEND, operation, message)
    };
    if !log.is_dir() {
        return Err(nothing());
    }
    let disk = RealDisk::read_only(&log).map_err(unread)?;
    let mut glances = GLANCES;
    loop {
        let is_owned = owner_of_lock(&lock).is_some();
        let told = Watermark::read(&disk).map_err(unread)?;
        let found = extent(&disk, is_owned);
        // Who has taken the folder meanwhile may have written what is not durable yet.
        let is_same = is_owned
            || (owner_of_lock(&lock).is_none() && Watermark::read(&disk).is_ok_and(|now| now == told));
        glances -= 1;
        match found {
            Ok(found) if is_same => return found.ok_or_else(nothing),
            Err(error) if glances == 0 => return Err(failed(operation)(error)),
            _ if glances == 0 => {
                let message = format!("{} changes hands again and again; try again", folder.display());
                return Err(BackendError::new(ErrorKind::Unavailable, BACKEND, operation, message));
            }
            // A name that was listed and is gone, or an owner who has not told anything yet.
            Err(_) if is_owned || !is_same => std::thread::sleep(std::time::Duration::from_millis(20)),
            Err(error) => return Err(failed(operation)(error)),
            Ok(_) => {}
        }
    }
}
