//! What `cargo xtask help` prints.

/// One verb: what is typed, and what it does.
struct Verb {
    usage: &'static str,
    does: &'static [&'static str],
}

const VERBS: &[Verb] = &[
    Verb {
        usage: "setup",
        does: &[
            "Checks that this machine has what the tests need, and installs it",
            "from Debian packages where it may.",
        ],
    },
    Verb {
        usage: "test [ARGS]",
        does: &[
            "Runs setup, then every test of the workspace, and ends with one",
            "line of totals. ARGS go to `cargo test` in place of `--workspace`.",
        ],
    },
    Verb { usage: "tidy", does: &["Checks the format and the house rules (docs in CONTRIBUTING.md)."] },
    Verb {
        usage: "ci",
        does: &[
            "Runs tidy, clippy, the documentation, each feature alone, locks,",
            "cargo-deny and mdbook where they are installed, then test.",
        ],
    },
    Verb {
        usage: "bench [ARGS]",
        does: &["Measures the product; ARGS go to the benchmark (a filter, for", "example)."],
    },
    Verb {
        usage: "bench PART [ARGS]",
        does: &[
            "Measures a part against the bare crates beneath it: resilience,",
            "limits, cache, http-client; or gateway, against nginx.",
        ],
    },
    Verb {
        usage: "bench umadb",
        does: &[
            "Lets UmaDB's own client hold our server and UmaDB's to the same",
            "expectations, then measures both; `check` ends before that. Options",
            "of the measurement follow (--events N, --seconds S, --only WORDS).",
        ],
    },
    Verb {
        usage: "bench peers [ARGS]",
        does: &[
            "Measures the file store against a plain log and other event stores,",
            "which only this downloads; --help lists the rows and flags.",
        ],
    },
    Verb {
        usage: "data DIR",
        does: &[
            "Imports the real event log in DIR (permit-receipt-log.csv) twice",
            "and counts what came in.",
        ],
    },
    Verb {
        usage: "crash [KILLS]",
        does: &[
            "Kills an import again and again (20 times unless told), then lets",
            "the disk fail as often, and compares the store with one that was",
            "never disturbed; does the same to a server under concurrent",
            "appends, and holds the store to what it told. Over file: and",
            "sqlite:; then tells 5,000 stories of the log on a simulated disk.",
        ],
    },
    Verb {
        usage: "fuzz [ARGS]",
        does: &[
            "Builds the fuzz targets for libFuzzer and runs each; ARGS are the",
            "seconds for each (30), then the name of one; `import` is run only",
            "by its name.",
        ],
    },
    Verb {
        usage: "soak [MINUTES]",
        does: &[
            "Repeats crash with ever other data, and histories of many callers,",
            "until the time is up (10 minutes).",
        ],
    },
    Verb { usage: "services list", does: &["Lists the servers that tests start for themselves."] },
    Verb {
        usage: "services start",
        does: &[
            "Starts those named, or all that tests need, on free ports beside",
            "any that the machine runs; prints where; Ctrl-C ends them.",
        ],
    },
    Verb { usage: "help", does: &["Prints this."] },
];

const ENVIRONMENT: &str = "\
Environment:
  CARGO_TARGET_DIR   where everything but xtask itself is built;
                     else $XDG_CACHE_HOME/ledgerstone/target,
                     else $HOME/.cache/ledgerstone/target
  CI=true            makes a skipped test a failure
  PROPTEST_CASES     cases of a property (64 unless set)
  LEDGERSTONE_TEST_REDIS
                     a Redis for tests that share one and harm none;
                     else they start it
";

/// Renders the verbs in two columns, then the environment.
pub(crate) fn text() -> String {
    let width = VERBS.iter().map(|verb| verb.usage.len()).max().unwrap_or(0);
    let mut text = String::from("Usage: cargo xtask VERB\n\nVerbs:\n");
    for verb in VERBS {
        for (row, line) in verb.does.iter().enumerate() {
            let usage = if row == 0 { verb.usage } else { "" };
            text.push_str(&format!("  {usage:width$}   {line}\n"));
        }
    }
    text.push('\n');
    text.push_str(ENVIRONMENT.trim_end());
    text
}

#[cfg(test)]
mod tests {
    use super::text;

    #[test]
    fn every_line_of_the_help_fits_a_terminal() {
        assert!(text().lines().all(|line| line.len() <= 90), "{}", text());
    }
}
