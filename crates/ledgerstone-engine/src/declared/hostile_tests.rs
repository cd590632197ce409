//! Declarations with some hostile changes: they are read or refused, and nothing panics.

use proptest::prelude::*;

use super::model::DeclaredReadModel;

const DECLARATION: &str = include_str!("../../../../fuzz/seeds/declaration/documented");
/// What parsers stumble over.
const PIECES: [&str; 16] = [
    "[[on]]",
    "[fields]",
    "[",
    "]]",
    "{",
    "=",
    "\"",
    "'''",
    "1e400",
    "-1",
    "{stream.id}",
    "{{",
    "/",
    "/~2",
    "$",
    "\u{0}",
];

proptest! {
    #[test]
    fn a_changed_declaration_is_read_or_refused(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), 0..20_usize, prop::sample::select(&PIECES[..])), 0..4),
    ) {
        let mut characters: Vec<char> = DECLARATION.chars().collect();
        for (at, gone, piece) in changes {
            let at = at.index(characters.len() + 1);
            let end = characters.len().min(at + gone);
            characters.splice(at..end, piece.chars());
        }
        let text: String = characters.into_iter().collect();
        if let Ok(model) = DeclaredReadModel::parse(&text) {
            prop_assert_eq!(model.toml(), text);
        }
    }
}

#[test]
fn the_declaration_that_is_changed_is_sound() {
    DeclaredReadModel::parse(DECLARATION).expect("sound");
}
