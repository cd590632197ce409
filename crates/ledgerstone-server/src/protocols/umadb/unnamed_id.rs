//! The ids of events that came without one: ours to find them by, and not told to clients of this protocol.
//!
//! Every event here has an id, and UmaDB's need none. An event that came without one must come back without one, so
//! the id that it gets says so itself: it is of version 8 (RFC 9562, 5.8), ends in a fixed ending, and is otherwise
//! as time-ordered as the id that it was made from.

use uuid::Uuid;

/// The last two bytes. A client's own id of version 8 ends so once in 65,536 times.
const ENDING: [u8; 2] = *b"\xda\x7a";

/// Makes the id of an event that came without one, out of a new id.
pub(super) fn unnamed(id: Uuid) -> Uuid {
    let mut bytes = id.into_bytes();
    bytes[6] = 0x80 | (bytes[6] & 0x0f);
    bytes[8] = 0x80 | (bytes[8] & 0x3f);
    [bytes[14], bytes[15]] = ENDING;
    Uuid::from_bytes(bytes)
}

/// Tells whether an event came without an id.
pub(super) fn is_unnamed(id: Uuid) -> bool {
    let bytes = id.as_bytes();
    id.get_version_num() == 8 && bytes.ends_with(&ENDING)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ids_that_were_made_so_say_that_there_was_none() {
        let id = Uuid::now_v7();
        assert!(is_unnamed(unnamed(id)) && !is_unnamed(id) && !is_unnamed(Uuid::nil()));
        assert_eq!(unnamed(id).as_bytes()[..6], id.as_bytes()[..6], "the time is kept");
        let own = uuid::Builder::from_custom_bytes([7; 16]).into_uuid();
        assert!(!is_unnamed(own));
    }
}
