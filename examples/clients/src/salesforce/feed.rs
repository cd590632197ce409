//! The sample feed: a few hundred accounts, a few thousand changes, some of them malformed on purpose.

use super::change_event::{ChangeEvent, MalformedChange};
use super::normalise::{NormalisedChange, normalise};

/// The feed that comes with the example; we made it up.
pub const SAMPLE_FEED: &str = include_str!("../../feed/changes.ndjson");

/// A line of a feed and what it says.
#[derive(Debug, Clone)]
pub struct FeedLine {
    /// Its number, from 1.
    pub number: usize,
    /// Its changes, or why it has none.
    pub changes: Result<Vec<NormalisedChange>, MalformedChange>,
}

/// Reads a feed line by line; empty lines are passed over.
pub fn lines(feed: &str) -> impl Iterator<Item = FeedLine> {
    let numbered = feed.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    numbered.map(|(index, line)| FeedLine {
        number: index + 1,
        changes: ChangeEvent::parse(line).and_then(|change| normalise(&change)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sample_feed_has_a_few_lines_that_are_malformed_on_purpose() {
        let malformed: Vec<_> = lines(SAMPLE_FEED).filter_map(|line| line.changes.err()).collect();
        assert_eq!(malformed.len(), 9, "{malformed:#?}");
        assert!(lines(SAMPLE_FEED).count() > 3_000);
    }
}
