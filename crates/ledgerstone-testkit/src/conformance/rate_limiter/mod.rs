//! What every rate limiter must do. A limiter runs the suite whole, once for each algorithm that it knows.

mod keys;
mod limiters;
mod limiting;
mod overrides;
mod refusing;
mod taking;
mod telling;

pub use limiters::Limiters;

use super::case::Suite;

/// The suite: one case or more for each promise of the port.
pub fn suite() -> Suite<Limiters> {
    let cases = [
        taking::cases(),
        refusing::cases(),
        keys::cases(),
        overrides::cases(),
        limiting::cases(),
        telling::cases(),
    ];
    Suite::new("rate_limiter", cases.into_iter().flatten().collect())
}
