//! What Cargo says of the workspace.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

use super::sources::root;

/// What each crate of the workspace depends on for its product; what only tests and build scripts need is left out.
pub(crate) fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let output = Command::new(cargo)
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("it is JSON");
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let name = |value: &Value| value["name"].as_str().unwrap_or_default().to_owned();
    let of_product = |package: &Value| {
        list(&package["dependencies"]).iter().filter(|of| of["kind"].is_null()).map(name).collect::<BTreeSet<_>>()
    };
    list(&metadata["packages"]).iter().map(|package| (name(package), of_product(package))).collect()
}
