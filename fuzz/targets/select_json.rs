//! Questions to read models: filters, orders, and the cursors of their pages.

#![no_main]

use ledgerstone_core::{
    CollectionId, CollectionName, Definition, DefinitionHash, DocumentCapabilities, Field, FieldKind,
    FieldValue, ObjectJson, PageEnd, SelectJson, Tenant, TenantScope, serde_json,
};

fn definition() -> Option<Definition> {
    use FieldKind::{Boolean, Integer, Number, Text, TextArray, Time};
    let kinds = [("t", Text), ("i", Integer), ("n", Number), ("b", Boolean), ("m", Time), ("a", TextArray)];
    let fields = kinds.into_iter().map(|(name, kind)| {
        let searchable = matches!(kind, Text | TextArray);
        Some(Field { name: name.try_into().ok()?, kind, indexed: true, searchable })
    });
    let id = CollectionId { name: CollectionName::try_from("c").ok()?, definition: DefinitionHash::of(b"c") };
    Some(Definition { id, fields: fields.collect::<Option<_>>()? })
}

const CAPABILITIES: DocumentCapabilities = DocumentCapabilities {
    backend: "none",
    durable: false,
    writable: false,
    search: true,
    page_size: 1_000,
    document_bytes: 1_000_000,
    commit_writes: 1_000,
};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some(definition) = definition() else { return };
    // Behind a zero stands what becomes of the cursor.
    let (question, cursor) = data.split_at(data.iter().position(|byte| *byte == 0).unwrap_or(data.len()));
    let Ok(ObjectJson(question)) = serde_json::from_slice::<ObjectJson<SelectJson>>(question) else { return };
    let mut select = question.into_select(definition.id.name.clone(), TenantScope::All);
    let _ = select.check(&definition, &CAPABILITIES);
    select.cursor = None;
    let Ok(checked) = select.check(&definition, &CAPABILITIES) else { return };
    let nothing = vec![FieldValue::Null; definition.fields.len()];
    let _ = checked.filter.matches(&nothing);
    let Ok(key) = "key".try_into() else { return };
    let values = vec![FieldValue::Null; checked.order.len()];
    let end = PageEnd { values, tenant: Tenant::default(), key };
    let mut text = checked.cursor(&end).into_bytes();
    select.cursor = String::from_utf8(text.clone()).ok();
    let again = select.check(&definition, &CAPABILITIES).expect("its own cursor");
    assert_eq!(again.after.as_ref(), Some(&end));
    for edit in cursor.chunks_exact(2) {
        let at = usize::from(edit[0]) % text.len();
        text[at] = edit[1];
    }
    select.cursor = String::from_utf8(text).ok();
    let _ = select.check(&definition, &CAPABILITIES);
});
