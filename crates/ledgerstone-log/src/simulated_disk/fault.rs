//! Which operations of a simulated disk fail, when and how.

use std::collections::BTreeMap;
use std::io;

use super::random::Random;

/// What is asked of a disk or a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "they are the methods of a disk and of a file")]
pub enum Operation {
    Names,
    Open,
    Create,
    Rename,
    Remove,
    SyncNames,
    Size,
    /// A read, waiting or not.
    Read,
    Write,
    Sync,
    SetSize,
}

/// How a disk explains a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cause {
    /// The medium failed (EIO).
    Io,
    /// There is no room left (ENOSPC).
    Full,
    /// The file system takes no writes (EROFS).
    ReadOnly,
}

impl Cause {
    pub(super) fn error(self) -> io::Error {
        // The numbers are the same on every Unix.
        io::Error::from_raw_os_error(match self {
            Self::Io => 5,
            Self::Full => 28,
            Self::ReadOnly => 30,
        })
    }
}

/// How an operation fails. A sync that fails in any way leaves open what is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
    /// It does nothing.
    Fails(Cause),
    /// A write writes its first bytes, none or all; another operation does nothing.
    Prefix(Cause),
    /// A write writes some of its sectors; another operation is done or not.
    Torn(Cause),
    /// A read returns fewer bytes, and does not fail; another operation takes no notice.
    Short,
    /// It is done in part, and from then on everything fails, as if the power went.
    Stops,
}

impl Fault {
    pub(super) fn error(self) -> io::Error {
        match self {
            Self::Fails(cause) | Self::Prefix(cause) | Self::Torn(cause) => cause.error(),
            Self::Short | Self::Stops => Cause::Io.error(),
        }
    }
}

/// The faults to come.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) operations: u64,
    at: BTreeMap<u64, Fault>,
    next: Vec<(Operation, u64, Fault)>,
    often: Vec<(Operation, usize, Fault)>,
    stopped: bool,
}

impl Plan {
    pub(super) fn fail_at(&mut self, operation: u64, fault: Fault) {
        self.at.insert(operation, fault);
    }

    pub(super) fn fail_next(&mut self, operation: Operation, skip: u64, fault: Fault) {
        self.next.push((operation, skip, fault));
    }

    pub(super) fn fail_often(&mut self, operation: Operation, one_in: usize, fault: Fault) {
        self.often.push((operation, one_in, fault));
    }

    /// Forgets all faults; the count goes on.
    pub(super) fn lift(&mut self) {
        *self = Self { operations: self.operations, ..Self::default() };
    }

    /// Counts an operation, and returns the fault that it meets.
    pub(super) fn due(&mut self, operation: Operation, random: &mut Random) -> Option<Fault> {
        let number = self.operations;
        self.operations += 1;
        let mut due = self.at.remove(&number);
        self.next.retain_mut(|(kind, skip, fault)| {
            let hit = *kind == operation && *skip == 0;
            if hit {
                due = due.or(Some(*fault));
            } else if *kind == operation {
                *skip -= 1;
            }
            !hit
        });
        for (kind, one_in, fault) in &self.often {
            if *kind == operation && random.one_in(*one_in) {
                due = due.or(Some(*fault));
            }
        }
        if self.stopped {
            return Some(Fault::Fails(Cause::Io));
        }
        self.stopped = due == Some(Fault::Stops);
        due
    }
}
