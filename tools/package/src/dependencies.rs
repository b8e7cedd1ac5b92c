//! The crates that the program is built from, as cargo resolves them: what only tests or other systems need is left out.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// The package with the program.
const PROGRAM: &str = "forebay-cli";

/// A crate.
#[derive(Debug)]
pub(crate) struct Dependency {
    /// As `pkg:cargo/NAME@VERSION`.
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) version: String,
    /// An SPDX expression.
    pub(crate) licence: String,
    /// Where its source is on this machine.
    pub(crate) folder: PathBuf,
    /// Whether it is of this project.
    pub(crate) own: bool,
    /// Those that it needs, as their `id`.
    pub(crate) needs: Vec<String>,
}

impl Dependency {
    /// All that the program is built from, it included, by name and version.
    pub(crate) fn all() -> Result<Vec<Self>> {
        let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
        let target = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
        let asked = ["metadata", "--format-version", "1", "--locked", "--filter-platform", &target];
        let output = Command::new(cargo).args(asked).output().context("cannot run cargo")?;
        ensure!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
        Self::from_metadata(&serde_json::from_slice(&output.stdout)?)
    }

    fn from_metadata(metadata: &Value) -> Result<Vec<Self>> {
        let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
        let packages: BTreeMap<_, _> =
            list(&metadata["packages"]).into_iter().map(|each| (text(&each["id"]), each)).collect();
        let nodes: BTreeMap<_, _> =
            list(&metadata["resolve"]["nodes"]).into_iter().map(|node| (text(&node["id"]), needs(&node))).collect();
        let program =
            packages.values().find(|package| package["name"] == PROGRAM).context("the program is no package")?;

        let mut ahead = vec![text(&program["id"])];
        let mut seen = BTreeSet::new();
        while let Some(id) = ahead.pop() {
            if seen.insert(id.clone()) {
                ahead.extend(nodes.get(&id).cloned().unwrap_or_default());
            }
        }
        let purl = |id: &String| packages.get(id).map_or_else(String::new, purl);
        let mut all: Vec<_> = seen
            .iter()
            .filter_map(|id| Some((id, packages.get(id)?)))
            .map(|(id, package)| Self {
                id: self::purl(package),
                name: text(&package["name"]),
                version: text(&package["version"]),
                licence: text(&package["license"]).replace('/', " OR "),
                folder: PathBuf::from(text(&package["manifest_path"])).parent().map_or_else(PathBuf::new, Into::into),
                own: package["source"].is_null(),
                needs: nodes[id].iter().map(purl).collect(),
            })
            .collect();
        all.sort_by(|a, b| (&a.name, &a.version).cmp(&(&b.name, &b.version)));
        Ok(all)
    }
}

/// What a node needs for a build, tests aside.
fn needs(node: &Value) -> Vec<String> {
    let of_a_build = |each: &&Value| {
        let kinds = each["dep_kinds"].as_array().map_or(&[][..], Vec::as_slice);
        kinds.iter().any(|kind| kind["kind"] != "dev")
    };
    let all = node["deps"].as_array().map_or(&[][..], Vec::as_slice);
    all.iter().filter(of_a_build).map(|each| text(&each["pkg"])).collect()
}

fn purl(package: &Value) -> String {
    format!("pkg:cargo/{}@{}", text(&package["name"]), text(&package["version"]))
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_only_tests_need_is_not_in_the_program() {
        let package = |name: &str| {
            json!({ "id": name, "name": name, "version": "1.0.0", "license": "MIT/Apache-2.0", "manifest_path": "/x/Cargo.toml",
                "source": if name == PROGRAM { Value::Null } else { json!("registry") } })
        };
        let need = |pkg: &str, kind: Value| json!({ "pkg": pkg, "dep_kinds": [{ "kind": kind }] });
        let metadata = json!({
            "packages": [package(PROGRAM), package("a"), package("b"), package("t")],
            "resolve": { "nodes": [
                { "id": PROGRAM, "deps": [need("a", Value::Null), need("t", json!("dev"))] },
                { "id": "a", "deps": [need("b", json!("build"))] },
                { "id": "b", "deps": [] }, { "id": "t", "deps": [] },
            ] },
        });
        let all = Dependency::from_metadata(&metadata).expect("it is well-formed");
        let names: Vec<_> = all.iter().map(|each| each.name.as_str()).collect();
        assert_eq!(names, ["a", "b", PROGRAM]);
        assert_eq!(all[0].needs, ["pkg:cargo/b@1.0.0"]);
        assert_eq!(all[0].licence, "MIT OR Apache-2.0");
        assert!(all[2].own && !all[0].own);
    }
}
