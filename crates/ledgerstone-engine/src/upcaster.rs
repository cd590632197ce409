//! Upcasters: how an event of an older schema version is lifted to the newest one when it is read.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use serde_json::Value;

use ledgerstone_core::{DomainEvent, EventType, Query, QueryItem};

use crate::upcaster_error::UpcasterError;

/// A type of event at one version of its schema.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Shape {
    /// The stable name of the type.
    pub event_type: String,
    /// The version, from 1.
    pub version: u32,
}

impl Shape {
    /// Names a type at a version.
    pub fn new(event_type: impl Into<String>, version: u32) -> Self {
        Self { event_type: event_type.into(), version }
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} version {}", self.event_type, self.version)
    }
}

type Lift = Arc<dyn Fn(Value) -> Value + Send + Sync>;

/// One step of a chain: lifts the data of a type from version *n* to *n* + 1, and may rename the type.
///
/// It is pure, and total: data that it does not understand it passes on, and the decoder refuses it.
#[derive(Clone)]
pub struct Upcaster {
    from: Shape,
    to: Shape,
    lift: Lift,
    samples: Vec<(Value, Value)>,
}

impl Upcaster {
    /// Lifts `event_type` from `version` to the next one.
    pub fn new(
        event_type: &str,
        version: u32,
        lift: impl Fn(Value) -> Value + Send + Sync + 'static,
    ) -> Self {
        Self::renaming(event_type, version, event_type, lift)
    }

    /// Lifts `event_type` at `version` to the next version of `new_type`.
    pub fn renaming(
        event_type: &str,
        version: u32,
        new_type: &str,
        lift: impl Fn(Value) -> Value + Send + Sync + 'static,
    ) -> Self {
        Self {
            from: Shape::new(event_type, version),
            to: Shape::new(new_type, version.saturating_add(1)),
            lift: Arc::new(lift),
            samples: Vec::new(),
        }
    }

    /// Adds a golden sample: data as it was once recorded, and what this one step makes of it.
    ///
    /// A chain is not built without a sample for each step. Samples outlive later versions
    /// unchanged: [`Upcasters::verify`] lifts them all the way to the newest decoder.
    #[must_use]
    pub fn sample(mut self, before: Value, after: Value) -> Self {
        self.samples.push((before, after));
        self
    }
}

impl fmt::Debug for Upcaster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} -> {}, {} samples", self.from, self.to, self.samples.len())
    }
}

type Decode = fn(&str, &[u8]) -> Option<Result<(), serde_json::Error>>;

/// Builds [`Upcasters`]; every rule of the chain is checked at the end.
#[derive(Debug, Clone, Default)]
pub struct UpcastersBuilder {
    steps: Vec<Upcaster>,
    newest: Vec<(Shape, Decode)>,
    first: BTreeMap<String, u32>,
}

impl UpcastersBuilder {
    /// Names the events that the chains end at: the newest version of each of their types.
    #[must_use]
    pub fn decodes<E: DomainEvent>(mut self) -> Self {
        let decode: Decode = |event_type, data| E::from_json(event_type, data).map(|read| read.map(drop));
        let shapes = E::SCHEMAS.iter().map(|schema| Shape::new(schema.event_type, schema.version));
        self.newest.extend(shapes.map(|shape| (shape, decode)));
        self
    }

    /// Adds a step.
    #[must_use]
    pub fn step(mut self, upcaster: Upcaster) -> Self {
        self.steps.push(upcaster);
        self
    }

    /// States that no version of `event_type` before `version` was ever recorded.
    #[must_use]
    pub fn begins_at(mut self, event_type: &str, version: u32) -> Self {
        self.first.insert(event_type.to_owned(), version);
        self
    }

    /// Checks the chains and builds them.
    ///
    /// Refused are: two steps from the same version; a gap; a chain that does not end at the newest
    /// version of a type that is decoded; a step without a golden sample.
    pub fn build(self) -> Result<Upcasters, UpcasterError> {
        let mut newest = BTreeMap::new();
        for (shape, decode) in &self.newest {
            newest.insert(shape.event_type.clone(), (shape.version, *decode));
        }
        let mut steps = BTreeMap::new();
        for step in self.steps {
            let from = step.from.clone();
            if steps.insert(from.clone(), step).is_some() {
                return Err(UpcasterError::Twice(from));
            }
        }
        let upcasters = Upcasters { steps, newest };
        upcasters.check_ends()?;
        upcasters.check_beginnings(&self.first)?;
        match upcasters.steps.values().find(|step| step.samples.is_empty()) {
            Some(step) => Err(UpcasterError::NoSample(step.from.clone())),
            None => Ok(upcasters),
        }
    }
}

/// Every chain of upcasters, from each historic version of each historic name to the newest.
///
/// The default has no step: what is recorded must be of the newest version.
#[derive(Debug, Clone, Default)]
pub struct Upcasters {
    steps: BTreeMap<Shape, Upcaster>,
    newest: BTreeMap<String, (u32, Decode)>,
}

impl Upcasters {
    /// Begins a chain.
    pub fn builder() -> UpcastersBuilder {
        UpcastersBuilder::default()
    }

    /// Tells whether a step leads on from this shape.
    pub fn lifts(&self, shape: &Shape) -> bool {
        self.steps.contains_key(shape)
    }

    /// Returns the shape at which the chain from `shape` ends: itself if no step leads on.
    pub fn end_of(&self, shape: &Shape) -> Shape {
        let mut end = shape;
        // Versions rise with every step, so a chain cannot turn in a circle.
        while let Some(step) = self.steps.get(end) {
            end = &step.to;
        }
        end.clone()
    }

    /// Lifts data as far as steps lead, and returns it with the shape that it has then.
    pub fn lift(&self, mut shape: Shape, mut data: Value) -> (Shape, Value) {
        while let Some(step) = self.steps.get(&shape) {
            data = (step.lift)(data);
            shape = step.to.clone();
        }
        (shape, data)
    }

    /// Returns every name under which events of this type were ever recorded, its own included, sorted.
    ///
    /// A historic name stands for the same set.
    pub fn names_of(&self, event_type: &str) -> Vec<String> {
        let ends = |shape: &Shape| self.end_of(shape).event_type;
        let mut meant = BTreeSet::from([event_type.to_owned()]);
        meant.extend(self.steps.keys().filter(|from| from.event_type == event_type).map(ends));
        let mut names = meant.clone();
        let historic = self.steps.keys().filter(|from| meant.contains(&ends(from)));
        names.extend(historic.map(|from| from.event_type.clone()));
        names.into_iter().collect()
    }

    /// Widens a query so that each type in it stands for all its historic names, as
    /// [`Ledger::widen`](crate::ledger::Ledger::widen) does for those who have a ledger.
    #[must_use]
    pub fn widen(&self, query: &Query) -> Query {
        Query::any_of(query.items().iter().map(|item| {
            let names: BTreeSet<_> =
                item.types.iter().flat_map(|event_type| self.names_of(event_type.as_str())).collect();
            let types = names.iter().filter_map(|name| EventType::new(name).ok()).collect();
            QueryItem { types, ..item.clone() }
        }))
    }

    /// Runs every golden sample: through its own step, and then up the chain into the newest decoder.
    ///
    /// Returns how many samples held; a test of the service should call it.
    pub fn verify(&self) -> Result<usize, UpcasterError> {
        let mut held = 0;
        for step in self.steps.values() {
            for (before, after) in &step.samples {
                self.verify_sample(step, before, after)?;
                held += 1;
            }
        }
        Ok(held)
    }

    fn verify_sample(&self, step: &Upcaster, before: &Value, after: &Value) -> Result<(), UpcasterError> {
        let lifted = (step.lift)(before.clone());
        if lifted != *after {
            return Err(UpcasterError::SampleDiffers {
                from: step.from.clone(),
                expected: after.to_string(),
                lifted: lifted.to_string(),
            });
        }
        let (end, data) = self.lift(step.to.clone(), lifted);
        let refused = |reason: String| UpcasterError::SampleRefused {
            from: step.from.clone(),
            end: end.clone(),
            reason,
        };
        let bytes = serde_json::to_vec(&data).map_err(|error| refused(error.to_string()))?;
        let decoded =
            self.newest.get(&end.event_type).and_then(|(_, decode)| decode(&end.event_type, &bytes));
        match decoded {
            Some(Ok(())) => Ok(()),
            Some(Err(error)) => Err(refused(error.to_string())),
            None => Err(refused("no decoder knows the type".to_owned())),
        }
    }

    fn check_ends(&self) -> Result<(), UpcasterError> {
        for step in self.steps.values() {
            if let Some((newest, _)) = self.newest.get(&step.from.event_type)
                && step.from.version >= *newest
            {
                return Err(UpcasterError::BeyondNewest { from: step.from.clone(), newest: *newest });
            }
            if self.steps.contains_key(&step.to) {
                continue;
            }
            match self.newest.get(&step.to.event_type) {
                Some((newest, _)) if *newest == step.to.version => {}
                Some((newest, _)) => {
                    return Err(UpcasterError::Gap { from: step.to.clone(), newest: *newest });
                }
                None => return Err(UpcasterError::NoDecoder(step.to.clone())),
            }
        }
        Ok(())
    }

    fn check_beginnings(&self, first: &BTreeMap<String, u32>) -> Result<(), UpcasterError> {
        let reached: BTreeSet<&Shape> = self.steps.values().map(|step| &step.to).collect();
        let newest = self.newest.iter().map(|(name, (version, _))| Shape::new(name, *version));
        for shape in newest.chain(self.steps.keys().cloned()) {
            let begins = first.get(&shape.event_type).copied().unwrap_or(1);
            if shape.version > begins && !reached.contains(&shape) {
                return Err(UpcasterError::NothingBefore(shape));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "upcaster_tests.rs"]
pub(crate) mod tests;
