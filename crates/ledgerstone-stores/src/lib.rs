//! The stores of ledgerstone, chosen by the scheme of a locator.

#![cfg_attr(not(feature = "sqlite"), expect(dead_code, reason = "only a store on disk needs all of it"))]

#[cfg(test)]
mod alike;
mod backend;
mod backup;
mod bounds;
mod budget;
mod commit_queue;
mod connection;
mod cursor;
mod decide;
#[cfg(feature = "file")]
pub mod file;
mod frames;
mod group_commit;
#[cfg(feature = "http")]
pub mod http;
mod inspection;
mod judge_removals;
pub mod memory;
mod ownership;
mod plan;
mod removals;
mod restore;
#[cfg(feature = "sqlite")]
pub mod sqlite;
mod staged;
mod store_condition;
mod stream_cache;
mod upkeep;

pub use backend::{
    Adapter, Backend, Resources, can_read_only, can_restore, has_files, inspect, open_read_only, owner_of,
    restore,
};
pub use backup::{BackupChecked, BackupRestored, BackupTaken, Watch, back_up, check_backup, restore_backup};
pub use connection::{CallError, Connection, percent_encode};
pub use group_commit::{CommitLog, GroupCommit, ReadLog, Staged, Verdict};
pub use inspection::Inspection;
pub use ledgerstone_log::{Condition, Damage, RebuildWatch, Rebuilding};
pub use ownership::{Owner, Ownership};
pub use restore::Restore;
pub use store_condition::StoreCondition;
pub use upkeep::{Upkeep, UpkeepStatus, Work};

/// Every backend of this build.
pub const ADAPTERS: &[Adapter] = &[
    memory::ADAPTER,
    #[cfg(feature = "file")]
    file::ADAPTER,
    #[cfg(feature = "sqlite")]
    sqlite::ADAPTER,
    #[cfg(feature = "http")]
    http::ADAPTER,
    #[cfg(feature = "http")]
    http::ADAPTER_TLS,
];

/// Opens what a locator names, and creates it if it is not there yet.
pub async fn open(
    locator: &ledgerstone_core::Locator,
    resources: &Resources,
) -> Result<Backend, ledgerstone_core::BackendError> {
    let adapter = backend::find_adapter(ADAPTERS, locator)?;
    (adapter.open)(locator.clone(), resources.clone()).await
}
