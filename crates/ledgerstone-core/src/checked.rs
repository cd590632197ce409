//! What is checked and typed before a document store looks: filters, orders, cursors, definitions, values.

pub(crate) mod cursor;
pub(crate) mod definition;
pub(crate) mod field_value;
pub(crate) mod filter;
pub(crate) mod select;
pub(crate) mod words;
