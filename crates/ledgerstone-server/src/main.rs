//! The ledgerstone binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    ledgerstone_server::cli::main()
}
