//! What opening a file refuses, and what it says.

use std::path::Path;

use ledgerstone_core::{BackendError, Code, Locator};

use crate::backend::{Backend, Resources};

async fn open(path: &Path) -> Result<Backend, BackendError> {
    open_locator(&format!("sqlite:{}", path.display())).await
}

async fn open_locator(locator: &str) -> Result<Backend, BackendError> {
    let locator: Locator = locator.parse().expect("a locator");
    (crate::backend::find_adapter(crate::ADAPTERS, &locator)?.open)(locator.clone(), Resources::default())
        .await
}

fn run_sql(path: &Path, sql: &str) {
    rusqlite::Connection::open(path).expect("opens").execute_batch(sql).expect("runs");
}

#[tokio::test]
async fn a_file_of_another_program_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let (tables, text) = (folder.path().join("tables.db"), folder.path().join("notes.txt"));
    run_sql(&tables, "CREATE TABLE contacts (name TEXT)");
    std::fs::write(&text, "not a database, but long enough to look like one ".repeat(20)).expect("writes");
    for path in [tables, text] {
        let before = std::fs::read(&path).expect("reads");
        let refused = open(&path).await.expect_err("foreign");
        assert_eq!(refused.code(), Code::ForeignData, "{refused}");
        assert_eq!(std::fs::read(&path).expect("reads"), before);
    }
}

#[tokio::test]
async fn a_newer_schema_is_refused_with_both_versions() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("app.db");
    open(&path).await.expect("opens").close().await;
    run_sql(&path, "PRAGMA user_version = 99");
    let refused = open(&path).await.expect_err("newer");
    assert_eq!(refused.code(), Code::NewerSchema);
    assert!(refused.to_string().contains("99"), "{refused}");
}

#[tokio::test]
async fn a_second_opener_hears_who_owns_the_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("deeper/app.db");
    let first = open(&path).await.expect("opens, and makes the folder");
    let refused = open(&path).await.expect_err("owned");
    assert_eq!(refused.code(), Code::Owned);
    assert!(refused.to_string().contains(&std::process::id().to_string()), "{refused}");
    first.close().await;
    open(&path).await.expect("free again").close().await;
}

#[cfg(feature = "file")]
#[tokio::test]
async fn a_second_opener_of_a_folder_hears_that_the_folder_is_in_use() {
    let folder = tempfile::tempdir().expect("a folder");
    let locator = format!("file:{}", folder.path().display());
    let first = open_locator(&locator).await.expect("opens");
    let refused = open_locator(&locator).await.expect_err("owned");
    assert_eq!((refused.code(), refused.backend()), (Code::Owned, "file"));
    let owner = format!("{} is in use by process {};", folder.path().display(), std::process::id());
    assert!(refused.message().starts_with(&owner), "{refused}");
    first.close().await;
}

#[tokio::test]
async fn a_store_that_was_dropped_can_be_opened_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("app.db");
    let log = open(&path).await.expect("opens").events.head().await.expect("a head").log;
    let again = open(&path).await.expect("opens again").events.head().await.expect("a head").log;
    assert_eq!(log, again);
}

#[tokio::test]
async fn locators_that_make_no_sense_say_what_would() {
    let folder = tempfile::tempdir().expect("a folder");
    let place = folder.path().display();
    let cases = [
        (format!("sqlite:{place}/app.db?mode=fast"), "mode"),
        ("sqlite:".to_owned(), "sqlite:app.db"),
        (format!("sqlite:{place}"), "folder"),
        ("sqlit:app.db".to_owned(), "did you mean sqlite?"),
        ("memory:here".to_owned(), "memory:"),
    ];
    for (locator, hint) in cases {
        let refused = open_locator(&locator).await.expect_err("refused");
        assert_eq!(refused.code(), Code::Locator, "{refused}");
        assert!(refused.to_string().contains(hint), "{refused}");
    }
}
