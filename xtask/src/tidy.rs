//! `cargo xtask tidy`: the rules of the house, each a pure function over the files of the checkout.

mod arrows;
mod book;
mod contents;
mod core_dependencies;
mod error_codes;
mod file_size;
mod finding;
mod function_length;
mod house;
mod imports;
mod leftovers;
mod links;
mod manifest;
mod names;
mod opening;
mod places;
mod promises;
mod reasons;
mod rust_file;
mod test_executables;

use anyhow::{Result, bail};

use crate::checkout::Checkout;
use crate::format;
use crate::terminal::{complain, say};
use crate::tidy::finding::Finding;
use crate::tidy::house::House;

/// A rule: it looks at the whole house and names what breaks it.
type Rule = fn(&House) -> Vec<Finding>;

const RULES: &[(&str, Rule)] = &[
    ("opening", opening::check),
    ("file_size", file_size::check),
    ("function_length", function_length::check),
    ("contents", contents::check),
    ("imports", imports::check),
    ("arrows", arrows::check),
    ("core_dependencies", core_dependencies::check),
    ("names", names::check),
    ("test_executables", test_executables::check),
    ("error_codes", error_codes::check),
    ("leftovers", leftovers::check),
    ("reasons", reasons::check),
    ("promises", promises::check),
    ("links", links::check),
    ("book", book::check),
    ("places", places::check),
];

/// Checks every rule, then the format, and fails when anything was found.
pub(crate) fn run(checkout: &Checkout) -> Result<()> {
    let house = House::read(checkout)?;
    say(file_size::summary(&house));
    let mut found = 0;
    for (name, rule) in RULES {
        for finding in rule(&house) {
            complain(format!("{name}: {finding}"));
            found += 1;
        }
    }
    let format = format::check(checkout);
    if found > 0 {
        bail!("tidy found {found} things to mend");
    }
    format?;
    say(format!("tidy: {} rules hold", RULES.len()));
    Ok(())
}
