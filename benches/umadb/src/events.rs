//! The events that are appended: 256 bytes of JSON, about 80 bytes of metadata, an id and a tag.

use umadb_dcb::{DcbAppendCondition, DcbEvent, DcbQuery, DcbQueryItem};
use uuid::Uuid;

/// Makes events without asking the system for anything.
#[derive(Debug)]
pub struct Events {
    random: u64,
    made: u64,
}

impl Events {
    /// Begins a sequence of its own for each seed.
    pub fn new(seed: u64) -> Self {
        Self { random: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1, made: 0 }
    }

    /// Returns the next random number (xorshift).
    pub fn random(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random
    }

    /// Makes an event with a tag of its own.
    pub fn fresh(&mut self) -> DcbEvent {
        let tag = format!("order-{:016x}", self.random());
        self.tagged(tag)
    }

    /// Makes an event with this tag.
    pub fn tagged(&mut self, tag: String) -> DcbEvent {
        self.made += 1;
        let number = self.random();
        let mut data = format!(r#"{{"order":"{number:016x}","line":{:08},"note":""#, self.made % 100_000_000);
        let rest = 256 - data.len() - 2;
        data.extend(std::iter::repeat_n('x', rest));
        data.push_str("\"}");
        let id = Uuid::from_u64_pair(number, self.random());
        let id = uuid::Builder::from_random_bytes(id.into_bytes()).into_uuid();
        DcbEvent {
            event_type: "OrderPlaced".to_owned(),
            tags: vec![tag],
            data: data.into_bytes(),
            uuid: Some(id),
            metadata: vec![(
                "trace".to_owned(),
                format!("00-{number:032x}-{:016x}-01-and-some-more-of-it", self.made),
            )],
        }
    }
}

/// Asks for the events of a tag.
pub fn of_tag(tag: &str) -> DcbQuery {
    DcbQuery::with_items([DcbQueryItem::new().tags([tag])])
}

/// Makes a condition that nothing was tagged so before.
pub fn never(event: &DcbEvent) -> DcbAppendCondition {
    DcbAppendCondition::new(of_tag(&event.tags[0]))
}
