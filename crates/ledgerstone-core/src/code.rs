//! The codes of the errors that an operator can meet, each with a page in `docs/errors`.

use std::fmt;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $title:literal;)*) => {
        /// The stable code of an error; `ledgerstone explain LS0001` prints its page.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Code {
            $($(#[$doc])* $name,)*
        }

        impl Code {
            /// Every code, in the order of its number.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// Returns the code as it is written, such as `LS0001`.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $number,)* }
            }

            /// Returns what is wrong, in a few words.
            pub fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)* }
            }
        }
    };
}

codes! {
    /// Another process owns the data folder.
    Owned = "LS0001", "the data folder is in use by another process";
    /// The data folder cannot be written.
    ReadOnly = "LS0002", "the data folder cannot be written";
    /// The disk is full.
    DiskFull = "LS0003", "the disk is full";
    /// A newer ledgerstone wrote the data.
    NewerSchema = "LS0004", "the data was written by a newer version";
    /// The file is something else.
    ForeignData = "LS0005", "the file is not a ledgerstone store";
    /// Stored bytes do not read back.
    Corrupt = "LS0006", "stored data is damaged";
    /// A locator names no backend of this build.
    Locator = "LS0007", "the store locator is not understood";
    /// A configuration key or value is wrong.
    Configuration = "LS0008", "the configuration is not valid";
    /// A stream stands elsewhere than expected.
    WrongRevision = "LS0009", "the stream is not at the expected revision";
    /// Events match an append condition.
    ConditionFailed = "LS0010", "the append condition does not hold";
    /// An event id belongs to other events.
    IdReused = "LS0011", "an event id was used before";
    /// The stream was deleted for good.
    Tombstoned = "LS0012", "the stream was deleted";
    /// A mark does not stand where the batch needs it.
    MarkNotMet = "LS0013", "a mark does not hold";
    /// Something is above a limit.
    TooLarge = "LS0014", "a size is above its limit";
    /// Input is malformed.
    InvalidInput = "LS0015", "the input is malformed";
    /// A cursor belongs to another query.
    ForeignCursor = "LS0016", "the cursor belongs to another query";
    /// A position belongs to another log, or stands beyond its head.
    ForeignPosition = "LS0017", "the position belongs to another log";
    /// No read model has the name.
    UnknownReadModel = "LS0018", "there is no such read model";
    /// A filter or an order is not valid for the collection.
    InvalidFilter = "LS0019", "the filter is not valid";
    /// A read model's declaration is not valid.
    InvalidDeclaration = "LS0020", "the read model declaration is not valid";
    /// A read model parked too many keys and stopped.
    TooManyParked = "LS0021", "too many keys are parked";
    /// A view did not reach a position in time.
    WaitTimedOut = "LS0022", "the read model has not caught up in time";
    /// Another projector moved the checkpoint.
    CheckpointMoved = "LS0023", "the checkpoint was moved by another projector";
    /// Rows of an import were rejected.
    RowsRejected = "LS0024", "rows of the import were rejected";
    /// A public address needs a token.
    BindRefused = "LS0025", "a public address needs authentication";
    /// The caller is not authenticated.
    Unauthorized = "LS0026", "the caller is not authenticated";
    /// A server or a file cannot be reached.
    Unreachable = "LS0027", "the store or service cannot be reached";
    /// Nobody knows whether the append was recorded.
    Indeterminate = "LS0028", "the outcome of the append is not known";
    /// A restore needs an empty store.
    NotEmpty = "LS0029", "the store is not empty";
    /// No decoder knows the event type or its version.
    UnknownEventType = "LS0030", "no decoder for the event";
    /// The backend cannot do what was asked.
    Unsupported = "LS0031", "the backend cannot do this";
    /// Something failed inside.
    Internal = "LS0032", "an internal failure";
    /// What was asked for does not exist.
    NotFound = "LS0033", "there is no such thing";
    /// A stream may only be truncated behind an event that carries its state.
    TruncationRefused = "LS0034", "the stream may not be truncated there";
    /// A backup is incomplete, damaged, or of another log.
    BackupUnusable = "LS0035", "the backup cannot be used";
    /// Somebody stopped a command before it was done.
    Interrupted = "LS0036", "the command was interrupted";
    /// The caller used up what a rate limit allows.
    RateLimited = "LS0037", "the rate limit is reached";
    /// A circuit breaker stops calls to a dependency that fails.
    CircuitOpen = "LS0038", "calls to the dependency are stopped";
    /// As many calls are under way as may be.
    Overloaded = "LS0039", "too many calls are under way";
    /// The time that the whole call had is over, or too short for another attempt.
    DeadlineExceeded = "LS0040", "the time for the call is over";
    /// No endpoint of a service can be reached, or no service has the name.
    NoEndpoint = "LS0041", "the service has no endpoint";
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl serde::Serialize for Code {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}
