//! What a proxy does with the bytes of one way.

use std::time::Duration;

/// What happens to bytes on their way; bytes are counted anew on each connection, from its beginning or from
/// when this was set, whichever came later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Flow {
    /// They pass.
    #[default]
    Pass,
    /// So many pass, then the connection is closed; with 0 it is closed instead of carrying the first.
    CutAfter(u64),
    /// So many pass, then nothing moves and the connection stays open, until another flow is set.
    StallAfter(u64),
    /// They pass, each piece so much later; the next piece is taken only then.
    Delay(Duration),
    /// They pass in pieces of so many bytes, with a pause after each.
    Trickle {
        /// The size of a piece; 0 is taken as 1.
        bytes: usize,
        /// The pause.
        every: Duration,
    },
}

/// The way of bytes through a proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// What the client says.
    ToServer,
    /// What the server answers.
    ToClient,
    /// Both.
    Both,
}
