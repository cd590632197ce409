//! Declared read models: a TOML file says which events fill which fields, so that nobody need write Rust.

mod apply;
pub(crate) mod built_in;
pub(crate) mod check;
mod declaration;
pub(crate) mod declaration_error;
mod hint;
#[cfg(test)]
mod hostile_tests;
pub(crate) mod model;
mod parse;
mod parse_rule;
mod payload;
mod source;
mod toml_table;
mod upcast;
mod value;

#[cfg(test)]
mod tests;
