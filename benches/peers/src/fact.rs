//! Facts: the events that everybody is given, 256 bytes of JSON with about 80 bytes of metadata and one tag.

use std::time::{SystemTime, UNIX_EPOCH};

use uuid::{Builder, Uuid};

/// The type of every event.
pub(crate) const TYPE: &str = "OrderPlaced";
/// Who placed an order, and what it was caused by: nothing that a store would index.
pub(crate) const ACTOR: &str = "somebody-who-places-orders-at-a-counter-0042";
/// How many bytes a payload has.
const PAYLOAD: usize = 256;

/// An event on its way into whatever store.
#[derive(Debug, Clone)]
pub(crate) struct Fact {
    pub(crate) id: Uuid,
    pub(crate) tag: String,
    pub(crate) stream: Option<String>,
    /// What caused it, 36 characters of the metadata.
    pub(crate) causation: String,
    pub(crate) payload: Vec<u8>,
}

impl Fact {
    /// Returns how many bytes the event has for whoever appends it: payload, metadata, id, type, stream, tag.
    pub(crate) fn bytes(&self) -> u64 {
        let metadata = ACTOR.len() + self.causation.len();
        let stream = self.stream.as_ref().map_or(0, String::len);
        (self.payload.len() + metadata + 16 + TYPE.len() + stream + self.tag.len()) as u64
    }

    /// Returns id, metadata and payload as one text, for stores that know only that.
    pub(crate) fn data(&self) -> Vec<u8> {
        let mut data = Vec::with_capacity(16 + 128 + self.payload.len());
        data.extend_from_slice(self.id.as_bytes());
        for text in [ACTOR, &self.causation] {
            data.push(text.len() as u8);
            data.extend_from_slice(text.as_bytes());
        }
        data.extend_from_slice(&self.payload);
        data
    }
}

/// Makes facts out of random numbers (SplitMix64, Steele et al. 2014).
#[derive(Debug, Clone)]
pub(crate) struct Facts(u64);

impl Facts {
    /// Begins a row of facts; another seed gives others.
    pub(crate) fn new(seed: u64) -> Self {
        let mut facts = Self(seed.wrapping_mul(0xD134_2543_DE82_EF95) ^ 0x5851_F42D_4C95_7F2D);
        facts.random();
        facts
    }

    /// Begins a row of facts that nobody had before.
    pub(crate) fn fresh() -> Self {
        Self::new(Uuid::new_v4().as_u64_pair().0)
    }

    pub(crate) fn random(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// Makes a tag that nobody else has.
    pub(crate) fn tag(&mut self) -> String {
        format!("order:{:016x}", self.random())
    }

    /// Makes a fact with a tag of its own and no stream.
    pub(crate) fn single(&mut self) -> Fact {
        let tag = self.tag();
        self.tagged(tag)
    }

    /// Makes a fact with a given tag and no stream; its id rises with time, as ids do by default.
    pub(crate) fn tagged(&mut self, tag: String) -> Fact {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64);
        let mut random = [0; 10];
        random[..8].copy_from_slice(&self.random().to_le_bytes());
        random[8..].copy_from_slice(&self.random().to_le_bytes()[..2]);
        let id = Builder::from_unix_timestamp_millis(now, &random).into_uuid();
        let mut payload = Vec::with_capacity(PAYLOAD);
        payload.extend_from_slice(br#"{"order":"#);
        payload.push(b'"');
        payload.extend_from_slice(id.hyphenated().encode_lower(&mut Uuid::encode_buffer()).as_bytes());
        payload.extend_from_slice(br#"","amount":1995,"note":""#);
        payload.resize(PAYLOAD - 2, b'x');
        payload.extend_from_slice(br#""}"#);
        let causation = Uuid::from_u64_pair(self.random(), self.random()).hyphenated().to_string();
        Fact { id, tag, stream: None, causation, payload }
    }

    /// Makes a fact of a numbered stream, with a tag of its own.
    pub(crate) fn of_stream(&mut self, number: u64) -> Fact {
        Fact { stream: Some(stream(number)), ..self.single() }
    }
}

/// Names a stream.
pub(crate) fn stream(number: u64) -> String {
    format!("order-{number:08}")
}

/// Names one of the tags that are scattered over a log.
pub(crate) fn scattered_tag(number: u64) -> String {
    // Hashed, so that neighbours are none in an index.
    format!("order:{:016x}", Facts::new(number).random())
}

#[cfg(test)]
mod tests {
    use super::{Facts, PAYLOAD};

    #[test]
    fn a_fact_has_the_size_that_is_told() {
        let fact = Facts::new(7).of_stream(3);
        assert_eq!(fact.payload.len(), PAYLOAD);
        assert!(std::str::from_utf8(&fact.payload).is_ok_and(|text| text.ends_with("xx\"}")));
        let metadata = fact.bytes() - (256 + 16 + 11 + 14 + 22);
        assert!((70..=90).contains(&metadata), "{metadata} bytes of metadata");
        assert_ne!(fact.tag, Facts::new(8).of_stream(3).tag);
    }
}
