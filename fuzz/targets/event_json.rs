//! An event as JSON, as a line of an import, an export or a restore has it.

#![no_main]

use ledgerstone_core::{EventJson, ObjectJson, serde_json};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Ok(ObjectJson(event)) = serde_json::from_slice::<ObjectJson<EventJson>>(data) else { return };
    if let Ok(given) = event.to_data(Default::default) {
        let again = EventJson::from_data(&given).to_data(Default::default);
        assert_eq!(again.as_ref(), Ok(&given));
    }
    if let Ok(recorded) = event.to_recorded() {
        let again = EventJson::recorded(&recorded).to_recorded();
        assert_eq!(again.as_ref(), Ok(&recorded));
    }
});
