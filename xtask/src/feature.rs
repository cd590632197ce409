//! The features of the workspace's packages, as cargo itself reports them.

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::checkout::Checkout;

/// What is off by default for what it brings in, and is tested with the workspace nevertheless.
pub(crate) const TESTED_TOO: &str =
    "ledgerstone-cache/redis,ledgerstone-http/tls,ledgerstone-resilience/redis";

/// A package with one of its features, to be built with nothing else; none stands for no feature at all.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Lone {
    pub(crate) package: String,
    pub(crate) feature: Option<String>,
}

/// Lists every feature of every package that has any, and each such package without features.
pub(crate) fn each_alone(checkout: &Checkout) -> Result<Vec<Lone>> {
    let output = checkout
        .cargo(&["metadata", "--format-version", "1", "--no-deps", "--locked"])
        .output()
        .context("cargo metadata could not be run")?;
    if !output.status.success() {
        bail!("cargo metadata failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    let metadata = serde_json::from_slice(&output.stdout).context("cargo metadata is not JSON")?;
    Ok(from_metadata(&metadata))
}

fn from_metadata(metadata: &Value) -> Vec<Lone> {
    let mut found = Vec::new();
    for package in metadata["packages"].as_array().into_iter().flatten() {
        let (Some(name), Some(features)) = (package["name"].as_str(), package["features"].as_object()) else {
            continue;
        };
        let mut names: Vec<&String> = features.keys().filter(|name| *name != "default").collect();
        if names.is_empty() {
            continue;
        }
        names.sort();
        found.push(Lone { package: name.to_owned(), feature: None });
        found.extend(
            names
                .into_iter()
                .map(|feature| Lone { package: name.to_owned(), feature: Some(feature.clone()) }),
        );
    }
    found
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::from_metadata;

    #[test]
    fn each_feature_is_listed_once_and_the_default_left_out() {
        let metadata = json!({ "packages": [
            { "name": "plain", "features": {} },
            { "name": "only-default", "features": { "default": [] } },
            { "name": "stores", "features": { "default": ["sqlite"], "sqlite": [], "http": [] } },
        ]});
        let found: Vec<String> = from_metadata(&metadata)
            .into_iter()
            .map(|lone| format!("{} {}", lone.package, lone.feature.as_deref().unwrap_or("-")))
            .collect();
        assert_eq!(found, ["stores -", "stores http", "stores sqlite"]);
    }
}
