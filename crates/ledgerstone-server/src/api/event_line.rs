//! An event as one line of JSON.

use ledgerstone::core::{EventJson, RecordedEvent};

/// Appends the event as JSON without a line break.
pub(crate) fn write_line(text: &mut Vec<u8>, event: &RecordedEvent) -> Result<(), serde_json::Error> {
    let from = text.len();
    serde_json::to_writer(&mut *text, &EventJson::recorded(event))?;
    // Payloads with line breaks stand in base64, but validation info is embedded as it was given; between
    // the tokens of JSON a space means the same.
    for byte in text.iter_mut().skip(from).filter(|byte| matches!(byte, b'\n' | b'\r')) {
        *byte = b' ';
    }
    Ok(())
}
