//! The read models that every store has: which streams there are, and which event types.

use std::sync::Arc;

use crate::declared::declaration_error::DeclarationError;
use crate::declared::model::DeclaredReadModel;
use crate::declared::parse::Author;

/// The name of the read model of streams.
pub const STREAMS: &str = "$streams";
/// The name of the read model of event types.
pub const TYPES: &str = "$types";

/// Returns the built-in read models.
pub(crate) fn built_in() -> Result<Vec<Arc<DeclaredReadModel>>, DeclarationError> {
    let texts = [include_str!("built_in/streams.toml"), include_str!("built_in/types.toml")];
    texts.into_iter().map(|text| DeclaredReadModel::parse_by(text, Author::System).map(Arc::new)).collect()
}

#[cfg(test)]
mod tests {
    use ledgerstone_core::Projection;

    use super::*;

    #[test]
    fn the_built_in_declarations_are_valid() {
        let models = built_in().expect("valid");
        let names: Vec<_> = models.iter().map(|model| model.definition().id.name.to_string()).collect();
        assert_eq!(names, [STREAMS, TYPES]);
    }
}
