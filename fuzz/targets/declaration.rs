//! The TOML of a declared read model.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(model) = ledgerstone_engine::DeclaredReadModel::parse(text) {
        let _ = (model.toml(), model.description());
    }
});
