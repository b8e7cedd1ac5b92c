//! The bill of materials, as a `CycloneDX` 1.5 document (<https://cyclonedx.org/docs/1.5/json/>).

use serde_json::{Value, json};

use crate::dependencies::Dependency;

/// The document. It has no time and no serial number, so that the same commit gives the same bytes.
pub(crate) fn document(all: &[Dependency], commit: &str) -> Value {
    let (program, parts): (Vec<_>, Vec<_>) = all.iter().partition(|each| each.name == "forebay-cli");
    let mut program = program.first().map_or(Value::Null, |each| component(each, "application"));
    program["name"] = json!("forebay");
    program["properties"] = json!([{ "name": "commit", "value": commit }]);
    json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": { "component": program },
        "components": parts.iter().map(|each| component(each, "library")).collect::<Vec<_>>(),
        "dependencies": all.iter().map(|each| json!({ "ref": each.id, "dependsOn": each.needs })).collect::<Vec<_>>(),
    })
}

fn component(each: &Dependency, kind: &str) -> Value {
    json!({
        "type": kind,
        "bom-ref": each.id,
        "name": each.name,
        "version": each.version,
        "purl": each.id,
        "licenses": [{ "expression": each.licence }],
    })
}
