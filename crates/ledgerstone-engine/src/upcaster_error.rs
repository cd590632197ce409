//! Why a chain of upcasters cannot be built, or a golden sample does not hold.

use ledgerstone_core::Code;

use crate::upcaster::Shape;

/// Why a chain of upcasters is not sound.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UpcasterError {
    /// Two steps begin at the same version.
    #[error("two upcasters lift {0}; keep one")]
    Twice(Shape),
    /// A chain stops before the newest version.
    #[error("no upcaster lifts {from}, and the newest version is {newest}; add the missing step")]
    Gap {
        /// Where the chain stops.
        from: Shape,
        /// The newest version that is decoded.
        newest: u32,
    },
    /// A step leads away from the newest version.
    #[error(
        "an upcaster lifts {from}, but the decoder's newest version is {newest}; raise the version in domain_events!"
    )]
    BeyondNewest {
        /// What the step lifts.
        from: Shape,
        /// The newest version that is decoded.
        newest: u32,
    },
    /// A chain ends at a type that nobody decodes.
    #[error("a chain ends at {0}, which no decoder knows; name its events with decodes::<E>()")]
    NoDecoder(Shape),
    /// Older versions are not lifted to this one.
    #[error(
        "no upcaster leads to {0}; add the step, or state with begins_at that older versions were never recorded"
    )]
    NothingBefore(Shape),
    /// A step has no golden sample.
    #[error("the upcaster of {0} has no golden sample; add one with sample(before, after)")]
    NoSample(Shape),
    /// A step makes something else of its sample.
    #[error("the golden sample of {from} became {lifted} and should have become {expected}")]
    SampleDiffers {
        /// What the step lifts.
        from: Shape,
        /// What the sample says.
        expected: String,
        /// What came out.
        lifted: String,
    },
    /// The newest decoder refuses a lifted sample.
    #[error("the golden sample of {from}, lifted to {end}, is not decoded: {reason}")]
    SampleRefused {
        /// What the step lifts.
        from: Shape,
        /// Where the chain ends.
        end: Shape,
        /// What the decoder says.
        reason: String,
    },
}

impl UpcasterError {
    /// Returns the code under which `ledgerstone explain` tells more.
    pub fn code(&self) -> Code {
        Code::UnknownEventType
    }
}
