//! Events cut into pieces that fit into a message.

use ledgerstone::core::RecordedEvent;

/// How many events a message has unless the caller asks otherwise.
const EVENTS: u32 = 1_024;
/// How many it may ask for at most.
const EVENTS_MAX: u32 = 4_096;
/// How many bytes of records a message holds, unless one event has more: clients take 4 MiB.
const BYTES: usize = 3 * 1024 * 1024;

/// Returns how many events a message of an answer has at most.
pub(super) fn batch_size(asked: Option<u32>) -> usize {
    asked.unwrap_or(EVENTS).clamp(1, EVENTS_MAX) as usize
}

/// Cuts events into pieces of at most `most` events each, and of so many bytes as a message may have.
pub(super) fn cut(mut events: Vec<RecordedEvent>, most: usize) -> Vec<Vec<RecordedEvent>> {
    let mut pieces = Vec::new();
    while let Some(at) = end_of_piece(&events, most) {
        let rest = events.split_off(at);
        pieces.push(std::mem::replace(&mut events, rest));
    }
    if !events.is_empty() {
        pieces.push(events);
    }
    pieces
}

/// Returns where the first piece ends, unless everything fits into it.
fn end_of_piece(events: &[RecordedEvent], most: usize) -> Option<usize> {
    let mut bytes = 0;
    let too_many = |(index, event): &(usize, &RecordedEvent)| {
        bytes += event.as_bytes().len();
        *index > 0 && (*index >= most || bytes > BYTES)
    };
    events.iter().enumerate().find(too_many).map(|(index, _)| index)
}

#[cfg(test)]
mod tests {
    use ledgerstone::core::{EncodedEvent, EventData, EventType, Tenant};
    use uuid::Uuid;

    use super::*;

    fn events(sizes: &[usize]) -> Vec<RecordedEvent> {
        let event = |size: &usize| {
            let event_type = EventType::new("x").expect("a type");
            let event = EventData::json(Uuid::nil(), event_type, vec![b' '; *size]);
            EncodedEvent::new(&Tenant::default(), None, &event, true, true).into_recorded()
        };
        sizes.iter().map(event).collect()
    }

    fn lengths(sizes: &[usize], most: usize) -> Vec<usize> {
        cut(events(sizes), most).iter().map(Vec::len).collect()
    }

    #[test]
    fn a_piece_has_at_most_so_many_events_and_bytes() {
        assert_eq!(lengths(&[1, 1, 1, 1, 1], 2), [2, 2, 1]);
        assert_eq!(lengths(&[], 2), [0; 0]);
        let mib = 1024 * 1024;
        assert_eq!(lengths(&[mib, mib, mib, 4 * mib, 1], 100), [2, 1, 1, 1]);
        assert_eq!((batch_size(None), batch_size(Some(0)), batch_size(Some(9_999))), (1_024, 1, 4_096));
    }
}
