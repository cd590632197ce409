//! Event stores that each break one promise, and the cases that must find them out.

mod appending;
mod broken;
mod keeping;
mod numbering;
mod racing;
mod reading;
mod removing;
mod repeating;

pub(crate) use broken::Mutant;

/// Every mutant.
pub(crate) fn all() -> Vec<Mutant> {
    let mutants = [
        appending::mutants(),
        repeating::mutants(),
        numbering::mutants(),
        racing::mutants(),
        reading::mutants(),
        removing::mutants(),
        keeping::mutants(),
    ];
    mutants.into_iter().flatten().collect()
}
