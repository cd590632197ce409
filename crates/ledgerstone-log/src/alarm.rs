//! The alarm that readers raise when an index is damaged, and that wakes who makes it again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;

use parking_lot::Mutex;

use crate::indexer::Task;

/// Raised by whoever finds a damaged index; clones are the same alarm.
#[derive(Debug, Clone, Default)]
pub(crate) struct Alarm(Arc<Bell>);

#[derive(Debug, Default)]
struct Bell {
    is_raised: AtomicBool,
    /// Who hears it; nobody where the log has no thread for indexes, or is closed.
    listener: Mutex<Option<Sender<Task>>>,
}

impl Alarm {
    /// Says who hears it from now on.
    pub(crate) fn listen(&self, listener: Option<Sender<Task>>) {
        *self.0.listener.lock() = listener;
    }

    /// Says that a run was condemned.
    pub(crate) fn raise(&self) {
        self.0.is_raised.store(true, Ordering::Release);
        if let Some(listener) = &*self.0.listener.lock() {
            // A listener that has gone leaves it to the next opening.
            let _ = listener.send(Task::Heal);
        }
    }

    /// Takes the alarm back; tells whether it was raised.
    pub(crate) fn take(&self) -> bool {
        self.0.is_raised.swap(false, Ordering::AcqRel)
    }
}
