//! The codec: typed events to recorded bytes and back, older versions lifted on the way.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;
use uuid::Uuid;

use ledgerstone_core::{ContentType, DomainEvent, EventData, EventType, RecordedEvent};

use crate::codec_error::{CodecError, Place};
use crate::context::Context;
use crate::upcaster::{Shape, Upcasters};

/// Encodes typed events as JSON and decodes recorded ones, lifted to the newest version of their type.
///
/// A cheap handle: clone it freely.
#[derive(Debug, Clone, Default)]
pub struct Codec {
    upcasters: Arc<Upcasters>,
    state_types: Arc<BTreeSet<String>>,
}

/// A recorded event as a service sees it.
#[derive(Debug)]
pub enum Decoded<E> {
    /// It is one of the service's events.
    Known(E),
    /// The service has no decoder for it, for the reason given.
    Unknown {
        /// The event as it was recorded.
        event: RecordedEvent,
        /// Why it was not decoded.
        reason: CodecError,
    },
}

impl Codec {
    /// Decodes with these upcasters.
    pub fn new(upcasters: Upcasters) -> Self {
        Self { upcasters: Arc::new(upcasters), state_types: Arc::default() }
    }

    /// Declares that events of these types carry the whole state of their stream, so that it may be
    /// truncated behind them; beside those that say so themselves ([`DomainEvent::carries_state`]).
    #[must_use]
    pub fn with_state_types(mut self, types: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.state_types = Arc::new(types.into_iter().map(Into::into).collect());
        self
    }

    /// Returns the chains of upcasters.
    pub fn upcasters(&self) -> &Upcasters {
        &self.upcasters
    }

    /// Encodes an event in the newest version of its type.
    ///
    /// Tags of the event and of the context come together; the event's own subject goes before the context's.
    pub fn encode<E: DomainEvent>(
        &self,
        id: Uuid,
        event: &E,
        context: &Context,
    ) -> Result<EventData, CodecError> {
        let event_type = event.event_type();
        let payload = event.to_json().map_err(|source| CodecError::Encode { event_type, source })?;
        let mut tags = event.tags()?;
        tags.extend(context.tags.iter().cloned());
        let mut seen = BTreeSet::new();
        tags.retain(|tag| seen.insert(tag.clone()));
        Ok(EventData {
            id,
            event_type: EventType::new(event_type)?,
            schema_version: newest::<E>(event_type).unwrap_or(1),
            content_type: ContentType::json(),
            payload: payload.into(),
            metadata: context.metadata.clone(),
            tags,
            subject: event.subject()?.or_else(|| context.subject.clone()),
            carries_state: event.carries_state() || self.state_types.contains(event_type),
        })
    }

    /// Decodes a recorded event; one that no decoder knows is an error that names it.
    pub fn decode<E: DomainEvent>(&self, event: &RecordedEvent) -> Result<E, CodecError> {
        let place = || Place::of(event);
        if event.content_type() != ContentType::JSON {
            let content_type = event.content_type().to_owned();
            return Err(CodecError::NotJson { place: place(), content_type });
        }
        let (event_type, version) = (event.event_type(), event.schema_version());
        let malformed = |source| CodecError::Malformed { place: place(), source };
        if newest::<E>(event_type) == Some(version) {
            let decoded = E::from_json(event_type, event.payload());
            return decoded.ok_or_else(|| CodecError::UnknownType(place()))?.map_err(malformed);
        }
        let recorded = Shape::new(event_type, version);
        let end = self.upcasters.end_of(&recorded);
        match newest::<E>(&end.event_type) {
            None => return Err(CodecError::UnknownType(place())),
            Some(newest) if end.version > newest => {
                return Err(CodecError::NewerVersion { place: place(), newest });
            }
            Some(newest) if end.version < newest => {
                return Err(CodecError::NoUpcaster { place: place(), newest });
            }
            Some(_) => {}
        }
        let data: Value = serde_json::from_slice(event.payload()).map_err(malformed)?;
        let (end, data) = self.upcasters.lift(recorded, data);
        let bytes = serde_json::to_vec(&data).map_err(malformed)?;
        let decoded = E::from_json(&end.event_type, &bytes);
        decoded.ok_or_else(|| CodecError::UnknownType(place()))?.map_err(malformed)
    }

    /// Decodes a recorded event, or hands it back with the reason if no decoder knows it.
    ///
    /// A payload that does not decode is still an error.
    pub fn decode_or_keep<E: DomainEvent>(&self, event: &RecordedEvent) -> Result<Decoded<E>, CodecError> {
        match self.decode(event) {
            Ok(known) => Ok(Decoded::Known(known)),
            Err(reason) if reason.is_unknown() => Ok(Decoded::Unknown { event: event.clone(), reason }),
            Err(error) => Err(error),
        }
    }
}

fn newest<E: DomainEvent>(event_type: &str) -> Option<u32> {
    E::SCHEMAS.iter().find(|schema| schema.event_type == event_type).map(|schema| schema.version)
}

#[cfg(test)]
#[path = "codec_tests.rs"]
mod tests;
