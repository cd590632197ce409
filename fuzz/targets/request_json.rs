//! Batches and selections as JSON: the bodies of requests.

#![no_main]

use ledgerstone_core::{BatchJson, Limits, ObjectJson, SelectionJson, Tenant, TenantScope, serde_json};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    if let Ok(ObjectJson(batch)) = serde_json::from_slice::<ObjectJson<BatchJson>>(data) {
        if let Ok(batch) = batch.to_batch(Tenant::default(), Default::default) {
            let _ = Limits::default().check(&batch);
            let again = BatchJson::from_batch(&batch).to_batch(Tenant::default(), Default::default);
            assert_eq!(again.as_ref(), Ok(&batch));
        }
    }
    if let Ok(ObjectJson(selection)) = serde_json::from_slice::<ObjectJson<SelectionJson>>(data) {
        let selection = selection.into_selection(TenantScope::All);
        let _ = selection.check();
    }
});
