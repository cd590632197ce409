//! Imports: rows of a file become events, each once, however often the file is imported.

mod convert;
mod csv;
mod format;
mod ids;
mod known;
mod mapping;
mod ndjson;
mod progress;
mod rejects;
mod restore;
mod row;
mod source;
mod task;
mod writer;

pub use self::format::Format;
pub use self::mapping::MappingArguments;
pub use self::restore::{Checked, Restored, check, restore, validate};
pub use self::source::Input;
pub use self::task::{Import, ImportProgress, Summary, default_rejects};
