//! Texts that people and programs type: locators, log points, revisions, times, names.

#![no_main]

use ledgerstone_core::{
    CollectionName, EventType, ExpectedRevision, FieldName, Locator, LogIdentity, LogPoint, MarkName,
    StreamId, Tag, Tenant,
};

/// What is printed of a value is read as the same value.
fn reads_back<T: std::str::FromStr + std::fmt::Display + PartialEq + std::fmt::Debug>(text: &str) {
    if let Ok(value) = text.parse::<T>() {
        assert!(value.to_string().parse::<T>().is_ok_and(|again| again == value), "{value:?}");
    }
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    reads_back::<LogPoint>(text);
    reads_back::<LogIdentity>(text);
    reads_back::<ExpectedRevision>(text);
    if let Ok(locator) = text.parse::<Locator>() {
        let _ =
            (locator.to_string(), locator.place(), locator.parameter("a"), locator.parameter_names().count());
    }
    let _ =
        (StreamId::new(text), Tenant::new(text), Tag::new(text), EventType::new(text), MarkName::new(text));
    let _ = (CollectionName::try_from(text), FieldName::try_from(text));
    let _ = (Tag::category(text), ledgerstone_core::nearest(text, ["sqlite", "file", "memory"].into_iter()));
});
