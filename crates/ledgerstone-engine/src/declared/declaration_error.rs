//! Why a declaration is not valid, with the line and the column where.

use std::ops::Range;

use ledgerstone_core::Code;

/// Says what is wrong with a declaration of a read model, and where in its text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the declaration is not valid at line {line}, column {column}: {message}")]
pub struct DeclarationError {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// What is wrong and what to do.
    pub message: String,
}

impl DeclarationError {
    /// Makes the error for a place in the text, given in bytes.
    pub(crate) fn at(text: &str, span: Range<usize>, message: impl Into<String>) -> Self {
        let before = text.get(..span.start).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Self {
            line: before.matches('\n').count() + 1,
            column: before.get(line_start..).unwrap_or_default().chars().count() + 1,
            message: message.into(),
        }
    }

    /// Returns the code under which `ledgerstone explain` tells more.
    pub fn code(&self) -> Code {
        Code::InvalidDeclaration
    }
}
