//! Tries a declaration on events without storing anything, and reports what would come of it.

use std::collections::{BTreeMap, BTreeSet};

use ledgerstone_core::{
    Body, DefinitionHash, Document, DocumentKey, FieldName, Position, Projection, ProjectionError,
    RecordedEvent, Tenant,
};
use serde::Serialize;

use crate::declared::apply::Outcome;
use crate::declared::model::DeclaredReadModel;

/// What a declaration made of the events that it was tried on.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CheckReport {
    /// The read model's name.
    pub name: String,
    /// The hash of its rules.
    pub definition: DefinitionHash,
    /// How many events were read.
    pub events_read: u64,
    /// How many of them concern a document.
    pub events_matched: u64,
    /// How many documents there would be.
    pub documents: u64,
    /// What came of each declared field.
    pub fields: Vec<FieldReport>,
    /// How many events each `[[on]]` took, in order.
    pub rules: Vec<u64>,
    /// The types that the declaration names and none of the events had: a misspelt one, or one yet to come.
    pub unmet_types: Vec<String>,
    /// The fields that none of the events gave a value.
    pub never_set: Vec<FieldName>,
    /// How many events would be parked.
    pub problem_count: u64,
    /// The first of them.
    pub problems: Vec<CheckProblem>,
    /// A few of the documents.
    pub examples: Vec<Document>,
}

/// What came of one field.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FieldReport {
    /// The field.
    pub name: FieldName,
    /// Its kind.
    pub kind: &'static str,
    /// How often an event gave it a value.
    pub set: u64,
    /// How often an event had none for it.
    pub missing: u64,
    /// How often the value was of another kind.
    pub wrong_type: u64,
}

/// An event that would be parked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CheckProblem {
    /// Where it stands.
    pub position: Position,
    /// Its stream.
    pub stream: Option<String>,
    /// Its type.
    pub event_type: String,
    /// What is wrong.
    pub cause: String,
}

/// Tries a declaration on events, one after another.
#[derive(Debug)]
pub(crate) struct Check<'a> {
    model: &'a DeclaredReadModel,
    documents: BTreeMap<(Tenant, DocumentKey), Body>,
    unmet_types: BTreeSet<&'a str>,
    report: CheckReport,
}

impl<'a> Check<'a> {
    const MAX_PROBLEMS: usize = 20;
    const EXAMPLES: usize = 3;

    /// Begins with no document at all.
    pub(crate) fn new(model: &'a DeclaredReadModel) -> Self {
        let declaration = model.declaration();
        let fields = declaration.fields.iter().map(|field| FieldReport {
            name: field.name.clone(),
            kind: field.kind.as_str(),
            set: 0,
            missing: 0,
            wrong_type: 0,
        });
        let report = CheckReport {
            name: declaration.name.to_string(),
            definition: declaration.hash,
            events_read: 0,
            events_matched: 0,
            documents: 0,
            fields: fields.collect(),
            rules: vec![0; declaration.rules.len()],
            unmet_types: Vec::new(),
            never_set: Vec::new(),
            problem_count: 0,
            problems: Vec::new(),
            examples: Vec::new(),
        };
        let types = declaration.rules.iter().flat_map(|rule| &rule.matching.types);
        Self { model, documents: BTreeMap::new(), unmet_types: types.map(String::as_str).collect(), report }
    }

    /// Tries one event.
    pub(crate) fn event(&mut self, event: &RecordedEvent) {
        self.report.events_read += 1;
        self.unmet_types.remove(event.event_type());
        for (rule, count) in self.model.declaration().rules.iter().zip(&mut self.report.rules) {
            *count += u64::from(rule.matching.matches(event));
        }
        let keys = match self.model.keys(event) {
            Ok(keys) => keys,
            Err(error) => return self.problem(event, error),
        };
        self.report.events_matched += u64::from(!keys.is_empty());
        for key in keys {
            if let Err(error) = self.apply(event, key) {
                return self.problem(event, error);
            }
        }
    }

    fn apply(&mut self, event: &RecordedEvent, key: DocumentKey) -> Result<(), ProjectionError> {
        let tenant = Tenant::new(event.tenant()).map_err(|error| ProjectionError(error.to_string()))?;
        let address = (tenant, key);
        let body = self.documents.get(&address).cloned();
        let fields = &mut self.report.fields;
        let watch = &mut |field: usize, outcome: Outcome| {
            if let Some(field) = fields.get_mut(field) {
                match outcome {
                    Outcome::Done => field.set += 1,
                    Outcome::Missing => field.missing += 1,
                    Outcome::Misfit => field.wrong_type += 1,
                }
            }
        };
        match self.model.project_watched(event, &address.1, body, watch)? {
            Some(body) => self.documents.insert(address, body),
            None => self.documents.remove(&address),
        };
        Ok(())
    }

    fn problem(&mut self, event: &RecordedEvent, error: ProjectionError) {
        self.report.problem_count += 1;
        if self.report.problems.len() < Self::MAX_PROBLEMS {
            self.report.problems.push(CheckProblem {
                position: event.position(),
                stream: event.stream().map(str::to_owned),
                event_type: event.event_type().to_owned(),
                cause: error.0,
            });
        }
    }

    /// Returns what came of it.
    pub(crate) fn finish(mut self) -> CheckReport {
        self.report.documents = u64::try_from(self.documents.len()).unwrap_or(u64::MAX);
        self.report.unmet_types = self.unmet_types.into_iter().map(str::to_owned).collect();
        let never = self.report.fields.iter().filter(|field| field.set == 0).map(|field| field.name.clone());
        self.report.never_set = never.collect();
        let examples = self.documents.into_iter().take(Self::EXAMPLES);
        self.report.examples = examples.map(|((tenant, key), body)| Document { tenant, key, body }).collect();
        self.report
    }
}
