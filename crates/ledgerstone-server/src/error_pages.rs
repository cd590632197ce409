//! The pages of the error codes, kept in the binary so that they can be read without a network.

use ledgerstone::core::Code;

/// Every page, in the order of the codes.
const PAGES: &[(&str, &str)] = &[
    ("LS0001", include_str!("../../../docs/errors/LS0001.md")),
    ("LS0002", include_str!("../../../docs/errors/LS0002.md")),
    ("LS0003", include_str!("../../../docs/errors/LS0003.md")),
    ("LS0004", include_str!("../../../docs/errors/LS0004.md")),
    ("LS0005", include_str!("../../../docs/errors/LS0005.md")),
    ("LS0006", include_str!("../../../docs/errors/LS0006.md")),
    ("LS0007", include_str!("../../../docs/errors/LS0007.md")),
    ("LS0008", include_str!("../../../docs/errors/LS0008.md")),
    ("LS0009", include_str!("../../../docs/errors/LS0009.md")),
    ("LS0010", include_str!("../../../docs/errors/LS0010.md")),
    ("LS0011", include_str!("../../../docs/errors/LS0011.md")),
    ("LS0012", include_str!("../../../docs/errors/LS0012.md")),
    ("LS0013", include_str!("../../../docs/errors/LS0013.md")),
    ("LS0014", include_str!("../../../docs/errors/LS0014.md")),
    ("LS0015", include_str!("../../../docs/errors/LS0015.md")),
    ("LS0016", include_str!("../../../docs/errors/LS0016.md")),
    ("LS0017", include_str!("../../../docs/errors/LS0017.md")),
    ("LS0018", include_str!("../../../docs/errors/LS0018.md")),
    ("LS0019", include_str!("../../../docs/errors/LS0019.md")),
    ("LS0020", include_str!("../../../docs/errors/LS0020.md")),
    ("LS0021", include_str!("../../../docs/errors/LS0021.md")),
    ("LS0022", include_str!("../../../docs/errors/LS0022.md")),
    ("LS0023", include_str!("../../../docs/errors/LS0023.md")),
    ("LS0024", include_str!("../../../docs/errors/LS0024.md")),
    ("LS0025", include_str!("../../../docs/errors/LS0025.md")),
    ("LS0026", include_str!("../../../docs/errors/LS0026.md")),
    ("LS0027", include_str!("../../../docs/errors/LS0027.md")),
    ("LS0028", include_str!("../../../docs/errors/LS0028.md")),
    ("LS0029", include_str!("../../../docs/errors/LS0029.md")),
    ("LS0030", include_str!("../../../docs/errors/LS0030.md")),
    ("LS0031", include_str!("../../../docs/errors/LS0031.md")),
    ("LS0032", include_str!("../../../docs/errors/LS0032.md")),
    ("LS0033", include_str!("../../../docs/errors/LS0033.md")),
    ("LS0034", include_str!("../../../docs/errors/LS0034.md")),
    ("LS0035", include_str!("../../../docs/errors/LS0035.md")),
    ("LS0036", include_str!("../../../docs/errors/LS0036.md")),
    ("LS0037", include_str!("../../../docs/errors/LS0037.md")),
    ("LS0038", include_str!("../../../docs/errors/LS0038.md")),
    ("LS0039", include_str!("../../../docs/errors/LS0039.md")),
    ("LS0040", include_str!("../../../docs/errors/LS0040.md")),
    ("LS0041", include_str!("../../../docs/errors/LS0041.md")),
];

/// Returns the page of a code as Markdown.
pub fn page(code: Code) -> &'static str {
    PAGES.iter().find(|(name, _)| *name == code.as_str()).map_or("", |(_, page)| page)
}

/// Returns what to do next about a code, on one line: the first paragraph of that part of its page.
pub fn help(code: Code) -> String {
    let (_, next) = page(code).split_once("## What to do next\n\n").unwrap_or_default();
    let paragraph = next.split("\n\n").next().unwrap_or_default();
    format!("{} (ledgerstone explain {code})", paragraph.replace('\n', " ").replace('`', ""))
}

/// Finds a code by its text, however it is written: `LS0001`, `ls1`, `1`.
pub fn find(text: &str) -> Option<Code> {
    let digits = text.trim().trim_start_matches(['L', 'l', 'S', 's']);
    let number: u32 = digits.parse().ok()?;
    let wanted = format!("LS{number:04}");
    Code::ALL.iter().copied().find(|code| code.as_str() == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_its_page_and_every_page_its_code() {
        let codes: Vec<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
        let pages: Vec<_> = PAGES.iter().map(|(name, _)| *name).collect();
        assert_eq!(pages, codes);
        for code in Code::ALL {
            let heading = format!("# {code}: {}\n", code.title());
            assert!(page(*code).starts_with(&heading), "{code}");
            for part in ["## Why", "## What to do next", "## What has not happened"] {
                assert!(page(*code).contains(part), "{code} lacks {part}");
            }
        }
    }

    #[test]
    fn a_code_is_found_however_it_is_written() {
        for text in ["LS0009", "ls0009", "9", "LS9"] {
            assert_eq!(find(text), Some(Code::WrongRevision), "{text}");
        }
        assert_eq!(find("LS9999"), None);
        assert_eq!(find(""), None);
    }
}
