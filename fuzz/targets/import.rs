//! Lines of CSV and of NDJSON on their way into a store.

#![no_main]

use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::AtomicBool;

use ledgerstone_core::Tenant;
use ledgerstone_server::import::{Format, Import, Input, MappingArguments};
use ledgerstone_stores::{Resources, open};

fn runtime() -> &'static tokio::runtime::Runtime {
    static RUNTIME: OnceLock<tokio::runtime::Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| tokio::runtime::Runtime::new().expect("a runtime"))
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some((first, rows)) = data.split_first() else { return };
    let folder: PathBuf = std::env::temp_dir().join(format!("ledgerstone-fuzz-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let (file, rejects) = (folder.join("rows"), folder.join("rejects"));
    std::fs::write(&file, rows).expect("a file");
    let _ = std::fs::remove_file(&rejects);
    let map = ["stream=id", "type=what", "time=at", "tags=tag"].map(str::to_owned).to_vec();
    let import = Import {
        input: Input::new(&file),
        format: if first % 2 == 0 { Format::Csv } else { Format::Ndjson },
        source: "fuzz".to_owned(),
        tenant: Tenant::default(),
        category: None,
        zone: None,
        delimiter: b',',
        mapping: MappingArguments { map, types: vec!["n=integer".to_owned()] },
        rejects,
        strict: false,
        batch_rows: 7,
    };
    let locator = "memory:".parse().expect("a locator");
    let backend = runtime().block_on(open(&locator, &Resources::default())).expect("a store");
    let handle = runtime().handle();
    let _ = import.run(&backend.events, handle, &AtomicBool::new(false), &|_| ());
});
