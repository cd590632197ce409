//! Rule: nothing committed names a place of the machine that it was written on.

use crate::tidy::finding::Finding;
use crate::tidy::house::House;

// In two pieces each, or this file would name them.
const PLACES: &[&str] = &[concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("../sha", "red")];

/// Names every line that does.
pub(crate) fn check(house: &House) -> Vec<Finding> {
    let mut found = Vec::new();
    for (path, text) in house.texts() {
        for (index, line) in text.lines().enumerate() {
            if let Some(place) = PLACES.iter().find(|place| names(line, place)) {
                found.push(Finding::at_line(
                    path,
                    index,
                    format!("`{place}` is a place of one machine only"),
                ));
            }
        }
    }
    found
}

/// Says whether the place begins a path here, rather than being the middle of a longer one.
fn names(line: &str, place: &str) -> bool {
    line.match_indices(place).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '}'))
    })
}

#[cfg(test)]
mod tests {
    use super::{PLACES, check};
    use crate::tidy::house::House;

    #[test]
    fn a_place_of_this_machine_is_found() {
        for place in PLACES {
            let text = format!("see {place}notes.md\n");
            assert_eq!(check(&House::of(&[("a.toml", &text)])).len(), 1, "{place}");
        }
    }

    #[test]
    fn a_longer_path_or_address_passes() {
        let text = format!("https://example.org{}a and $HOME{}b\n", PLACES[0], PLACES[1])
            .replace("$HOME", "${HOME}");
        assert_eq!(check(&House::of(&[("a.md", &text)])), []);
    }
}
