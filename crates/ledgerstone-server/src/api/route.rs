//! A row of the table of routes: what is mounted, and what the OpenAPI document says about it.

use axum::routing::MethodRouter;

use crate::api::state::Api;

/// A route: its address, its meaning and its handler.
#[derive(Debug)]
pub struct Route {
    /// The method in upper case.
    pub method: &'static str,
    /// The path with its parameters in braces.
    pub path: &'static str,
    /// What it does, in a sentence without a full stop.
    pub summary: &'static str,
    /// The parameters of the query; any other is refused.
    pub parameters: &'static [Parameter],
    /// What the body is, as the name of a schema.
    pub body: Option<&'static str>,
    /// What it answers.
    pub answer: Answer,
    /// Its handler.
    pub handler: fn() -> MethodRouter<Api>,
}

/// What a route answers when all is well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// JSON of a schema.
    Json(&'static str),
    /// JSON of a schema, or its events a line each.
    Events(&'static str),
    /// Another media type.
    Other(&'static str),
}

/// A parameter of a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parameter {
    /// Its name.
    pub name: &'static str,
    /// What it takes.
    pub kind: Kind,
    /// What it means.
    pub about: &'static str,
}

/// What a parameter takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Text.
    Text,
    /// Text, any number of times.
    Texts,
    /// A whole number from 0.
    Whole,
    /// A time with its offset.
    Time,
    /// One of these.
    Choice(&'static [&'static str]),
    /// JSON.
    Json,
}

/// Makes a row.
pub(crate) const fn parameter(name: &'static str, kind: Kind, about: &'static str) -> Parameter {
    Parameter { name, kind, about }
}
