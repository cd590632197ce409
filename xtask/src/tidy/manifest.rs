//! A package's manifest, read for its name and the names that it depends on.

/// What a dependency is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    /// In `[dependencies]` or `[build-dependencies]`, for any target.
    Normal,
    /// In `[dev-dependencies]`.
    Dev,
}

/// The manifest of one package.
#[derive(Debug)]
pub(crate) struct Manifest {
    pub(crate) path: String,
    pub(crate) name: String,
    /// Line index, use and name of each dependency.
    pub(crate) dependencies: Vec<(usize, Use, String)>,
}

impl Manifest {
    /// Reads a manifest as cargo and we write it, a key a line; none if it is no package's.
    pub(crate) fn parse(path: &str, text: &str) -> Option<Self> {
        let (mut name, mut section) = (None, Section::Other);
        let mut dependencies = Vec::new();
        for (index, line) in text.lines().enumerate().map(|(index, line)| (index, line.trim())) {
            if let Some(header) = line.strip_prefix('[') {
                section = Section::of(header.trim_end_matches(']'));
                if let Section::One(used, dependency) = &section {
                    dependencies.push((index, *used, dependency.clone()));
                }
                continue;
            }
            let Some((key, value)) = line.split_once('=').filter(|_| !line.starts_with('#')) else {
                continue;
            };
            let key = key.trim();
            match &section {
                Section::Package if key == "name" => name = Some(unquoted(value)),
                Section::All(used) => {
                    let dependency = key.split('.').next().unwrap_or(key);
                    dependencies.push((index, *used, unquoted(dependency)));
                }
                _ => {}
            }
        }
        Some(Self { path: path.to_owned(), name: name?, dependencies })
    }
}

enum Section {
    Package,
    All(Use),
    One(Use, String),
    Other,
}

impl Section {
    fn of(header: &str) -> Self {
        if header == "package" {
            return Self::Package;
        }
        let header = match header.strip_prefix("target.") {
            // `cfg(…)` may hold dots in quotes; what counts stands after the last closing quote.
            Some(target) => target.rsplit_once("'.").map_or(target, |(_, rest)| rest),
            None => header,
        };
        let (kind, one) = match header.split_once('.') {
            Some((kind, one)) => (kind, Some(one)),
            None => (header, None),
        };
        let used = match kind {
            "dependencies" | "build-dependencies" => Use::Normal,
            "dev-dependencies" => Use::Dev,
            _ => return Self::Other,
        };
        one.map_or(Self::All(used), |name| Self::One(used, unquoted(name)))
    }
}

fn unquoted(text: &str) -> String {
    text.trim().trim_matches(['"', '\'']).to_owned()
}

#[cfg(test)]
mod tests {
    use super::{Manifest, Use};

    #[test]
    fn every_way_to_write_a_dependency_is_read() {
        let text = "\
[package]\nname = \"a\"\n[dependencies]\nb.workspace = true\nc = { path = \"x\" }\n# d = 1\n\
[target.'cfg(target_os = \"linux\")'.dependencies]\ne = \"1\"\n[dev-dependencies.f]\nversion = \"1\"\n\
[features]\ng = []\n";
        let manifest = Manifest::parse("Cargo.toml", text).unwrap();
        let found: Vec<_> =
            manifest.dependencies.iter().map(|(_, used, name)| (*used, name.as_str())).collect();
        assert_eq!(manifest.name, "a");
        assert_eq!(found, [(Use::Normal, "b"), (Use::Normal, "c"), (Use::Normal, "e"), (Use::Dev, "f")]);
    }

    #[test]
    fn a_virtual_manifest_is_no_package() {
        assert!(
            Manifest::parse("Cargo.toml", "[workspace]\nmembers = []\n[workspace.dependencies]\na = \"1\"\n")
                .is_none()
        );
    }
}
